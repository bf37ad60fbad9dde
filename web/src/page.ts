/**
 * What all scripts of this library on one page have together, by name; the first that asks makes it.
 *
 * A page may load several of them (`trtc.js`, `tim-js.js` and `tweblive.js`, say), each with code of its own. What must be
 * there once a page, such as the sessions, lies in the global object under a symbol that carries a version: scripts that
 * would not understand each other's objects do not meet.
 */
export function shared<T>(name: string, make: () => T): T {
  const scope = globalThis as { [PAGE]?: Map<string, unknown> };
  const all = (scope[PAGE] ??= new Map());
  if (!all.has(name)) all.set(name, make());
  return all.get(name) as T;
}

/**
 * Calls `listener` when the page, which the browser had frozen, may go on: what plays was held, and nobody lets it go by
 * itself. The returned function ends it.
 */
export function onThaw(listener: () => void): () => void {
  globalThis.document?.addEventListener('resume', listener);
  return () => document.removeEventListener('resume', listener);
}

/** Count up when the shape of something shared changes: `Session`, `SessionPool`, or what callers of {@link shared} make. */
const VERSION = 1;

const PAGE: unique symbol = Symbol.for(`weblive.page.${VERSION}`) as never;
