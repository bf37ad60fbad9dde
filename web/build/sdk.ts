import { build, type InlineConfig, type Rolldown } from 'vite';
import { SDK_DEFINES } from './aliases';
import { copyWorker, engineEntries, engineInputs, enginesBesideScript, stableWorker } from './engines';
import { ENTRIES, type Script, SCRIPTS, SDK, WEB } from './entries';

const COMMON: InlineConfig = {
  configFile: false,
  root: WEB,
  publicDir: false,
  base: './',
  logLevel: 'warn',
  define: SDK_DEFINES,
  worker: { format: 'es' },
};

/** Builds the modules, with their engines in files of their own. */
export async function buildModules(): Promise<void> {
  const input = { ...Object.fromEntries(ENTRIES.map(({ name, source }) => [name, WEB + source])), ...engineInputs() };
  await build({
    ...COMMON,
    plugins: [engineEntries(), stableWorker()],
    build: {
      target: 'es2022',
      outDir: SDK,
      emptyOutDir: true,
      sourcemap: true,
      assetsInlineLimit: 0,
      modulePreload: false,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 900,
      rolldownOptions: {
        input,
        external: ['vue'],
        preserveEntrySignatures: 'strict',
        output: {
          format: 'es',
          entryFileNames: '[name].mjs',
          chunkFileNames: 'chunks/[name]-[hash].mjs',
          assetFileNames: 'chunks/[name]-[hash][extname]',
          codeSplitting: { groups: [{ name: 'mpegts', test: /node_modules\/mpegts\.js/ }, { name: 'hls', test: /node_modules\/hls\.js/ }] },
        },
      },
    },
  });
  await copyWorker();
}

/** Builds the scripts that set globals; tells what was written. */
export async function buildScripts(): Promise<Rolldown.OutputChunk[]> {
  const built: Rolldown.OutputChunk[] = [];
  for (const script of SCRIPTS) built.push(await buildScript(script));
  return built;
}

async function buildScript({ file, global, entry, isDefault }: Script): Promise<Rolldown.OutputChunk> {
  const source = WEB + ENTRIES.find(({ name }) => name === entry)!.source;
  const start = 'virtual:script';
  const result = await build({
    ...COMMON,
    // Scripts have no address of this kind; they look at `document.currentScript`.
    define: { ...SDK_DEFINES, 'import.meta.url': 'undefined' },
    plugins: [
      {
        name: 'weblive:script',
        resolveId: (id) => (id === start ? `\0${start}` : null),
        load: (id) => (id === `\0${start}` ? (isDefault ? `export { default } from '${source}';` : `export * from '${source}';`) : null),
      },
      enginesBesideScript(),
    ],
    build: {
      target: 'es2022',
      outDir: SDK,
      emptyOutDir: false,
      sourcemap: true,
      assetsInlineLimit: 0,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 900,
      rolldownOptions: {
        input: start,
        preserveEntrySignatures: 'strict',
        output: { format: 'umd', name: global, entryFileNames: file, exports: isDefault ? 'default' : 'named', codeSplitting: false },
      },
    },
  });  const outputs = Array.isArray(result) ? result : [result];
  const chunk = outputs.flatMap((output) => ('output' in output ? output.output : [])).find((part) => part.type === 'chunk');
  if (!chunk) throw new Error(`the bundler has written nothing for sdk/${file}`);
  return chunk;
}
