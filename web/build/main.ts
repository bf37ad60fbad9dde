/**
 * Builds everything that the binary serves: the pages (vite.config.ts), then the SDK, its package, the examples, and
 * beside them the documentation. `--sdk` leaves pages and documentation as they are.
 */
import { build } from 'vite';
import { checkBudget } from './budget';
import { writeDocs } from './docs';
import { CORE_BUDGET, WEB } from './entries';
import { writeExamples } from './examples';
import { writePackage } from './package';
import { buildModules, buildScripts } from './sdk';

async function step(name: string, work: () => Promise<string | void>): Promise<void> {
  const begin = performance.now();
  const more = await work();
  console.log(`${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s${more ? `, ${more}` : ''}`);
}

process.env['NODE_ENV'] ??= 'production';
const isWhole = !process.argv.includes('--sdk');
if (isWhole) await step('pages', async () => void (await build({ root: WEB, logLevel: 'warn' })));
const docs = isWhole ? step('docs', writeDocs) : Promise.resolve();
// It is awaited last; a failure before that is told there.
docs.catch(() => undefined);
await step('modules', buildModules);
await step('scripts', async () => {
  const sizes = (await buildScripts()).map((script) => `${script.fileName} ${(checkBudget(script, CORE_BUDGET) / 1024).toFixed(1)}`);
  return `${sizes.join(', ')} of ${CORE_BUDGET / 1024} KiB compressed`;
});
await step('examples', writeExamples);
await step('package', writePackage);
await docs;
