import type { WebliveError } from '../errors';
import type { PlayerKind } from '../players';

/** The codes of a CDN player's errors, and what they mean unless the page has its own wording. */
export const CDN_WORDING: Readonly<Record<number, string>> = Object.freeze({
  1: 'There is no connection: look at the network.',
  2: 'The network was lost.',
  3: 'The stream cannot be decoded.',
  4: 'This browser cannot play this stream.',
  5: 'This browser cannot play live streams.',
  11: 'The address is none of .flv or .m3u8.',
  12: 'The address is empty.',
  13: 'The broadcast has ended or not begun yet.',
  1001: 'The stream did not come in time.',
  1002: 'The stream could not be fetched.',
  2032: 'The server refuses the stream.',
  2048: 'The playlist could not be fetched (network or CORS).',
  10001: 'This browser is too old.',
});

/** The code of a failure of a line. */
export function cdnCode(error: WebliveError, kind: PlayerKind | null, hasPlayed: boolean): number {
  switch (error.type) {
    case 'not-live':
      return 13;
    case 'media':
      return 3;
    case 'unsupported':
      return isOldBrowser() ? 10001 : hasMediaSource() ? 4 : 5;
    case 'argument':
      return 11;
    case 'timeout':
      return 1001;
    case 'http':
    case 'busy':
    case 'refused':
      return kind === 'hls' ? 2048 : 2032;
    case 'network':
      if (kind === 'hls') return 2048;
      return hasPlayed ? 2 : 1002;
    default:
      return hasPlayed ? 2 : 1;
  }
}

function hasMediaSource(): boolean {
  return 'MediaSource' in globalThis || 'ManagedMediaSource' in globalThis;
}

/** Internet Explorer. */
function isOldBrowser(): boolean {
  return 'ActiveXObject' in globalThis;
}
