import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIST, WEB } from './entries';

const FROM = join(WEB, 'examples');

/**
 * Copies the examples as they are, which is how they are read, and writes the list of them: each page says in `<title>`
 * and `<meta name="description">` what it shows.
 */
export async function writeExamples(): Promise<string> {
  const to = join(DIST, 'examples');
  await mkdir(to, { recursive: true });
  const names = (await readdir(FROM)).sort();
  for (const name of names) await copyFile(join(FROM, name), join(to, name));
  const pages = names.filter((name) => name.endsWith('.html'));
  const entries = await Promise.all(pages.map(async (name) => ({ name, ...aboutOf(name, await readFile(join(FROM, name), 'utf8')) })));
  await writeFile(join(to, 'index.html'), list(entries.sort((a, b) => a.order - b.order || a.title.localeCompare(b.title))));
  return `${entries.length} pages`;
}

interface About {
  title: string;
  text: string;
  /** `<meta name="order">`: simple things first. */
  order: number;
}

function aboutOf(name: string, page: string): About {
  const title = /<title>([^<]+)<\/title>/.exec(page)?.[1]?.trim();
  const text = /<meta name="description" content="([^"]+)"/.exec(page)?.[1];
  if (!title || !text) throw new Error(`examples/${name} has no title or no description`);
  return { title, text, order: Number(/<meta name="order" content="(\d+)"/.exec(page)?.[1] ?? 100) };
}

// Titles and texts are HTML already.
function list(entries: ({ name: string } & About)[]): string {
  const items = entries.map(({ name, title, text }) => `<li><a href="${name}">${title}</a><p>${text}</p></li>`);
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
<p>Each page is one feature in a few lines, and runs. View its source to read it.</p>
<ul class="list">
${items.join('\n')}
</ul>
</main>
</body>
</html>
`;
}
