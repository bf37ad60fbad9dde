import { WebliveError } from '../errors';
import { server as defaultServer, originOf } from '../server';
import { type Lease, type SessionPool, sessions } from '../signal/pool';
import type { CloseReason, ConnectionState, Session } from '../signal/session';
import type { LiveCore } from './core';
import { LoginStatus } from './enums';
import { badArgument, toLiveError } from './error';
import { type LoginEvents, Subscribable } from './events';
import { Cell, type Store } from './store';
import type { LiveUserInfo } from './types';

/** Who logs in where. Each id may be written in either way that pages write it. */
export interface LoginParams {
  userId?: string;
  userID?: string;
  /** Signed by the page's back end; not looked at where the server runs open. */
  userSig?: string;
  /** The app; 0 where the server runs open. */
  sdkAppId?: number;
  sdkAppID?: number;
  SDKAppID?: number;
  /** The server's address, where it is not the one that the script came from. */
  server?: string;
  userName?: string;
  avatarUrl?: string;
}

/** One's own profile. */
export interface SelfInfo {
  userName?: string;
  avatarUrl?: string;
  /** Kept in this page only. */
  customInfo?: Record<string, string>;
}

/** The login: a session that all states of a context share. */
export class LoginState extends Subscribable<LoginEvents> {
  readonly #core: LiveCore;
  readonly #pool: SessionPool;
  #lease: Lease | null = null;
  #leave: () => Promise<void> = () => Promise.resolve();
  readonly #userInfo = new Cell<(LiveUserInfo & { customInfo?: Record<string, string> }) | null>(null);
  readonly #status = new Cell<LoginStatus>(LoginStatus.UNLOGIN);
  readonly #connection = new Cell<ConnectionState>('closed');
  #offs: (() => void)[] = [];

  constructor(core: LiveCore, pool: SessionPool = sessions) {
    super();
    this.#core = core;
    this.#pool = pool;
  }

  /** @internal What leaves the room before a logout. */
  set leaving(leave: () => Promise<void>) {
    this.#leave = leave;
  }

  /** Who is logged in; null before. */
  get loginUserInfo(): Store<(LiveUserInfo & { customInfo?: Record<string, string> }) | null> {
    return this.#userInfo;
  }

  get loginStatus(): Store<LoginStatus> {
    return this.#status;
  }

  /** How the connection to the server is; `closed` before the login and after the end. */
  get connectionState(): Store<ConnectionState> {
    return this.#connection;
  }

  /** Logs in. A user who is logged in already stays so, with the new UserSig; another one is logged out first. Rejects where it is refused. */
  readonly login = async (params: LoginParams): Promise<void> => {
    const user = params.userId ?? params.userID;
    if (typeof user !== 'string' || user === '') throw badArgument('login: userId is missing');
    const app = Number(params.sdkAppId ?? params.sdkAppID ?? params.SDKAppID ?? 0);
    if (!Number.isInteger(app) || app < 0) throw badArgument(`login: sdkAppId ${String(params.sdkAppId)}: allowed are whole numbers from 0`);
    if (this.#lease && this.#core.user === user && this.#core.session?.state !== 'closed') {
      if (params.userSig !== undefined) this.#lease.session.renewUserSig(params.userSig);
      return;
    }
    await this.logout();
    const { userSig, userName, avatarUrl } = params;
    const hasProfile = userName !== undefined || avatarUrl !== undefined;
    const lease = this.#pool.acquire({
      server: params.server === undefined ? defaultServer() : originOf(params.server), app, user,
      ...(userSig !== undefined && { userSig }),
      ...(hasProfile && { profile: { nick: userName ?? '', avatar: avatarUrl ?? '' } }),
    });
    this.#lease = lease;
    const { session } = lease;
    this.#connection.set(session.state);
    this.#offs = [
      session.on('state', ({ state }) => this.#connection.set(state)),
      session.on('closed', ({ reason, error }) => this.#onClosed(reason, error)),
      // The session goes on, without chat and seats: a login with a new UserSig gives them back.
      session.onEvent('userSigExpired', ({ message }) => this.emit('onLoginExpired', { message })),
    ];
    try {
      const { profile } = await session.ready;
      if (this.#lease !== lease) throw new WebliveError('state', 'login: logged out meanwhile', false);
      // The session may have begun before, with another profile.
      const shown = hasProfile && (profile.nick !== (userName ?? '') || profile.avatar !== (avatarUrl ?? ''))
        ? await session.request('setProfile', { profile: { nick: userName ?? '', avatar: avatarUrl ?? '' } })
        : profile;
      this.#core.attach(session);
      this.#show(session, shown.nick, shown.avatar);
      this.#status.set(LoginStatus.LOGINED);
    } catch (thrown) {
      if (this.#lease === lease) await this.#drop();
      throw toLiveError(thrown, 'login');
    }
  };

  /** Leaves the room and logs out. */
  readonly logout = async (): Promise<void> => {
    if (!this.#lease) return;
    await this.#leave().catch(() => undefined);
    await this.#drop();
  };

  /** Shows a new nick and picture in all rooms. What is absent stays. */
  readonly setSelfInfo = async (info: SelfInfo): Promise<void> => {
    const session = this.#core.needSession('setSelfInfo');
    const now = this.#userInfo.value;
    const nick = info.userName ?? now?.userName ?? '';
    const avatar = info.avatarUrl ?? now?.avatarUrl ?? '';
    const shown = await this.#core.request('setSelfInfo', 'setProfile', { profile: { nick, avatar } });
    this.#show(session, shown.nick, shown.avatar, info.customInfo);
  };

  #show(session: Session, nick: string, avatar: string, customInfo = this.#userInfo.value?.customInfo): void {
    const userId = session.user ?? '';
    this.#core.people.learn(userId, { nick, avatar });
    this.#userInfo.set({ userId, userName: nick, avatarUrl: avatar, ...(customInfo && { customInfo }) });
  }

  #onClosed(reason: CloseReason, error: WebliveError | null): void {
    const wasIn = this.#status.value === LoginStatus.LOGINED;
    const lease = this.#lease;
    if (reason !== 'logout') this.#core.endOf(reason, error?.message ?? '');
    this.#end();
    void lease?.release();
    if (!wasIn || reason === 'logout') return;
    const message = error?.message ?? '';
    if (reason === 'userSigExpired') this.emit('onLoginExpired', { message });
    else this.emit('onKickedOffline', { message });
  }

  async #drop(): Promise<void> {
    const lease = this.#lease;
    this.#end();
    await lease?.release();
  }

  #end(): void {
    for (const off of this.#offs.splice(0)) off();
    this.#lease = null;
    this.#core.detach();
    this.#userInfo.set(null);
    this.#status.set(LoginStatus.UNLOGIN);
    this.#connection.set('closed');
  }
}
