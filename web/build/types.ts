import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ENTRIES, WEB } from './entries';

/** Writes the typings of all entries below `folder`, as modules that resolve with every `moduleResolution`. */
export async function writeTypes(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const settings = `${folder}.tsconfig.json`;
  await writeFile(
    settings,
    JSON.stringify({
      extends: join(WEB, 'tsconfig.json'),
      // The type check is a step of its own.
      compilerOptions: {
        noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true, stripInternal: true,
        rootDir: join(WEB, 'src'), outDir: folder,
      },
      files: [...ENTRIES.map(({ source }) => join(WEB, source)), ...(await ambient())],
      include: [],
    }),
  );
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', settings]);
  } catch (thrown) {
    throw new Error(`the typings could not be written:\n${(thrown as { stdout?: string }).stdout ?? String(thrown)}`);
  } finally {
    await rm(settings);
  }
  const reached = new Set<string>();
  for (const { source } of ENTRIES) await finish(join(folder, source.replace(/^src\//, '').replace(/\.ts$/, '.d.ts')), reached);
  // What nobody can name is nobody's to read.
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.endsWith('.d.ts') && !reached.has(join(folder, name))) await rm(join(folder, name));
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n');
}

/** Declarations that no module imports. */
async function ambient(): Promise<string[]> {
  const names = await readdir(join(WEB, 'src'));
  return names.filter((name) => name.endsWith('.d.ts')).map((name) => join(WEB, 'src', name));
}

/**
 * Gives relative imports of a file, and of all that it names, the suffix that modules have; refuses imports of libraries
 * that the package does not depend on.
 */
async function finish(file: string, reached: Set<string>): Promise<void> {
  if (reached.has(file)) return;
  reached.add(file);
  const text = await readFile(file, 'utf8');
  const next: string[] = [];
  const finished = text.replace(/(\bfrom |\bimport\(|^import )(['"])([^'"]+)\2/gm, (all, before: string, quote: string, specifier: string) => {
    if (!specifier.startsWith('.')) {
      if (specifier === 'vue') return all;
      throw new Error(`${file}: the typings name ${specifier}, which the package does not depend on`);
    }
    const target = join(dirname(file), specifier);
    const path = existsSync(`${target}.d.ts`) ? `${specifier}.js` : existsSync(join(target, 'index.d.ts')) ? `${specifier}/index.js` : null;
    if (path === null) throw new Error(`${file}: no typings for ${specifier}`);
    next.push(join(dirname(file), path.replace(/\.js$/, '.d.ts')));
    return `${before}${quote}${path}${quote}`;
  });
  if (finished !== text) await writeFile(file, finished);
  for (const name of next) await finish(name, reached);
}
