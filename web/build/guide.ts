import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WEB } from './entries';
import { EXAMPLES } from './examples';

/** The guide: Markdown pages. */
export const GUIDE = join(WEB, 'docs');

/**
 * A page of the guide with the code of the examples that it names: whatever stands between
 * `<!-- code of push.js -->` and the end of the fenced block after it is the file `examples/push.js`.
 */
export async function withCode(page: string): Promise<string> {
  const parts = page.split(/(<!-- code of [\w.-]+ -->\n```[a-z]*\n[^]*?\n?```)/);
  const filled = await Promise.all(parts.map(async (part) => {
    const name = /^<!-- code of ([\w.-]+) -->/.exec(part)?.[1];
    if (!name) return part;
    const code = (await readFile(join(EXAMPLES, name), 'utf8')).trimEnd();
    return `<!-- code of ${name} -->\n\`\`\`${name.split('.').pop()}\n${code}\n\`\`\``;
  }));
  return filled.join('');
}

/** The pages of the guide whose code is not that of the examples. */
export async function stalePages(): Promise<string[]> {
  const names = (await readdir(GUIDE)).filter((name) => name.endsWith('.md'));
  const stale = await Promise.all(names.map(async (name) => {
    const page = await readFile(join(GUIDE, name), 'utf8');
    return (await withCode(page)) === page ? [] : [name];
  }));
  return stale.flat();
}

// `tsx build/guide.ts` brings the code in the guide up to date.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of await stalePages()) {
    const file = join(GUIDE, name);
    await writeFile(file, await withCode(await readFile(file, 'utf8')));
    console.log(name);
  }
}
