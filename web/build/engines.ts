import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';
import { ENGINES, HLS_WORKER, SDK, WEB } from './entries';

/** Modules of the served folder that give what plays by name, for scripts that are no modules. */
export function engineEntries(): Plugin {
  return {
    name: 'weblive:engine-entries',
    resolveId: (id) => (id.startsWith(ENGINE) ? `\0${id}` : null),
    load(id) {
      if (!id.startsWith(`\0${ENGINE}`)) return null;
      const specifier = id.slice(ENGINE.length + 1).replace(/^\./, `${WEB}src/players`);
      return `export { default } from ${JSON.stringify(specifier)};`;
    },
  };
}

/** The inputs of {@link engineEntries}: file name without suffix → module. */
export function engineInputs(): Record<string, string> {
  return Object.fromEntries(Object.entries(ENGINES).map(([specifier, file]) => [file.replace(/\.mjs$/, ''), ENGINE + specifier]));
}

/** The worker of hls.js under a name without a hash: it is part of the package. */
export function stableWorker(): Plugin {
  return {
    name: 'weblive:hls-worker',
    enforce: 'pre',
    resolveId: (id) => (id === `${HLS_WORKER.specifier}?url` ? WORKER : null),
    load: (id) => (id === WORKER ? `export default new URL(/* @vite-ignore */ '../${HLS_WORKER.file}', import.meta.url).href;` : null),
  };
}

/** Copies that worker to where both kinds of build expect it. */
export async function copyWorker(): Promise<void> {
  await mkdir(`${SDK}engines`, { recursive: true });
  await copyFile(createRequire(import.meta.url).resolve(HLS_WORKER.specifier), SDK + HLS_WORKER.file);
}

/**
 * In a script that is no module: takes the engines from the folder that the script came from, when they are needed.
 * A script that carried them would be five times as large.
 */
export function enginesBesideScript(): Plugin[] {
  return [
    {
      name: 'weblive:beside-script',
      enforce: 'pre',
      resolveId(id) {
        if (id === `${HLS_WORKER.specifier}?url`) return WORKER;
        return id === BESIDE ? `\0${BESIDE}` : null;
      },
      load(id) {
        if (id === WORKER) return `import { beside } from '${BESIDE}'; export default beside('${HLS_WORKER.file}');`;
        return id === `\0${BESIDE}` ? BESIDE_CODE : null;
      },
    },
    {
      // Behind the TypeScript compiler: types import, too.
      name: 'weblive:engines-beside-script',
      transform(code, id) {
        if (id.includes('/node_modules/')) return null;
        const changed = code.replace(DYNAMIC, (_, __, specifier: string) => `import(/* @vite-ignore */ __beside('${ENGINES[specifier]}'))`);
        return changed === code ? null : { code: `import { beside as __beside } from '${BESIDE}';${changed}`, map: null };
      },
    },
  ];
}

const ENGINE = 'virtual:engine/';
const WORKER = '\0weblive-hls-worker';
const BESIDE = 'virtual:beside-script';

/** `document.currentScript` is there only while the script itself runs. */
const BESIDE_CODE = `
const script = globalThis.document?.currentScript;
const from = script?.src || globalThis.location?.href;
export const beside = (file) => new URL(file, from).href;
`;

const DYNAMIC = /\bimport\(\s*(['"])(mpegts\.js|\.\/engines\/hls)\1\s*\)/g;
