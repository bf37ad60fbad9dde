import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder `web/`. */
export const WEB = join(dirname(fileURLToPath(import.meta.url)), '..', sep);

/** What the server serves; its binary embeds it. */
export const DIST = `${WEB}dist/`;

/** The SDK as it is served at `/sdk/` and as the package carries it. */
export const SDK = `${DIST}sdk/`;

/** One way into the SDK. */
export interface Entry {
  /** Name of the module: `sdk/NAME.mjs`, and its subpath in the package (`weblive` is `.`). */
  name: string;
  /** Where its code is. */
  source: string;
}

/** The modules of the package. */
export const ENTRIES: readonly Entry[] = [
  { name: 'weblive', source: 'src/index.ts' },
  { name: 'vue', source: 'src/vue/index.ts' },
  { name: 'live', source: 'src/live/index.ts' },
  { name: 'tweblive', source: 'src/tweblive/index.ts' },
  { name: 'trtc', source: 'src/trtc/index.ts' },
  { name: 'tim', source: 'src/tim/index.ts' },
  { name: 'testcard', source: 'src/testcard/index.ts' },
];

/** A script without modules, which sets a global. */
export interface Script {
  /** File name in `sdk/`. */
  file: string;
  /** The global that it sets. */
  global: string;
  /** The entry whose default export, or whose exports, the global is. */
  entry: string;
  isDefault: boolean;
}

/** The scripts for pages that bundle nothing; three of them stand in for the vendor's. */
export const SCRIPTS: readonly Script[] = [
  { file: 'weblive.js', global: 'weblive', entry: 'weblive', isDefault: false },
  { file: 'tweblive.js', global: 'TWebLive', entry: 'tweblive', isDefault: true },
  { file: 'trtc.js', global: 'TRTC', entry: 'trtc', isDefault: true },
  { file: 'tim-js.js', global: 'TIM', entry: 'tim', isDefault: true },
];

/** What plays, loaded by those pages only that need it: a library, or our code around one; by the specifier that our code imports. */
export const ENGINES: Readonly<Record<string, string>> = {
  'mpegts.js': 'engines/mpegts.mjs',
  './engines/hls': 'engines/hls.mjs',
};

/** The worker of hls.js, which is loaded by its address. */
export const HLS_WORKER = { specifier: 'hls.js/dist/hls.worker.js', file: 'engines/hls.worker.js' } as const;

/** Bytes of the core, compressed: all of `weblive` in one file, our players included, without the engines and Vue. */
export const CORE_BUDGET = 60 * 1024;
