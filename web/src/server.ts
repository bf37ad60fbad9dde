import { WebliveError } from './errors';
import { shared } from './page';

const chosen = shared<{ origin: string | null }>('server', () => ({ origin: null }));

/**
 * Where the server is, for everything that is not told otherwise: the origin that this script came from, until
 * {@link setServer} names another one.
 */
export function server(): string {
  return chosen.origin ?? SCRIPT_ORIGIN ?? globalThis.location?.origin ?? 'http://127.0.0.1:8080';
}

/** Names the server: `https://live.example.org`, or `wss:` and `ws:` addresses. Throws where that is no address. */
export function setServer(address: string): void {
  chosen.origin = originOf(address);
}

/** The HTTP origin of a server that was named by an `http:`, `https:`, `ws:` or `wss:` address. */
export function originOf(address: string): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new WebliveError('argument', `server ${JSON.stringify(address)}: not an address; allowed is https://host[:port]`, false);
  }
  const protocol = PROTOCOLS[url.protocol];
  if (protocol === undefined) {
    throw new WebliveError('argument', `server ${JSON.stringify(address)}: allowed are http, https, ws and wss`, false);
  }
  return `${protocol}//${url.host}`;
}

/** The address of the signalling WebSocket of a server. */
export function signalUrl(origin: string): string {
  return `${origin.replace(/^http/, 'ws')}/signal`;
}

const PROTOCOLS: Record<string, string | undefined> = { 'http:': 'http:', 'https:': 'https:', 'ws:': 'http:', 'wss:': 'https:' };

/** Known only while the script itself runs. */
const SCRIPT_ORIGIN: string | null = (() => {
  const script = globalThis.document?.currentScript;
  // Without a DOM there is no such class to ask for.
  const address = script && 'src' in script && script.src !== '' ? script.src : import.meta.url;
  return address?.startsWith('http') ? new URL(address).origin : null;
})();
