import type { StreamAddresses } from '../addresses';

/** What an address of the page gives to it, and the address without what nobody else should see. */
export interface Given {
  token: string;
  /** The signature of a play address, with its question mark; empty if there is none. */
  signature: string;
  clean: URL;
}

/**
 * Reads `#token=…` (a fragment is never sent to a server) or `?token=…`, and the `txSecret` and `txTime` of a
 * signed play address.
 */
export function readAccess(page: URL): Given {
  const clean = new URL(page);
  const fragment = new URLSearchParams(clean.hash.slice(1));
  const token = fragment.get('token') ?? clean.searchParams.get('token') ?? '';
  if (fragment.has('token')) clean.hash = '';
  if (clean.searchParams.has('token')) clean.searchParams.delete('token');
  const [secret, time] = [clean.searchParams.get('txSecret'), clean.searchParams.get('txTime')];
  const isSigned = secret !== null && time !== null;
  return {
    token: TOKEN.test(token) ? token : '',
    signature: isSigned ? `?${new URLSearchParams({ txSecret: secret, txTime: time })}` : '',
    clean,
  };
}

/** What the page shows to a server that lets in users of its apps only. */
export class Access {
  readonly #panel: HTMLDetailsElement;
  readonly #field: HTMLInputElement;
  readonly #signature: string;
  /** The signature is for this stream alone. */
  readonly #signed: string;

  constructor(panel: HTMLDetailsElement, field: HTMLInputElement, given: Given, streamId: string) {
    this.#panel = panel;
    this.#field = field;
    this.#signature = given.signature;
    this.#signed = streamId;
    field.value = given.token;
    panel.open = given.token !== '';
  }

  /** The options that show the token, if there is a usable one. */
  get options(): { token?: string } {
    const token = this.#field.value.trim();
    return TOKEN.test(token) ? { token } : {};
  }

  /** The addresses with their signature, where one is given. */
  sign(id: string, addresses: StreamAddresses): StreamAddresses {
    if (this.#signature === '' || id !== this.#signed) return addresses;
    const { whip, whep, flv, hls } = addresses;
    return { whip, whep: whep + this.#signature, flv: flv + this.#signature, hls: hls + this.#signature };
  }

  /** Asks for a token, because the server did. */
  ask(): void {
    this.#panel.open = true;
  }
}

/** One word of visible ASCII: what fits into a header field. */
const TOKEN = /^[!-~]{1,4096}$/;
