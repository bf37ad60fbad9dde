import { decoded } from './room-url';

/** What a CDN address says: where a broadcast is played as FLV, HLS or both. */
export interface CdnAddress {
  flv: string | null;
  hls: string | null;
  /** Which of the two was named first. */
  first: 'flv' | 'hls';
}

/** Whether an address is one of a CDN. */
export function isCdnUrl(url: string): boolean {
  return /^https?:\/\//i.test(url);
}

/**
 * Reads `https://flv=<url>&hls=<url>`, in either order, the second one optional, or a plain address of a `.flv` or
 * `.m3u8`. It is split at the literal `&hls=` or `&flv=`, so that inner addresses may have parameters; each side is
 * percent-decoded. Null where it is none of these; `empty` where an inner address is missing.
 */
export function parseCdnUrl(url: string): CdnAddress | 'empty' | null {
  const rest = url.replace(/^https?:\/\//i, '');
  if (rest === '') return 'empty';
  const begin = /^(flv|hls)=/.exec(rest);
  if (!begin) return plain(url);
  const first = begin[1] as 'flv' | 'hls';
  const second = first === 'flv' ? 'hls' : 'flv';
  const [one = '', ...others] = rest.slice(4).split(`&${second}=`);
  const address: CdnAddress = { flv: null, hls: null, first };
  address[first] = decoded(one.trim()) || null;
  address[second] = decoded(others.join(`&${second}=`).trim()) || null;
  return address.flv || address.hls ? address : 'empty';
}

function plain(url: string): CdnAddress | null {
  let path: string;
  try {
    path = new URL(url).pathname.toLowerCase();
  } catch {
    return null;
  }
  if (path.endsWith('.flv')) return { flv: url, hls: null, first: 'flv' };
  if (path.endsWith('.m3u8')) return { flv: null, hls: url, first: 'hls' };
  return null;
}
