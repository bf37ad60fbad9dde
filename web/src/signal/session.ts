import { Emitter } from '../emitter';
import { refusal, WebliveError, withFatal } from '../errors';
import { log } from '../log';
import {
  CloseCode, type EventMessage, type EventName, type LoggedIn, PROTOCOL_VERSION, type RequestName, type Results, type ServerMessage,
} from '../protocol/messages';
import { signalUrl } from '../server';
import { Backoff } from './backoff';
import type { CloseReason, ConnectionState, Identity, RequestOptions, SessionEvents, Socket } from './identity';
import { type Fields, type Response, Requests } from './requests';
import { onWake } from './wake';

export type { CloseReason, ConnectionState, Identity, RequestOptions, SessionEvents, Socket } from './identity';
export type { Fields } from './requests';

/**
 * One session of `/signal` over as many sockets as it takes. A lost socket is opened again and the session resumed,
 * with no event lost and no request done twice; where the server has forgotten the session, it logs in anew.
 */
export class Session extends Emitter<SessionEvents> {
  #state: ConnectionState = 'connecting';
  #socket: Socket | null = null;
  #login: LoggedIn | null = null;
  #identity: Identity;
  #lastSeq = 0;
  /** The UserSig that the server knows. */
  #toldUserSig: string | undefined;
  /** When the socket's login or resume was accepted; null without one. */
  #liveAt: number | null = null;
  #heardAt = 0;
  #triedAt = 0;
  #isProbing = false;
  readonly #requests = new Requests((frame) => this.#send(frame));
  readonly #backoff = new Backoff();
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #quietTimer: ReturnType<typeof setTimeout> | undefined;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  #handshake: ((message: ServerMessage) => void) | null = null;
  /** What the server has said before it closes. */
  #verdict: CloseReason | null = null;
  readonly #offWake: () => void;
  readonly #ready: Promise<LoggedIn>;
  #settle!: { resolve(login: LoggedIn): void; reject(error: WebliveError): void };

  /** Begins at once; `open` makes the sockets. */
  constructor(
    identity: Identity,
    readonly open: (url: string) => Socket = (url) => new WebSocket(url),
  ) {
    super();
    this.#identity = identity;
    this.#ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#ready.catch(() => undefined);
    this.#offWake = onWake(() => this.probe());
    this.#connect();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get identity(): Readonly<Identity> {
    return this.#identity;
  }

  /** What the server said at login; null before. */
  get login(): LoggedIn | null {
    return this.#login;
  }

  /** The user; null for a guest. */
  get user(): string | null {
    return this.#identity.user ?? null;
  }

  /** Resolves at the first login; rejects where it is refused or the server cannot be reached. */
  get ready(): Promise<LoggedIn> {
    return this.#ready;
  }

  /** STUN and TURN servers for peer connections: one's own, then those of the server. */
  get iceServers(): RTCIceServer[] {
    return [...(this.#identity.iceServers ?? []), ...(this.#login?.iceServers ?? [])];
  }

  /** Calls `listener` for the server's events of this name; the returned function ends it. */
  onEvent<N extends EventName>(name: N, listener: (event: Extract<EventMessage, { event: N }>) => void): () => void {
    return this.on('event', (event) => {
      if (event.event === name) listener(event as Extract<EventMessage, { event: N }>);
    });
  }

  /** A new UserSig of the same user: for later logins, and for the session that goes on. */
  renewUserSig(userSig: string): void {
    this.#identity = { ...this.#identity, userSig };
    this.#tellUserSig();
  }

  /** Other STUN and TURN servers of one's own, for later peer connections. */
  setIceServers(iceServers: RTCIceServer[]): void {
    this.#identity = { ...this.#identity, iceServers };
  }

  /** Asks the server. Waits while there is no connection; rejects with a {@link WebliveError}. */
  request<T extends RequestName>(type: T, fields: Fields<T>, options: RequestOptions = {}): Promise<Results[T]> {
    if (this.#state === 'closed') return Promise.reject(new WebliveError('state', `${type}: the session is over; log in again`, false));
    return this.#requests.add(type, fields, options.timeout ?? DEFAULT_TIMEOUT);
  }

  /** Ends the session for good. Resolves when the server knows, or could not be told. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    if (this.#liveAt !== null) {
      await this.request('logout', {}, { timeout: LOGOUT_TIMEOUT }).catch((error: WebliveError) => log.debug('session', error.message));
    }
    this.#end('logout', null);
  }

  /** Gives the present socket up and opens another one. */
  reconnect(): void {
    if (this.#state === 'closed') return;
    this.#drop();
    this.#lost();
  }

  /** There is reason to doubt the connection, or hope for it: asks whether the server is there, or tries at once. */
  probe(): void {
    if (this.#state === 'reconnecting' && this.#liveAt === null) {
      if (this.#socket && performance.now() - this.#triedAt < FRESH) return;
      this.#backoff.reset();
      clearTimeout(this.#retryTimer);
      this.#connect();
    } else if (this.#liveAt !== null && !this.#isProbing) {
      this.#ping();
    }
  }

  /** Brings the server the UserSig that it does not know yet. */
  #tellUserSig(): void {
    const { userSig } = this.#identity;
    if (this.#state !== 'connected' || userSig === undefined || userSig === this.#toldUserSig) return;
    this.#toldUserSig = userSig;
    this.request('renewUserSig', { userSig }).catch((error: WebliveError) => log.warn('session', error.message));
  }

  #ping(): void {
    const asked = performance.now();
    this.#isProbing = true;
    this.request('ping', {}, { timeout: PING_TIMEOUT })
      .catch((error: WebliveError) => {
        // The ping may have waited behind others for its turn: any word since then will do.
        if (this.#liveAt !== null && error.type === 'timeout' && this.#heardAt < asked) this.reconnect();
      })
      .finally(() => (this.#isProbing = false));
  }

  #connect(): void {
    this.#drop();
    let socket: Socket;
    try {
      socket = this.open(signalUrl(this.#identity.server));
    } catch (thrown) {
      return this.#end('fault', new WebliveError('unsupported', `no WebSocket to ${this.#identity.server}`, true, { cause: thrown }));
    }
    this.#socket = socket;
    this.#triedAt = performance.now();
    this.#patience(socket);
    socket.onopen = () => socket === this.#socket && this.#greet();
    socket.onmessage = ({ data }: MessageEvent) => socket === this.#socket && this.#onFrame(String(data));
    socket.onclose = ({ code, reason }: CloseEvent) => socket === this.#socket && this.#onClose(code, reason);
  }

  #patience(socket: Socket | null): void {
    clearTimeout(this.#openTimer);
    this.#openTimer = setTimeout(() => socket === this.#socket && this.#onClose(1006, 'no answer'), OPEN_TIMEOUT);
  }

  /** Resumes what there is to resume, else logs in. */
  #greet(): void {
    const login = this.#login;
    if (!login) return this.#logIn();
    const { session, resumeToken } = login;
    this.#ask('resume', { session, resumeToken, lastSeq: this.#lastSeq }, (response) => {
      if (!('error' in response)) return this.#onResumed();
      const error = refusal('resume', response.error);
      if (isPassing(error)) return this.#onClose(1013, error.message);
      log.info('session', `not resumed (${response.error.name}); logging in anew`);
      this.#logIn();
    });
  }

  #logIn(): void {
    const { app, user, userSig, profile } = this.#identity;
    this.#toldUserSig = userSig;
    const who = { ...(user !== undefined && { user }), ...(userSig !== undefined && { userSig }), ...(profile && !this.#login && { profile }) };
    this.#ask('login', { version: PROTOCOL_VERSION, app, ...who }, (response) => {
      if (!('error' in response)) return this.#onLoggedIn(response.result as LoggedIn);
      const error = withFatal(refusal('login', response.error), true);
      if (isPassing(error) && (this.#login || this.#backoff.tries < FIRST_TRIES)) {
        this.#backoff.skip();
        return this.#onClose(1013, error.message);
      }
      this.#end(error.reason === 'userSigExpired' ? 'userSigExpired' : 'refused', error);
    });
  }

  /** The first frames of a socket, which go past the queue. */
  #ask<T extends 'login' | 'resume'>(type: T, fields: Fields<T>, then: (response: Response) => void): void {
    const id = this.#requests.takeId();
    this.#patience(this.#socket);
    this.#handshake = (message) => {
      if (message.type !== 'response' || message.id !== id) return;
      this.#handshake = null;
      clearTimeout(this.#openTimer);
      then(message);
    };
    this.#send(JSON.stringify({ id, type, ...fields }));
  }

  #onLoggedIn(login: LoggedIn): void {
    const isFirst = this.#login === null;
    this.#login = login;
    this.#lastSeq = 0;
    this.#requests.keepTo(login.limits);
    this.#requests.forgetSent();
    this.#live();
    if (isFirst) {
      this.#settle.resolve(login);
      this.#requests.open();
    } else {
      this.#requests.open(() => this.emit('renewed', login));
    }
    this.#setState('connected');
  }

  #onResumed(): void {
    this.#requests.repeat();
    this.#live();
    this.#requests.open();
    this.#setState('connected');
    this.#tellUserSig();
  }

  #live(): void {
    this.#liveAt = performance.now();
    this.#heard();
  }

  #onFrame(text: string): void {
    const message = parsed(text);
    if (!message) return log.warn('session', 'a frame that is no message');
    this.#heard();
    if (this.#handshake) return this.#handshake(message);
    if (message.type === 'event') this.#onEvent(message);
    else this.#requests.settle(message);
  }

  #onEvent(event: EventMessage): void {
    if (event.seq <= this.#lastSeq) return;
    if (event.seq !== this.#lastSeq + 1) {
      log.warn('session', `event ${event.seq} came after ${this.#lastSeq}`);
      return this.reconnect();
    }
    this.#lastSeq = event.seq;
    if (event.event === 'loggedOut') this.#verdict = 'replaced';
    else if (event.event === 'iceServersRenewed' && this.#login) this.#login.iceServers = event.iceServers;
    this.emit('event', event);
  }

  #onClose(code: number, reason: string): void {
    log.debug('session', `socket closed with ${code} ${reason}`);
    const over = this.#verdict ?? OVER[code];
    if (over) {
      const error = over === 'logout' ? null : new WebliveError('removed', reason || `the server has closed the session (${code})`, true);
      return this.#end(over, error);
    }
    this.#drop();
    if (code === CloseCode.tooFast || code === CloseCode.serverStopping) this.#backoff.skip();
    this.#lost();
  }

  #lost(): void {
    if (this.#state === 'closed') return;
    if (this.#login === null && this.#backoff.tries >= FIRST_TRIES) {
      return this.#end('fault', new WebliveError('network', `no connection to ${this.#identity.server}`, true));
    }
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), this.#backoff.next());
    if (this.#login !== null) this.#setState('reconnecting');
  }

  #send(frame: string): void {
    try {
      this.#socket?.send(frame);
    } catch (thrown) {
      log.debug('session', `not sent: ${String(thrown)}`);
    }
  }

  /** Browsers do not show the server's pings: after a while without a word the page asks. */
  #heard(): void {
    this.#heardAt = performance.now();
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.probe(), QUIET);
  }

  #drop(): void {
    const socket = this.#socket;
    // One that breaks again at once is no success.
    if (this.#liveAt !== null && performance.now() - this.#liveAt >= STABLE) this.#backoff.reset();
    this.#socket = null;
    this.#liveAt = null;
    this.#handshake = null;
    this.#requests.shut();
    clearTimeout(this.#openTimer);
    clearTimeout(this.#quietTimer);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (socket.readyState < 2) socket.close();
  }

  #end(reason: CloseReason, error: WebliveError | null): void {
    if (this.#state === 'closed') return;
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#offWake();
    const over = error ?? new WebliveError('state', 'logged out', false);
    this.#requests.rejectAll(over);
    this.#settle.reject(over);
    this.#setState('closed');
    this.emit('closed', { reason, error });
  }

  #setState(state: ConnectionState): void {
    const previous = this.#state;
    if (previous === state) return;
    this.#state = state;
    this.emit('state', { previous, state });
  }
}

function parsed(text: string): ServerMessage | null {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? (message as ServerMessage) : null;
  } catch {
    return null;
  }
}

/** A refusal of the moment: the same may be granted a little later. */
function isPassing({ type }: WebliveError): boolean {
  return type === 'busy' || type === 'timeout';
}

/** Close codes after which coming back makes no sense. */
const OVER: Record<number, CloseReason | undefined> = {
  [CloseCode.loggedOut]: 'logout',
  [CloseCode.loggedInElsewhere]: 'replaced',
  [CloseCode.resumedElsewhere]: 'replaced',
  [CloseCode.removed]: 'removed',
  [CloseCode.badFrame]: 'fault',
  [CloseCode.binary]: 'fault',
  [CloseCode.tooLarge]: 'fault',
  [CloseCode.notUtf8]: 'fault',
};

/** Milliseconds until a request is given up. */
const DEFAULT_TIMEOUT = 10_000;

/** Milliseconds for the server to take note of the end. */
const LOGOUT_TIMEOUT = 2_000;

/** Milliseconds for the WebSocket handshake, and for each answer of the login: a SYN is sent again after 1 and 3 s. */
const OPEN_TIMEOUT = 4_000;

/** Milliseconds in which a try is not replaced by another one. */
const FRESH = 1_000;

/** Tries for the first login before it is given up. */
const FIRST_TRIES = 3;

/** Milliseconds after which a connection counts as one that holds. */
const STABLE = 5_000;

/** Milliseconds without a word from the server before it is asked whether it is there. */
const QUIET = 8_000;

/** Milliseconds for its answer. */
const PING_TIMEOUT = 3_000;
