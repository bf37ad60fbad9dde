import { build, type InlineConfig, type Rolldown } from 'vite';
import { SDK_DEFINES } from './aliases';
import { copyWorker, engineEntries, engineInputs, enginesBesideScript, stableWorker } from './engines';
import { ENTRIES, type Script, SCRIPTS, SDK, WEB } from './entries';
import { ORDER } from './order';

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

/** A script, and what each of its modules imports, by their paths in `src/`. */
interface Bundle {
  chunk: Rolldown.OutputChunk;
  imports: ReadonlyMap<string, readonly string[]>;
}

async function buildScript(script: Script): Promise<Rolldown.OutputChunk> {
  const { imports } = await bundle(script, null);
  return (await bundle(script, ORDER.filter((id) => imports.has(id)))).chunk;
}

/** Bundles a script with `order` imported first; writes it unless `order` is null. */
export async function bundle({ file, global, entry, isDefault }: Script, order: readonly string[] | null): Promise<Bundle> {
  const source = WEB + ENTRIES.find(({ name }) => name === entry)!.source;
  const start = 'virtual:script';
  const first = (order ?? []).map((id) => `import '${WEB}src/${id}';\n`).join('');
  const imports = new Map<string, readonly string[]>();
  const result = await build({
    ...COMMON,
    // Scripts have no address of this kind; they look at `document.currentScript`.
    define: { ...SDK_DEFINES, 'import.meta.url': 'undefined' },
    plugins: [
      {
        name: 'weblive:script',
        resolveId: (id) => (id === start ? `\0${start}` : null),
        load: (id) => (id === `\0${start}` ? first + (isDefault ? `export { default } from '${source}';` : `export * from '${source}';`) : null),
        buildEnd() {
          const inSource = (id: string) => id.startsWith(`${WEB}src/`);
          const short = (id: string) => id.slice(`${WEB}src/`.length);
          for (const id of [...this.getModuleIds()].filter(inSource)) {
            imports.set(short(id), (this.getModuleInfo(id)?.importedIds ?? []).filter(inSource).map(short));
          }
        },
      },
      enginesBesideScript(),
    ],
    build: {
      target: 'es2022',
      outDir: SDK,
      emptyOutDir: false,
      write: order !== null,
      minify: order !== null,
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
  });
  const outputs = Array.isArray(result) ? result : [result];
  const chunk = outputs.flatMap((output) => ('output' in output ? output.output : [])).find((part) => part.type === 'chunk');
  if (!chunk) throw new Error(`the bundler has written nothing for sdk/${file}`);
  return { chunk, imports };
}
