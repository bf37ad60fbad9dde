import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The modules of the package by the names that users of it import, for code in this folder. */
export const PUBLIC_SURFACE = [
  { find: /^weblive$/, replacement: at('src/index.ts') },
  { find: /^weblive\/([a-z]+)$/, replacement: at('src/$1/index.ts') },
];

/** The version of the package. */
export const VERSION = (JSON.parse(readFileSync(at('package.json'), 'utf8')) as { version: string }).version;

/** What the bundler writes into the SDK's code. */
export const SDK_DEFINES = { __WEBLIVE_VERSION__: JSON.stringify(VERSION) };
