import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import vue from '@vitejs/plugin-vue';
import { build } from 'vite';
import { PUBLIC_SURFACE, SDK_DEFINES } from './aliases';
import { DIST, WEB } from './entries';

/** The pages as they are written. */
export const EXAMPLES = join(WEB, 'examples');

/**
 * Copies the examples as they are, which is how they are read; what is written as a component is built beside them. The
 * list of them is made of what each page says of itself in `<title>` and `<meta>`.
 */
export async function writeExamples(): Promise<string> {
  const to = join(DIST, 'examples');
  await mkdir(to, { recursive: true });
  const names = await readdir(EXAMPLES);
  for (const name of names) await copyFile(join(EXAMPLES, name), join(to, name));
  for (const name of names.filter((name) => name.endsWith('.vue'))) await buildComponent(name, to);
  const pages = await examplePages();
  await writeFile(join(to, 'index.html'), list(pages));
  return `${pages.length} pages`;
}

/** What an example says of itself. */
export interface ExamplePage {
  /** Its file, such as `push.html`. */
  name: string;
  title: string;
  text: string;
  /** What it belongs to, and where it stands there. */
  group: string;
  order: number;
}

/** The examples in the order in which they are listed. Throws where one does not say what it is. */
export async function examplePages(): Promise<ExamplePage[]> {
  const names = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.html'));
  const pages = await Promise.all(names.map(async (name) => aboutOf(name, await readFile(join(EXAMPLES, name), 'utf8'))));
  return pages.sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group) || a.order - b.order);
}

function aboutOf(name: string, page: string): ExamplePage {
  const meta = (of: string) => new RegExp(`<meta name="${of}" content="([^"]+)"`).exec(page)?.[1];
  const title = /<title>([^<]+)<\/title>/.exec(page)?.[1]?.trim();
  const [text, group, order] = [meta('description'), meta('group'), Number(meta('order'))];
  if (!title || !text || !group || !GROUPS.includes(group) || !order) {
    throw new Error(`examples/${name} lacks one of title, description, order and group; groups are ${GROUPS.join(', ')}`);
  }
  return { name, title, text, group, order };
}

const GROUPS = ['Publish', 'Watch', 'Talk', 'Seats', 'Calls', 'Without rooms', 'For existing pages'];

/** A page that is one component: its code, the library and Vue in one module. */
async function buildComponent(name: string, to: string): Promise<void> {
  const start = 'virtual:example';
  await build({
    configFile: false,
    root: WEB,
    publicDir: false,
    logLevel: 'warn',
    define: { ...SDK_DEFINES, __VUE_OPTIONS_API__: false, __VUE_PROD_DEVTOOLS__: false, __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: false },
    resolve: { alias: PUBLIC_SURFACE },
    plugins: [
      vue(),
      {
        name: 'weblive:example',
        enforce: 'pre',
        resolveId: (id) => (id === start ? `\0${start}` : id === './page.js' ? { id, external: true } : null),
        load: (id) => (id === `\0${start}` ? `import { createApp } from 'vue'; import App from '${join(EXAMPLES, name)}'; createApp(App).mount('#app');` : null),
      },
    ],
    build: {
      target: 'es2022',
      outDir: to,
      emptyOutDir: false,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 900,
      modulePreload: false,
      rolldownOptions: {
        input: start,
        output: { format: 'es', entryFileNames: name.replace(/\.vue$/, '.js'), codeSplitting: false },
      },
    },
  });
}

// Titles and texts are HTML already.
function list(pages: ExamplePage[]): string {
  const sections = GROUPS.map((group) => {
    const items = pages.filter((page) => page.group === group).map(({ name, title, text }) => `<li><a href="${name}">${title}</a><p>${text}</p></li>`);
    return items.length > 0 ? `<h2>${group}</h2>\n<ul class="list">\n${items.join('\n')}\n</ul>` : '';
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>weblive examples</title>
<link rel="icon" href="../icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="examples.css">
</head>
<body>
<main>
<h1>Examples</h1>
<p>Each page is one feature in a few lines: it runs, and shows its code. The <a href="../docs/">guide and the reference</a> say more.</p>
${sections.filter((section) => section !== '').join('\n')}
</main>
</body>
</html>
`;
}
