import { WebliveError } from '../errors';

/** Begins to fetch what a way of playing needs, for pages that know before the click. Failures come when it is used. */
export function preload(kind: 'flv' | 'hls'): void {
  const load: Promise<unknown> = kind === 'flv' ? import('mpegts.js') : import('./engines/hls');
  load.catch(() => undefined);
}

/** A library that is fetched when it is first needed, so that pages without its way of playing do not carry it. */
export async function fetched<T>(name: string, load: () => Promise<{ default: T }>): Promise<T> {
  try {
    return (await load()).default;
  } catch (cause) {
    throw new WebliveError('network', `${name} could not be fetched from where this script came from`, true, { cause });
  }
}
