import { md5 } from './md5';

/** The public addresses of one stream id. All are absolute. */
export interface StreamAddresses {
  whip: string;
  whep: string;
  flv: string;
  hls: string;
  /** The newest key frame, as an MP4 file of one picture. */
  still: string;
}

/** What a stream id may look like: the server refuses anything else. */
export const STREAM_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** The addresses of stream `id` on the server at `origin` (default: the page's own). */
export function addressesOf(id: string, origin: string = location.origin): StreamAddresses {
  if (!STREAM_ID.test(id)) throw new RangeError(`stream id ${JSON.stringify(id)}: 1 to 128 of A-Z a-z 0-9 _ -`);
  const at = (path: string) => new URL(path, origin).href;
  return { whip: at(`/whip/${id}`), whep: at(`/whep/${id}`), flv: at(`/live/${id}.flv`), hls: at(`/live/${id}.m3u8`), still: at(`/live/${id}.mp4`) };
}

/**
 * The public stream id that a room's publication has unless its publisher has named one: `{app}_{room}_{user}_{track}`,
 * with a digest of the last three in their place where they have other characters than letters, digits, `_` and `-`.
 * On a server that runs open every app is 0.
 */
export function streamIdOf(sdkAppId: number, room: number | string, user: string, track: 'main' | 'aux' = 'main'): string {
  const tail = `${room}_${user}_${track}`;
  return `${sdkAppId}_${/^[A-Za-z\d_-]*$/.test(tail) ? tail : md5(tail)}`;
}

/** `prefix-xxxxx` with five random letters and digits, none of which look alike. */
export function randomStreamId(prefix: string): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  return `${prefix}-${Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('')}`;
}
