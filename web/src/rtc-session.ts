import { Emitter } from './emitter';
import { errorFromResponse, toWebliveError, WebliveError } from './errors';
import { iceServersFromLink, restartedAnswer, writeFragment } from './sdpfrag';

/**
 * - `idle`: not started.
 * - `connecting`: offer posted, ICE and DTLS under way.
 * - `connected`: media flows.
 * - `reconnecting`: the path was lost, an ICE restart is under way.
 * - `closed`: ended by this side or by the server.
 * - `failed`: ended by an error, which was emitted as `error`.
 */
export type SessionState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed' | 'failed';

/** Settings that WHIP and WHEP share. */
export interface SessionOptions {
  /** Bearer token for the `Authorization` header. */
  token?: string;
  /** ICE servers known beforehand; those of the server's `Link` headers are added. */
  iceServers?: RTCIceServer[];
  /** How long to wait for the connection after the answer, in milliseconds. Default 10,000. */
  connectTimeout?: number;
  /** How many ICE restarts in a row before giving up. Default 3. */
  maxRestarts?: number;
}

/** Events of a session. */
export interface SessionEvents {
  state: SessionState;
  error: WebliveError;
  /** A track that is received has joined the stream. */
  track: MediaStreamTrack;
}

/**
 * The HTTP half of WHIP (RFC 9725) and WHEP: one offer posted, ICE candidates and restarts patched,
 * the session deleted at the end. A session is used once.
 */
export abstract class RtcSession extends Emitter<SessionEvents> {
  #state: SessionState = 'idle';
  #peer: RTCPeerConnection | null = null;
  #sessionUrl: string | null = null;
  #etag: string | null = null;
  #candidates: string[] = [];
  #isGathered = false;
  #isTrickling = true;
  #isPatching = false;
  #restarts = 0;
  #isRestarting = false;
  #failedPatches = 0;
  #lostTimer: ReturnType<typeof setTimeout> | undefined;
  #connectTimer: ReturnType<typeof setTimeout> | undefined;

  protected constructor(
    /** The WHIP or WHEP endpoint. */
    readonly endpoint: string,
    protected readonly options: SessionOptions,
  ) {
    super();
  }

  /** Where the session stands. */
  get state(): SessionState {
    return this.#state;
  }

  /** The peer connection, for statistics; null before the start and after the end. */
  get peer(): RTCPeerConnection | null {
    return this.#peer;
  }

  /** The session URL that the server gave, or null before the answer. */
  get sessionUrl(): string | null {
    return this.#sessionUrl;
  }

  /** Adds tracks or transceivers before the offer is made. */
  protected abstract prepare(peer: RTCPeerConnection): void | Promise<void>;

  /** What is offered, made of what the browser would offer. */
  protected shape(offer: string): string {
    return offer;
  }

  /** Runs once the connection stands. */
  protected onConnected(_peer: RTCPeerConnection): void {}

  /** Posts the offer. Resolves when the connection stands; rejects with a {@link WebliveError}. */
  async start(): Promise<void> {
    if (this.#state !== 'idle') throw new WebliveError('unsupported', 'a session starts only once', false);
    if (typeof RTCPeerConnection === 'undefined') {
      throw this.#fail(new WebliveError('unsupported', 'this browser has no WebRTC', true));
    }
    this.#setState('connecting');
    try {
      const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.options.iceServers ?? [] });
      this.#peer = peer;
      this.#listen(peer);
      await this.prepare(peer);
      const offer = await this.#offer(peer);
      const answer = await this.#post(offer.sdp);
      if (this.#peer !== peer) throw new WebliveError('connection', 'closed while connecting', true);
      // Gathering starts here, after the answer, so that the server's own ICE servers are known to it.
      await peer.setLocalDescription(offer);
      await peer.setRemoteDescription({ type: 'answer', sdp: answer });
    } catch (thrown) {
      throw this.#fail(toWebliveError(thrown, `cannot open ${this.endpoint}`));
    }
    await this.#connected();
  }

  /** Ends the session: DELETE on the session URL, then the connection closes. Safe to call at any time. */
  async close(): Promise<void> {
    if (this.#state === 'closed' || this.#state === 'failed') return;
    const url = this.#release();
    this.#setState('closed');
    if (url !== null) await this.#delete(url);
  }

  /**
   * Restarts ICE by PATCH (RFC 9725, section 4.3.3), for example after a change of network.
   * Happens by itself when the path is lost. While the server cannot be reached it is tried again.
   */
  async restartIce(): Promise<void> {
    const peer = this.#peer;
    const answer = peer?.remoteDescription?.sdp;
    if (!peer || !answer || this.#sessionUrl === null || this.#isRestarting) return;
    this.#isRestarting = true;
    this.#restarts += 1;
    this.#setState('reconnecting');
    this.#candidates = [];
    this.#isGathered = false;
    this.#isPatching = true;
    try {
      const offer = await this.#offer(peer, { iceRestart: true });
      await peer.setLocalDescription(offer);
      const response = await this.#request(this.#sessionUrl, {
        method: 'PATCH',
        headers: { 'content-type': FRAGMENT, 'if-match': '*' },
        body: writeFragment(offer.sdp, [], false),
      });
      if (response.status !== 200) throw await errorFromResponse(response, 'ICE restart refused');
      this.#take(response);
      const sdp = restartedAnswer(answer, await response.text());
      await peer.setRemoteDescription({ type: 'answer', sdp });
      this.#failedPatches = 0;
    } catch (thrown) {
      if (peer !== this.#peer) return;
      const error = toWebliveError(thrown, 'ICE restart failed');
      const isPassing = error.type === 'network' || (error.status ?? 0) >= 500;
      this.#failedPatches += 1;
      if (!isPassing || this.#failedPatches >= MAX_FAILED_PATCHES) throw this.#fail(error);
      // The network that took the path away has the signalling too: this was no restart yet.
      this.#restarts -= 1;
      this.#armConnectTimer(PATCH_AGAIN);
      return;
    } finally {
      this.#isPatching = false;
      this.#isRestarting = false;
    }
    void this.#trickle();
    // A path that was never lost stays connected throughout, and no event says so.
    if (peer.connectionState === 'connected') this.#onConnectionState(peer);
    else this.#armConnectTimer();
  }

  async #offer(peer: RTCPeerConnection, options?: RTCOfferOptions): Promise<{ type: 'offer'; sdp: string }> {
    const { sdp } = await peer.createOffer(options);
    return { type: 'offer', sdp: this.shape(sdp ?? '') };
  }

  async #post(offer: string): Promise<string> {
    const response = await this.#request(this.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', accept: 'application/sdp' },
      body: offer,
    });
    if (response.status !== 201) throw await errorFromResponse(response, 'offer refused');
    const location = response.headers.get('location');
    if (location === null) throw new WebliveError('http', 'the answer has no Location header', true, { status: response.status });
    this.#sessionUrl = new URL(location, response.url || this.endpoint).href;
    this.#take(response);
    if (this.#peer === null) void this.#delete(this.#sessionUrl);
    return response.text();
  }

  /** The session's tag, and ICE servers: those of a restart are for the next one. */
  #take({ headers }: Response): void {
    this.#etag = headers.get('etag');
    const linked = iceServersFromLink(headers.get('link'));
    if (linked.length > 0) this.#peer?.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: [...(this.options.iceServers ?? []), ...linked] });
  }

  #listen(peer: RTCPeerConnection): void {
    peer.addEventListener('icecandidate', (event) => {
      if (event.candidate?.candidate) this.#candidates.push(event.candidate.candidate);
      else this.#isGathered = true;
      void this.#trickle();
    });
    peer.addEventListener('connectionstatechange', () => this.#onConnectionState(peer));
  }

  #onConnectionState(peer: RTCPeerConnection): void {
    if (peer !== this.#peer) return;
    const state = peer.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#lostTimer);
      clearTimeout(this.#connectTimer);
      this.#restarts = 0;
      this.#watchDtls(peer);
      if (this.#state !== 'connected') this.#setState('connected');
      this.onConnected(peer);
    } else if (state === 'disconnected' && this.#state === 'connected') {
      clearTimeout(this.#lostTimer);
      this.#lostTimer = setTimeout(() => this.#recover(), DISCONNECTED_GRACE);
    } else if (state === 'failed') {
      clearTimeout(this.#lostTimer);
      this.#recover();
    } else if (state === 'closed') {
      this.#endedByServer();
    }
  }

  /** A DTLS close_notify is how the server says good-bye. */
  #watchDtls(peer: RTCPeerConnection): void {
    const transports = [...peer.getSenders(), ...peer.getReceivers()].map((end) => end.transport);
    for (const transport of new Set(transports)) {
      if (transport) transport.onstatechange = () => transport.state === 'closed' && this.#endedByServer();
    }
  }

  #endedByServer(): void {
    if (this.#state === 'closed' || this.#state === 'failed') return;
    this.#release();
    this.#setState('closed');
  }

  #recover(): void {
    if (this.#state !== 'connected' && this.#state !== 'reconnecting') {
      this.#fail(new WebliveError('connection', 'no connection: UDP to the media port does not get through', true));
    } else if (this.#restarts >= (this.options.maxRestarts ?? 3)) {
      this.#fail(new WebliveError('connection', 'connection lost', true));
    } else {
      this.restartIce().catch(() => undefined);
    }
  }

  #armConnectTimer(patience = this.options.connectTimeout ?? 10_000): void {
    clearTimeout(this.#connectTimer);
    this.#connectTimer = setTimeout(() => {
      if (this.#state === 'connecting' || this.#state === 'reconnecting') this.#recover();
    }, patience);
  }

  #connected(): Promise<void> {
    this.#armConnectTimer();
    if (this.#state === 'connected') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const offs = [
        this.on('state', (state) => {
          if (state === 'connected') settle(resolve);
          else if (state === 'closed') settle(() => reject(new WebliveError('connection', 'closed while connecting', true)));
        }),
        this.on('error', (error) => settle(() => reject(error))),
      ];
      const settle = (then: () => void) => {
        for (const off of offs) off();
        then();
      };
    });
  }

  /** Sends the candidates gathered so far; one PATCH at a time, what comes meanwhile goes into the next. */
  async #trickle(): Promise<void> {
    const peer = this.#peer;
    const url = this.#sessionUrl;
    if (!peer?.localDescription || url === null || this.#etag === null) return;
    if (this.#isPatching || !this.#isTrickling || (this.#candidates.length === 0 && !this.#isGathered)) return;
    this.#isPatching = true;
    const candidates = this.#candidates.splice(0);
    const isComplete = this.#isGathered;
    try {
      const response = await this.#request(url, {
        method: 'PATCH',
        headers: { 'content-type': FRAGMENT, 'if-match': this.#etag },
        body: writeFragment(peer.localDescription.sdp, candidates, isComplete),
      });
      // A server without trickle still learns the address from the first connectivity check.
      if (!response.ok && response.status !== 412) this.#isTrickling = false;
    } catch {
      this.#isTrickling = false;
    } finally {
      this.#isPatching = false;
    }
    if (this.#candidates.length > 0 || (this.#isGathered && !isComplete)) void this.#trickle();
  }

  #request(url: string, init: RequestInit & { headers?: Record<string, string> }): Promise<Response> {
    const headers: Record<string, string> = { ...init.headers };
    if (this.options.token !== undefined) headers['authorization'] = `Bearer ${this.options.token}`;
    return fetch(url, { ...init, headers });
  }

  async #delete(url: string): Promise<void> {
    // `keepalive` lets the request survive the end of the page.
    await this.#request(url, { method: 'DELETE', keepalive: true }).catch(() => undefined);
  }

  #release(): string | null {
    clearTimeout(this.#lostTimer);
    clearTimeout(this.#connectTimer);
    this.#peer?.close();
    this.#peer = null;
    const url = this.#sessionUrl;
    this.#sessionUrl = null;
    return url;
  }

  #fail(error: WebliveError): WebliveError {
    if (this.#state === 'failed' || this.#state === 'closed') return error;
    const url = this.#release();
    if (url !== null) void this.#delete(url);
    this.#setState('failed');
    this.emit('error', error);
    return error;
  }

  #setState(state: SessionState): void {
    this.#state = state;
    this.emit('state', state);
  }
}

const FRAGMENT = 'application/trickle-ice-sdpfrag';

/** ICE reports short losses as "disconnected" and often heals by itself; milliseconds. */
const DISCONNECTED_GRACE = 2_000;

/** Until the next try when the server was not reached, in milliseconds. */
const PATCH_AGAIN = 2_000;

/** Tries without an answer, half a minute in all: the server has given the session up by then. */
const MAX_FAILED_PATCHES = 15;
