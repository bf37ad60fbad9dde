import { gzipSync } from 'node:zlib';
import type { Rolldown } from 'vite';

/** The compressed size of a file, in bytes. */
export function compressed(code: string): number {
  return gzipSync(code, { level: 9 }).length;
}

/** Throws where a script has grown over the budget, and says what is large in it. Gives its compressed size. */
export function checkBudget(script: Rolldown.OutputChunk, budget: number): number {
  const bytes = compressed(script.code);
  if (bytes <= budget) return bytes;
  const largest = Object.entries(script.modules)
    .map(([id, { renderedLength }]) => ({ id: id.replace(/^.*\/web\//, ''), renderedLength }))
    .sort((a, b) => b.renderedLength - a.renderedLength)
    .slice(0, 12);
  const list = largest.map(({ id, renderedLength }) => `  ${renderedLength} B before compression  ${id}`).join('\n');
  throw new Error(`sdk/${script.fileName} has ${bytes} B compressed; allowed are ${budget} B (CORE_BUDGET in build/entries.ts). Its largest modules:\n${list}`);
}
