import { describe, expect, it } from 'vitest';
import { en } from './en';
import { ko } from './ko';
import { zh } from './zh';

type Tree = { readonly [key: string]: string | Tree };

function flat(tree: Tree, path = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') found.set(path + key, value);
    else for (const [inner, text] of flat(value, `${path}${key}.`)) found.set(inner, text);
  }
  return found;
}

const english = flat(en as unknown as Tree);
const names = (text: string) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]))].sort();
const sources = Object.entries(import.meta.glob<string>(['../**/*.vue', '../**/*.ts'], { query: '?raw', import: 'default', eager: true }));

describe('the texts of the page', () => {
  it.each([['zh', zh], ['ko', ko]])('are all there in %s, with the same places to fill in', (_name, tree) => {
    const other = flat(tree as unknown as Tree);
    expect([...other.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of english) {
      expect(other.get(key), key).not.toBe('');
      expect(names(other.get(key)!), key).toEqual(names(text));
    }
  });

  it('have nothing that the compiler of messages takes for itself', () => {
    for (const tree of [en, zh, ko]) for (const [key, text] of flat(tree as unknown as Tree)) expect(text.replace(/\{\w+\}/g, ''), key).not.toMatch(/[@{}]/);
  });

  it('are there for each key that a component names', () => {
    const missing = sources.flatMap(([path, source]) =>
      [...source.matchAll(/\bt\(\s*'([\w.]+)'/g)].map((match) => match[1]!).filter((key) => !english.has(key)).map((key) => `${path}: ${key}`),
    );
    expect(missing).toEqual([]);
  });
});
