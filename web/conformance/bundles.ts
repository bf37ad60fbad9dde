import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SDK } from '../build/entries';

/** What a script or a module gives, to be looked into. */
export type Bag = Record<string, unknown>;

/** The text of a built file. */
export function text(file: string): Promise<string> {
  return readFile(join(SDK, file), 'utf8').catch(() => {
    throw new Error(`sdk/${file} is not built: npm run build`);
  });
}

/** Runs a script as a page does, and gives the global that it sets. */
export async function run(file: string, name: string): Promise<Bag> {
  (0, eval)(await text(file));
  const made = (globalThis as Bag)[name];
  if (!isBag(made)) throw new Error(`sdk/${file} sets no global ${name}`);
  return made;
}

/** The exports of a built module. */
export async function load(file: string): Promise<Bag> {
  await text(file);
  return (await import(/* @vite-ignore */ join(SDK, file))) as Bag;
}

export function isBag(value: unknown): value is Bag {
  return (typeof value === 'object' || typeof value === 'function') && value !== null;
}

/** A member that is an object with members. */
export function bag(of: Bag, name: string): Bag {
  const value = of[name];
  if (!isBag(value)) throw new Error(`${name} is ${typeof value}`);
  return value;
}

/** Calls a method. */
export function call(of: Bag, name: string, ...values: unknown[]): unknown {
  const method = of[name];
  if (typeof method !== 'function') throw new Error(`${name} is ${typeof method}`);
  return (method as (...values: unknown[]) => unknown).apply(of, values);
}

/** The names that are no methods. */
export function withoutMethod(of: Bag, names: readonly string[]): string[] {
  return names.filter((name) => typeof of[name] !== 'function');
}

/** The names that are not there, or are something else than the table says. */
export function otherThan(of: Bag, table: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(table).filter(([name, value]) => of[name] !== value).map(([name]) => `${name}: ${String(of[name])}`);
}
