import { gzipSync } from 'node:zlib';
import type { Rolldown } from 'vite';
import { CORE_BUDGET } from './entries';

/** The compressed size of one chunk. */
export interface Part {
  file: string;
  bytes: number;
}

/** What a page loads, sooner or later, for the entry `weblive`, without the engines. */
export function coreParts(chunks: readonly Rolldown.OutputChunk[]): Part[] {
  const byFile = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const reached = new Set<string>();
  const visit = (file: string) => {
    const chunk = byFile.get(file);
    if (!chunk || reached.has(file) || isEngine(chunk)) return;
    reached.add(file);
    for (const next of [...chunk.imports, ...chunk.dynamicImports]) visit(next);
  };
  visit('weblive.mjs');
  return [...reached].map((file) => ({ file, bytes: gzipSync(byFile.get(file)!.code, { level: 9 }).length }));
}

/** Throws where the core has grown over its budget, and says what is large in it. */
export function checkBudget(chunks: readonly Rolldown.OutputChunk[], budget = CORE_BUDGET): number {
  const parts = coreParts(chunks);
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= budget) return total;
  const largest = chunks
    .filter(({ fileName }) => parts.some(({ file }) => file === fileName))
    .flatMap((chunk) => Object.entries(chunk.modules))
    .map(([id, { renderedLength }]) => ({ id: id.replace(/^.*\/web\//, ''), renderedLength }))
    .sort((a, b) => b.renderedLength - a.renderedLength)
    .slice(0, 12);
  const list = largest.map(({ id, renderedLength }) => `  ${renderedLength} B minified or less  ${id}`).join('\n');
  throw new Error(`the SDK's core is ${total} B compressed, the budget is ${budget} B (build/entries.ts). Largest modules:\n${list}`);
}

const isEngine = ({ moduleIds }: Rolldown.OutputChunk) => moduleIds.some((id) => /node_modules\/(mpegts\.js|hls\.js)\//.test(id));
