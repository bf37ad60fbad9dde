import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { VERSION } from './aliases';
import { ENTRIES, SCRIPTS, SDK, WEB } from './entries';
import { writeTypes } from './types';

/**
 * The package `weblive`. It is a folder of its own and not `web/` itself: it holds the very files that the server
 * serves at `/sdk/`, and nothing of the pages, their dependencies or their scripts.
 */
export const PACKAGE = join(WEB, 'package');

/** Writes the package into {@link PACKAGE}, and its tarball beside what is served. */
export async function writePackage(): Promise<string> {
  await rm(PACKAGE, { recursive: true, force: true });
  await mkdir(PACKAGE);
  await rm(join(SDK, 'weblive.tgz'), { force: true });
  for (const engine of ENGINES) await copyFile(join(WEB, 'node_modules', engine, 'LICENSE'), join(SDK, 'engines', `${engine}-LICENSE`));
  await cp(SDK, PACKAGE, { recursive: true });
  await writeTypes(join(PACKAGE, 'types'));
  const manifest = packageManifest();
  await writeFile(join(PACKAGE, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await copyFile(join(WEB, 'build/package-readme.md'), join(PACKAGE, 'README.md'));
  for (const license of ['LICENSE-APACHE', 'LICENSE-MIT']) await copyFile(join(WEB, '..', license), join(PACKAGE, license));
  const { stdout } = await promisify(execFile)('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', SDK], { cwd: PACKAGE });
  const [packed] = JSON.parse(stdout) as { filename: string; size: number }[];
  if (!packed) throw new Error(`npm pack has written nothing: ${stdout}`);
  await rename(join(SDK, packed.filename), join(SDK, 'weblive.tgz'));
  return `${(packed.size / 1024).toFixed(0)} kB`;
}

/** What the package holds of others: their terms go with it. */
const ENGINES = ['hls.js', 'mpegts.js'];

/** `package.json` of the package. */
export function packageManifest(): Record<string, unknown> {
  const exports = Object.fromEntries(
    ENTRIES.map(({ name, source }) => {
      const script = SCRIPTS.find(({ entry }) => entry === name);
      const types = `./types/${source.replace(/^src\//, '').replace(/\.ts$/, '.d.ts')}`;
      const module = `./${name}.mjs`;
      return [name === 'weblive' ? '.' : `./${name}`, { types, import: module, ...(script && { require: `./${script.file}` }), default: module }];
    }),
  );
  return {
    name: 'weblive',
    version: VERSION,
    description: 'Live streaming in the browser: publish, play, chat, guests on seats; for the weblive server',
    license: '(MIT OR Apache-2.0) AND Apache-2.0',
    main: './weblive.js',
    module: './weblive.mjs',
    unpkg: './weblive.js',
    types: './types/index.d.ts',
    exports: { ...exports, './*.js': './*.js', './package.json': './package.json' },
    // Only the scripts that set globals do anything by being loaded.
    sideEffects: SCRIPTS.map(({ file }) => `./${file}`),
    peerDependencies: { vue: '^3.3.0' },
    peerDependenciesMeta: { vue: { optional: true } },
    keywords: ['live', 'streaming', 'webrtc', 'flv', 'hls', 'chat'],
  };
}
