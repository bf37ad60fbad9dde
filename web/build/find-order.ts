/**
 * Looks for an order of modules (build/order.ts) in which the scripts compress well: `npx tsx build/find-order.ts SECONDS`.
 * gzip finds again what it has seen within 32 KiB, so that modules that are alike should stand near each other.
 */
import { decode } from '@jridgewell/sourcemap-codec';
import { writeFileSync } from 'node:fs';
import { compressed } from './budget';
import { WEB } from './entries';
import { ORDER, orderOf } from './order';
import { bundle } from './sdk';
import { SCRIPTS } from './entries';

const seconds = Number(process.argv[2] ?? 60);
const { chunk, imports } = await bundle(SCRIPTS[0]!, []);
const map = chunk.map!;
const lines = chunk.code.split('\n');
const texts = new Map<string, string>();
let rest = '';
decode(map.mappings).forEach((segments, at) => {
  const line = lines[at] ?? '';
  let start = 0;
  let source: string | null = null;
  const take = (end: number) => {
    const text = line.slice(start, end);
    if (source === null) rest += text;
    else texts.set(source, (texts.get(source) ?? '') + text);
    start = end;
  };
  for (const segment of segments) {
    take(segment[0]);
    if (segment.length > 1) source = (map.sources[segment[1]!] ?? '').replace(/^.*\/src\//, '');
  }
  take(line.length);
});
const size = (wanted: readonly string[]) => compressed(rest + orderOf(wanted, imports).map((id) => texts.get(id) ?? '').join(''));
let best = [...ORDER.filter((id) => texts.has(id)), ...[...texts.keys()].filter((id) => !ORDER.includes(id))];
let least = size(best);
console.log(`begins with ${least} B`);
for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
  const next = [...best];
  const moved = next.splice(Math.floor(Math.random() * next.length), 1 + Math.floor(Math.random() * 6));
  next.splice(Math.floor(Math.random() * (next.length + 1)), 0, ...moved);
  const bytes = size(next);
  if (bytes >= least) continue;
  [best, least] = [next, bytes];
}
const list = orderOf(best, imports).filter((id) => texts.has(id)).map((id) => `  '${id}',`).join('\n');
const file = `${WEB}build/order.ts`;
const { readFileSync } = await import('node:fs');
writeFileSync(file, readFileSync(file, 'utf8').replace(/(ORDER: readonly string\[\] = \[\n)[^\]]*\]/, `$1${list}\n]`));
console.log(`ends with ${least} B, written to build/order.ts`);
