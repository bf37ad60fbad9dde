import { Emitter } from '../emitter';
import { refusal, WebliveError } from '../errors';
import { log } from '../log';
import {
  CloseCode, type EventMessage, type EventName, type LoggedIn, PROTOCOL_VERSION, type Profile, type RequestBody, type RequestName, type Results,
  type ServerMessage,
} from '../protocol/messages';
import { signalUrl } from '../server';
import { Backoff } from './backoff';
import { Pace } from './pace';

/** Who logs in where. Without `user` it is a guest, who only listens to chat. */
export interface Identity {
  /** The server's HTTP origin. */
  server: string;
  /** The app (`sdkAppId`); 0 where the server runs open. */
  app: number;
  user?: string;
  userSig?: string;
  profile?: Profile;
}

/**
 * - `connecting`: the first login is under way.
 * - `connected`: requests and events flow.
 * - `reconnecting`: the socket was lost; requests wait.
 * - `closed`: over for good; `closed` has said why.
 */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** Why a session is over: by own wish, the same user elsewhere, the operator, a refused token, a fault. */
export type CloseReason = 'logout' | 'replaced' | 'removed' | 'userSigExpired' | 'refused' | 'fault';

/** Events of a session. */
export interface SessionEvents {
  state: { previous: ConnectionState; state: ConnectionState };
  /** Whatever the server tells, in its order. */
  event: EventMessage;
  /**
   * The server knew the old session no more and a new one has begun: rooms are to be entered again. Requests that
   * a listener makes at once go before those that have waited.
   */
  renewed: LoggedIn;
  closed: { reason: CloseReason; error: WebliveError | null };
}

/** The fields of a request. */
export type Fields<T extends RequestName> = Omit<Extract<RequestBody, { type: T }>, 'type'>;

/** How one request is made. */
export interface RequestOptions {
  /** Milliseconds until the request is given up, the time without a connection included. Default 10,000. */
  timeout?: number;
}

/** What the session needs of a WebSocket. */
export type Socket = Pick<WebSocket, 'send' | 'close' | 'onopen' | 'onmessage' | 'onclose' | 'readyState'>;

interface Pending {
  id: number;
  type: RequestName;
  frame: string;
  isSent: boolean;
  timer: ReturnType<typeof setTimeout>;
  resolve(result: never): void;
  reject(error: WebliveError): void;
}

/**
 * One session of `/signal` over as many sockets as it takes. A lost socket is opened again and the session resumed,
 * with no event lost and no request done twice; where the server has forgotten the session, it logs in anew.
 */
export class Session extends Emitter<SessionEvents> {
  #state: ConnectionState = 'connecting';
  #socket: Socket | null = null;
  #login: LoggedIn | null = null;
  #identity: Identity;
  #nextId = 1;
  #lastSeq = 0;
  /** Whether the socket has an accepted login or resume. */
  #isLive = false;
  #pace: Pace | null = null;
  readonly #pending = new Map<number, Pending>();
  readonly #backoff = new Backoff();
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #quietTimer: ReturnType<typeof setTimeout> | undefined;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  #handshake: ((message: ServerMessage) => void) | null = null;
  #refused: CloseReason | null = null;
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
    globalThis.addEventListener?.('online', this.#onOnline);
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

  /** Calls `listener` for the server's events of this name; the returned function ends it. */
  onEvent<N extends EventName>(name: N, listener: (event: Extract<EventMessage, { event: N }>) => void): () => void {
    return this.on('event', (event) => {
      if (event.event === name) listener(event as Extract<EventMessage, { event: N }>);
    });
  }

  /** A UserSig for later logins. */
  renewUserSig(userSig: string): void {
    this.#identity = { ...this.#identity, userSig };
  }

  /** Asks the server. Waits while there is no connection; rejects with a {@link WebliveError}. */
  request<T extends RequestName>(type: T, fields: Fields<T>, options: RequestOptions = {}): Promise<Results[T]> {
    if (this.#state === 'closed') return Promise.reject(new WebliveError('state', `${type}: the session is over; log in again`, false));
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new WebliveError('busy', `${type}: ${MAX_PENDING} requests wait for their responses already`, false));
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise<Results[T]>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        const isOff = this.#state !== 'connected';
        reject(new WebliveError(isOff ? 'network' : 'timeout', `${type}: ${isOff ? 'no connection to the server' : 'no response in time'}`, false));
      }, options.timeout ?? DEFAULT_TIMEOUT);
      this.#pending.set(id, { id, type, frame: JSON.stringify({ id, type, ...fields }), isSent: false, timer, resolve, reject });
      this.#flush();
    });
  }

  /** Ends the session for good. Resolves when the server knows, or could not be told. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const isLive = this.#isLive;
    const done = isLive ? this.request('logout', {}, { timeout: 2_000 }).catch(() => undefined) : Promise.resolve();
    await done;
    this.#end('logout', null);
  }

  /** Gives the present socket up and opens another one. */
  reconnect(): void {
    if (this.#state === 'closed') return;
    this.#drop();
    this.#lost();
  }

  readonly #onOnline = () => {
    if (this.#state !== 'reconnecting') return void this.#probe();
    this.#backoff.reset();
    clearTimeout(this.#retryTimer);
    this.#connect();
  };

  #connect(): void {
    this.#drop();
    let socket: Socket;
    try {
      socket = this.open(signalUrl(this.#identity.server));
    } catch (thrown) {
      return this.#end('fault', new WebliveError('unsupported', `no WebSocket to ${this.#identity.server}`, true, { cause: thrown }));
    }
    this.#socket = socket;
    this.#openTimer = setTimeout(() => socket === this.#socket && this.#onClose(1006, 'no answer'), OPEN_TIMEOUT);
    socket.onopen = () => socket === this.#socket && this.#greet();
    socket.onmessage = ({ data }: MessageEvent) => socket === this.#socket && this.#onFrame(String(data));
    socket.onclose = ({ code, reason }: CloseEvent) => socket === this.#socket && this.#onClose(code, reason);
  }

  /** Resumes what there is to resume, else logs in. */
  #greet(): void {
    const login = this.#login;
    if (!login) return this.#logIn();
    const { session, resumeToken } = login;
    this.#ask('resume', { session, resumeToken, lastSeq: this.#lastSeq }, (message) => {
      if (!('error' in message)) return this.#onResumed();
      log.info('session', `not resumed (${message.error.name}); logging in anew`);
      this.#logIn();
    });
  }

  #logIn(): void {
    const { app, user, userSig, profile } = this.#identity;
    const who = { ...(user !== undefined && { user }), ...(userSig !== undefined && { userSig }), ...(profile && !this.#login && { profile }) };
    this.#ask('login', { version: PROTOCOL_VERSION, app, ...who }, (message) => {
      if (!('error' in message)) return this.#onLoggedIn(message.result as LoggedIn);
      const error = refusal('login', message.error);
      if (error.type === 'busy' && this.#login) return this.#onClose(1013, error.message);
      this.#end(message.error.name === 'userSigExpired' ? 'userSigExpired' : 'refused', fatal(error));
    });
  }

  /** The first frame of a socket, which goes past the queue. */
  #ask<T extends 'login' | 'resume'>(type: T, fields: Fields<T>, then: (message: Extract<ServerMessage, { type: 'response' }>) => void): void {
    const id = this.#nextId;
    this.#nextId += 1;
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
    const { requestsPerSecond, requestBurst } = login.limits;
    this.#pace = new Pace(requestsPerSecond * 0.9, Math.max(1, requestBurst - 4), now());
    if (isFirst) {
      this.#live();
      this.#settle.resolve(login);
      this.#flush();
      return;
    }
    // Nobody knows whether these were carried out, and their rooms are gone.
    for (const pending of this.#pending.values()) {
      if (pending.isSent) this.#reject(pending, new WebliveError('network', `${pending.type}: the session was lost before the response came`, false));
    }
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    this.#live();
    this.emit('renewed', login);
    for (const pending of waiting) this.#pending.set(pending.id, pending);
    this.#flush();
  }

  #onResumed(): void {
    // The same frames under the same ids, in the old order, before new ones.
    for (const pending of this.#pending.values()) if (pending.isSent) this.#send(pending.frame);
    this.#live();
    this.#flush();
  }

  #live(): void {
    this.#isLive = true;
    this.#backoff.reset();
    this.#heard();
    this.#setState('connected');
  }

  #onFrame(text: string): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(text) as ServerMessage;
    } catch {
      return log.warn('session', 'a frame that is no JSON');
    }
    this.#heard();
    if (this.#handshake) return this.#handshake(message);
    if (message.type === 'event') return this.#onEvent(message);
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    if ('error' in message) pending.reject(refusal(pending.type, message.error));
    else pending.resolve(message.result as never);
    this.#flush();
  }

  #onEvent(event: EventMessage): void {
    if (event.seq <= this.#lastSeq) return;
    if (event.seq !== this.#lastSeq + 1) {
      log.warn('session', `event ${event.seq} came after ${this.#lastSeq}`);
      return this.reconnect();
    }
    this.#lastSeq = event.seq;
    if (event.event === 'loggedOut') this.#refused = 'replaced';
    this.emit('event', event);
  }

  #onClose(code: number, reason: string): void {
    this.#drop();
    log.debug('session', `socket closed with ${code} ${reason}`);
    const over = OVER[code];
    if (over || this.#refused) {
      const why = this.#refused ?? over!;
      const error = why === 'logout' ? null : new WebliveError('removed', reason || `the server has closed the session (${code})`, true);
      return this.#end(why, error);
    }
    if (code === CloseCode.tooFast || code === CloseCode.serverStopping) this.#backoff.skip();
    this.#lost();
  }

  #lost(): void {
    if (this.#state === 'closed') return;
    if (this.#login === null && this.#backoff.tries >= FIRST_TRIES) {
      return this.#end('fault', new WebliveError('network', `no connection to ${this.#identity.server}`, true));
    }
    if (this.#login !== null) this.#setState('reconnecting');
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), this.#backoff.next());
  }

  /** Sends what waits, as fast as the server allows. */
  #flush(): void {
    if (!this.#isLive) return;
    for (const pending of this.#pending.values()) {
      if (pending.isSent) continue;
      const wait = this.#pace?.take(now()) ?? 0;
      if (wait > 0) {
        clearTimeout(this.#flushTimer);
        this.#flushTimer = setTimeout(() => this.#flush(), wait);
        return;
      }
      pending.isSent = true;
      this.#send(pending.frame);
    }
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
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.#probe(), QUIET);
  }

  #probe(): void {
    if (!this.#isLive) return;
    this.request('ping', {}, { timeout: PING_TIMEOUT }).catch((error: WebliveError) => {
      if (this.#state === 'connected' && error.type === 'timeout') this.reconnect();
    });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#isLive = false;
    this.#handshake = null;
    clearTimeout(this.#openTimer);
    clearTimeout(this.#quietTimer);
    clearTimeout(this.#flushTimer);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (socket.readyState < 2) socket.close();
  }

  #reject(pending: Pending, error: WebliveError): void {
    this.#pending.delete(pending.id);
    clearTimeout(pending.timer);
    pending.reject(error);
  }

  #end(reason: CloseReason, error: WebliveError | null): void {
    if (this.#state === 'closed') return;
    this.#drop();
    clearTimeout(this.#retryTimer);
    globalThis.removeEventListener?.('online', this.#onOnline);
    const over = error ?? new WebliveError('state', 'logged out', false);
    for (const pending of [...this.#pending.values()]) this.#reject(pending, over);
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

const now = () => performance.now();

function fatal(error: WebliveError): WebliveError {
  const { type, message, reason, codes, allowed, retryAfterMs } = error;
  return new WebliveError(type, message, true, {
    ...(reason && { reason }), ...(codes && { codes }), ...(allowed !== null && { allowed }), ...(retryAfterMs !== null && { retryAfterMs }),
  });
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

/** As many as the server remembers of a session for repeats. */
const MAX_PENDING = 128;

/** Milliseconds until a request is given up. */
const DEFAULT_TIMEOUT = 10_000;

/** Milliseconds for the WebSocket handshake and the login. */
const OPEN_TIMEOUT = 5_000;

/** Tries for the first login before it is given up. */
const FIRST_TRIES = 3;

/** Milliseconds without a word from the server before it is asked whether it is there. */
const QUIET = 8_000;

/** Milliseconds for its answer. */
const PING_TIMEOUT = 3_000;
