import type Hls from 'hls.js';
import type mpegts from 'mpegts.js';
import { WebliveError } from '../errors';

/** The library mpegts.js. */
export type Mpegts = typeof mpegts;

/** The library hls.js. */
export type HlsJs = typeof Hls;

/** mpegts.js, fetched when it is first needed, so that pages without FLV do not carry it. */
export async function loadMpegts(): Promise<Mpegts> {
  return (await fetched('mpegts.js', () => import('mpegts.js'))).default;
}

/** hls.js, fetched when it is first needed. */
export async function loadHls(): Promise<HlsJs> {
  return (await fetched('hls.js', () => import('hls.js/light'))).default;
}

/** Begins to fetch what a way of playing needs, for pages that know before the click. Failures come when it is used. */
export function preload(kind: 'flv' | 'hls'): void {
  const load: () => Promise<unknown> = kind === 'flv' ? loadMpegts : loadHls;
  load().catch(() => undefined);
}

async function fetched<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new WebliveError('network', `${name} could not be fetched from where this script came from`, true, { cause });
  }
}
