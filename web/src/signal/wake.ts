/**
 * Calls `listener` when a lost connection is worth a try at once: the network is back or another one, the page is
 * seen again or comes out of the browser's cache. Timers may have slept meanwhile. The returned function ends it.
 */
export function onWake(listener: () => void): () => void {
  const shown = () => document.visibilityState === 'visible' && listener();
  const network = (globalThis.navigator as { connection?: EventTarget } | undefined)?.connection;
  const places: [EventTarget | undefined, string, () => void][] = [
    [typeof globalThis.addEventListener === 'function' ? globalThis : undefined, 'online', listener],
    [typeof globalThis.addEventListener === 'function' ? globalThis : undefined, 'pageshow', listener],
    [globalThis.document, 'visibilitychange', shown],
    [typeof network?.addEventListener === 'function' ? network : undefined, 'change', listener],
  ];
  for (const [target, event, then] of places) target?.addEventListener(event, then);
  return () => {
    for (const [target, event, then] of places) target?.removeEventListener(event, then);
  };
}
