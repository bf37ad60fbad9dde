import { execFile } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DIST, ENTRIES, WEB } from './entries';
import { GUIDE } from './guide';

/** The guide and the reference, as the server serves them at `/docs/`. */
const DOCS = join(DIST, 'docs');

/**
 * Writes the guide and the reference of all entries, made of their typings and comments. It is a part of every build, so
 * that a binary has the documentation of its own scripts; in a process of its own, since it takes longer than the rest.
 */
export async function writeDocs(): Promise<string> {
  const settings = join(WEB, 'typedoc.generated.json');
  await rm(DOCS, { recursive: true, force: true });
  await writeFile(settings, JSON.stringify(options()));
  const typedoc = join(dirname(createRequire(import.meta.url).resolve('typedoc/package.json')), 'bin/typedoc');
  try {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [typedoc, '--options', settings], { cwd: WEB });
    // Links that lead nowhere are told here; they are no reason to have no binary.
    if (/warning/i.test(stderr + stdout)) console.warn((stderr + stdout).trim());
  } catch (thrown) {
    throw new Error(`the reference could not be written:\n${(thrown as { stdout?: string }).stdout ?? ''}${(thrown as { stderr?: string }).stderr ?? String(thrown)}`);
  } finally {
    await rm(settings);
  }
  const pages = (await readdir(DOCS, { recursive: true })).filter((name) => name.endsWith('.html'));
  await Promise.all(pages.map((name) => withoutInlineCode(join(DOCS, name))));
  return `${pages.length} pages`;
}

/** Settings of typedoc. */
function options(): Record<string, unknown> {
  return {
    name: 'weblive',
    entryPoints: ENTRIES.map(({ source }) => source),
    tsconfig: 'tsconfig.json',
    out: DOCS,
    readme: join(GUIDE, 'README.md'),
    projectDocuments: GUIDE_PAGES.map((name) => join(GUIDE, name)),
    alwaysCreateEntryPointModule: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeInternal: true,
    excludeExternals: true,
    disableSources: true,
    hideGenerator: true,
    includeHierarchySummary: false,
    // The type check is a step of its own.
    skipErrorChecking: true,
    // What a signature names is described where it is exported, and else shown by its name.
    validation: { notExported: false, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: false, unusedMergeModuleWith: true },
    navigationLinks: { Examples: '/examples/', 'Demo': '/' },
    sort: ['documents-first', 'kind', 'source-order'],
    sortEntryPoints: false,
    categorizeByGroup: false,
    highlightLanguages: ['javascript', 'typescript', 'vue', 'html', 'toml', 'console', 'bash'],
    favicon: join(WEB, 'public/icon.svg'),
  };
}

/** The order in which the guide is read. */
export const GUIDE_PAGES = [
  'getting-started.md', 'push.md', 'play.md', 'lines.md', 'chat.md', 'seats.md', 'calls.md', 'errors.md', 'browsers.md', 'deploying.md', 'coming-from-tweblive.md',
];

/** The server's policy allows no code in pages; what stands there only chooses the colours a moment earlier. */
async function withoutInlineCode(file: string): Promise<void> {
  const page = await readFile(file, 'utf8');
  await writeFile(file, page.replace(/<script>[^<]*<\/script>/g, ''));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await writeDocs());
