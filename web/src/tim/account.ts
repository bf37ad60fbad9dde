import { log } from '../log';
import { type Lease, sessions } from '../signal/pool';
import type { CloseReason, ConnectionState, Session } from '../signal/session';
import { TYPES } from './constants';
import { badValue, Code, TimError, toTimError } from './error';
import type { TimEvents } from './events';

/** What the account tells the groups. */
export interface AccountListener {
  /** Goes on as this user in all groups. */
  loggedIn(session: Session): Promise<void>;
  /** Leaves all groups. */
  loggingOut(): Promise<void>;
}

/** Who one is: nobody, a guest as soon as a group is entered, or a user who has logged in. */
export class Account {
  #user: { name: string; lease: Lease; offs: (() => void)[] } | null = null;
  #guest: { lease: Lease; offs: (() => void)[] } | null = null;
  #loggingIn: string | null = null;
  #loginDone: Promise<void> = Promise.resolve();
  #netState: string | null = null;
  #netTimer: ReturnType<typeof setTimeout> | undefined;
  #readyTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly server: () => string,
    readonly app: number,
    readonly events: TimEvents,
    readonly listener: AccountListener,
  ) {}

  /** The user who is logged in. */
  get userID(): string | null {
    return this.#user?.name ?? null;
  }

  /** The user's session. Throws where nobody is logged in. */
  get session(): Session {
    if (this.#user) return this.#user.lease.session;
    if (this.#loggingIn !== null) throw new TimError(Code.notReady, 'the login is under way; wait for SDK_READY');
    throw new TimError(Code.notLoggedIn, 'nobody is logged in; call login first');
  }

  /** The session that groups are entered with: the user's, once a login that is under way has ended, else a guest's. */
  async groupSession(): Promise<Session> {
    await this.#loginDone;
    if (this.#user) return this.#user.lease.session;
    if (!this.#guest) {
      const lease = sessions.acquire({ server: this.server(), app: this.app });
      const guest = { lease, offs: [] as (() => void)[] };
      guest.offs = this.#watch(lease.session, (reason, error) => {
        if (this.#guest !== guest) return;
        this.#guest = null;
        if (reason !== 'logout') this.events.emit('error', { code: error.code, message: error.message });
      });
      this.#guest = guest;
    }
    const { session } = this.#guest.lease;
    const error = await session.ready.then(() => null, (thrown: unknown) => thrown);
    // A login may have come in between; the guest has gone then.
    await this.#loginDone;
    if (this.#user) return (this.#user as { lease: Lease }).lease.session;
    if (error !== null) throw error;
    return session;
  }

  /** Logs in; true where this user was logged in already. */
  async login(userID: unknown, userSig: unknown): Promise<boolean> {
    const name = typeof userID === 'number' ? String(userID) : userID;
    const bytes = typeof name === 'string' ? new TextEncoder().encode(name).length : 0;
    if (typeof name !== 'string' || bytes < 1 || bytes > 32) throw badValue('login: userID', name, 'a text of 1 to 32 bytes');
    if (this.#user?.name === name) {
      if (typeof userSig === 'string') this.#user.lease.session.renewUserSig(userSig);
      return true;
    }
    if (this.#user) throw new TimError(Code.repeatLogin, `login: ${this.#user.name} is logged in; log out first`);
    if (this.#loggingIn !== null) throw new TimError(Code.repeatLogin, `login: that of ${this.#loggingIn} is under way`);
    this.#loggingIn = name;
    const done = this.#logIn(name, userSig);
    this.#loginDone = done.catch(() => undefined);
    await done;
    return false;
  }

  async #logIn(name: string, userSig: unknown): Promise<void> {
    const sig = typeof userSig === 'string' && userSig !== '' ? { userSig } : {};
    const lease = sessions.acquire({ server: this.server(), app: this.app, user: name, ...sig });
    const user = { name, lease, offs: [] as (() => void)[] };
    try {
      await lease.session.ready;
      if (this.#loggingIn !== name) throw new TimError(Code.notLoggedIn, 'login: given up by a logout');
      user.offs = this.#watch(lease.session, (reason, error) => this.#user === user && this.#ended(reason, error));
      user.offs.push(lease.session.onEvent('userSigExpired', ({ message }) => {
        if (this.#user === user) void this.#expired(new TimError(Code.userSigExpired, message));
      }));
      await this.listener.loggedIn(lease.session);
      if (this.#loggingIn !== name) throw new TimError(Code.notLoggedIn, 'login: given up by a logout');
      if (lease.session.state === 'closed') throw new TimError(Code.network, 'login: the session has ended');
    } catch (thrown) {
      for (const off of user.offs) off();
      await lease.release();
      throw toTimError(thrown, Code.network);
    } finally {
      if (this.#loggingIn === name) this.#loggingIn = null;
    }
    this.#user = user;
    this.#leaveGuest();
    // After whatever waits for the login.
    this.#readyTimer = setTimeout(() => this.#user === user && this.events.emit('sdkStateReady', undefined));
  }

  /** Leaves all groups and ends the session, unless others on the page use it. */
  async logout(): Promise<void> {
    this.#loggingIn = null;
    await this.listener.loggingOut();
    const user = this.#user;
    this.#user = null;
    this.#leaveGuest();
    clearTimeout(this.#netTimer);
    clearTimeout(this.#readyTimer);
    this.#netState = null;
    if (!user) return;
    for (const off of user.offs) off();
    await user.lease.release();
    this.events.emit('sdkStateNotReady', undefined);
  }

  #leaveGuest(): void {
    const guest = this.#guest;
    this.#guest = null;
    if (!guest) return;
    for (const off of guest.offs) off();
    void guest.lease.release();
  }

  #watch(session: Session, ended: (reason: CloseReason, error: TimError) => void): (() => void)[] {
    this.#onState(session.state);
    return [
      session.on('state', ({ state }) => this.#onState(state)),
      session.on('closed', ({ reason, error }) => ended(reason, toTimError(error ?? new TimError(Code.notLoggedIn, 'logged out'), Code.network))),
    ];
  }

  /** Media of others on the page go on; the chat needs a login again. */
  async #expired(error: TimError): Promise<void> {
    const leaving = this.listener.loggingOut();
    this.#ended('userSigExpired', error);
    await leaving;
  }

  #ended(reason: CloseReason, error: TimError): void {
    const user = this.#user;
    this.#user = null;
    clearTimeout(this.#readyTimer);
    for (const off of user?.offs ?? []) off();
    void user?.lease.release();
    log.warn('tim', `the session of ${user?.name} is over: ${error.message}`);
    const type = KICKED_OUT[reason];
    if (type !== undefined) this.events.emit('kickedOut', { type });
    else if (reason !== 'logout') this.events.emit('error', { code: error.code, message: error.message });
    this.events.emit('sdkStateNotReady', undefined);
  }

  #onState(state: ConnectionState): void {
    clearTimeout(this.#netTimer);
    if (state === 'reconnecting' && globalThis.navigator?.onLine !== false) {
      this.#tell(TYPES.NET_STATE_CONNECTING);
      this.#netTimer = setTimeout(() => this.#tell(TYPES.NET_STATE_DISCONNECTED), GIVEN_UP);
    } else {
      this.#tell(STATES[state]);
    }
  }

  #tell(state: string): void {
    if (state === this.#netState) return;
    this.#netState = state;
    this.events.emit('netStateChange', { state });
  }
}

const STATES: Record<ConnectionState, string> = {
  connecting: TYPES.NET_STATE_CONNECTING,
  connected: TYPES.NET_STATE_CONNECTED,
  reconnecting: TYPES.NET_STATE_DISCONNECTED,
  closed: TYPES.NET_STATE_DISCONNECTED,
};

const KICKED_OUT: Partial<Record<CloseReason, string>> = {
  replaced: TYPES.KICKED_OUT_MULT_ACCOUNT,
  removed: TYPES.KICKED_OUT_REST_API,
  userSigExpired: TYPES.KICKED_OUT_USERSIG_EXPIRED,
};

/** Milliseconds without a connection after which the page is told that there is none. */
const GIVEN_UP = 5_000;
