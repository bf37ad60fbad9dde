import type { StreamAddresses } from 'weblive';

/** What an address of the page gives to it, and the address without what nobody else should see. */
export interface Given {
  token: string;
  /** The stream of a shared link; empty if there is none. */
  id: string;
  /** The signature of a play address, with its question mark; empty if there is none. */
  signature: string;
  clean: URL;
}

/**
 * Reads `#token=…` (a fragment is never sent to a server) or `?token=…`, and the `id`, `txSecret` and `txTime` of a
 * signed play address.
 */
export function readAccess(page: URL): Given {
  const clean = new URL(page);
  const fragment = new URLSearchParams(clean.hash.replace(/^#(\/[^?]*\?)?/, ''));
  const token = fragment.get('token') ?? clean.searchParams.get('token') ?? '';
  if (fragment.has('token')) clean.hash = clean.hash.startsWith('#/') ? clean.hash.replace(/\?.*/, '') : '';
  if (clean.searchParams.has('token')) clean.searchParams.delete('token');
  const [secret, time] = [clean.searchParams.get('txSecret'), clean.searchParams.get('txTime')];
  const isSigned = secret !== null && time !== null;
  return {
    token: TOKEN.test(token) ? token : '',
    id: clean.searchParams.get('id') ?? '',
    signature: isSigned ? `?${new URLSearchParams({ txSecret: secret, txTime: time })}` : '',
    clean,
  };
}

/** The option that shows a token, if it is a usable one. */
export function tokenOption(typed: string): { token?: string } {
  const token = typed.trim();
  return TOKEN.test(token) ? { token } : {};
}

/** The addresses of `id` with their signature, where the page was given one for this very stream. */
export function signAddresses(given: Pick<Given, 'id' | 'signature'>, id: string, addresses: StreamAddresses): StreamAddresses {
  if (given.signature === '' || id !== given.id) return addresses;
  const { whip, whep, flv, hls, still } = addresses;
  return { whip, whep: whep + given.signature, flv: flv + given.signature, hls: hls + given.signature, still: still + given.signature };
}

/** One word of visible ASCII: what fits into a header field. */
const TOKEN = /^[!-~]{1,4096}$/;
