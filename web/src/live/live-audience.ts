import { log } from '../log';
import type { MemberView, Message, UserId } from '../protocol/messages';
import type { LiveCore, LiveRoom } from './core';
import { Role } from './enums';
import { toLiveError } from './error';
import { type LiveAudienceEvents, Subscribable } from './events';
import { roleOf } from './live-seat';
import { Cell, type Store } from './store';
import type { AudienceInfo } from './types';

/** Who watches the room that one is in, and what hosts decide over them. */
export class LiveAudienceState extends Subscribable<LiveAudienceEvents> {
  readonly #core: LiveCore;
  readonly #list = new Cell<AudienceInfo[]>([]);
  readonly #count = new Cell<number>(0);
  readonly #banned = new Cell<AudienceInfo[]>([]);
  /** Who is there beside the owner, as far as it is shown. */
  readonly #members = new Map<UserId, Role>();
  readonly #administrators = new Set<UserId>();
  #isOwnerThere = false;

  constructor(core: LiveCore) {
    super();
    this.#core = core;
    core.on('chat', ({ room, chat }) => {
      chat.on('message', (message) => this.#onMessage(room, message));
      chat.on('userMuted', ({ user, seconds }) => this.#onMuted(user, seconds > 0));
      chat.on('administrator', ({ user, isAdministrator }) => this.#onAdministrator(user, isAdministrator));
      chat.on('profile', ({ user, profile }) => {
        core.people.learn(user, profile);
        this.#show();
      });
      chat.on('state', ({ state, previous }) => state === 'inside' && previous === 'entering' && this.#fetchQuietly());
      this.#fetchQuietly();
    });
    core.on('info', ({ online }) => this.#countOf(online));
    core.on('left', () => {
      this.#members.clear();
      this.#administrators.clear();
      this.#isOwnerThere = false;
      this.#list.set([]);
      this.#banned.set([]);
      this.#count.set(0);
    });
  }

  /** Who watches, the owner apart; at most 200 of them. */
  get audienceList(): Store<AudienceInfo[]> {
    return this.#list;
  }

  /** How many are in the room, the owner apart; those who are not listed included. */
  get audienceCount(): Store<number> {
    return this.#count;
  }

  /** Who may not send messages, as far as it is known: hosts know all of them. */
  get messageBannedUserList(): Store<AudienceInfo[]> {
    return this.#banned;
  }

  /** Brings the list anew. */
  readonly fetchAudienceList = async (): Promise<AudienceInfo[]> => {
    const live = this.#core.needRoom('fetchAudienceList');
    if (!live.chat) return [];
    const found: MemberView[] = [];
    try {
      for (let more = true; more && found.length < MAX_LISTED; ) {
        const page = await live.chat.members(found.at(-1)?.user);
        found.push(...page.members);
        more = page.more && page.members.length > 0;
      }
    } catch (thrown) {
      throw toLiveError(thrown, 'fetchAudienceList');
    }
    if (this.#core.room !== live) return [];
    this.#members.clear();
    this.#administrators.clear();
    this.#isOwnerThere = false;
    for (const { user, profile, rank } of found) {
      this.#core.people.learn(user, profile);
      if (rank === 'administrator') this.#administrators.add(user);
      if (rank === 'owner') this.#isOwnerThere = true;
      else this.#note(user);
    }
    this.#countOf(live.info.online);
    this.#show();
    await this.#fetchMutes(live);
    return this.#list.value;
  };

  /** Makes somebody an administrator (the owner). */
  readonly setAdministrator = async ({ userId }: { userId: string }): Promise<void> => {
    await this.#core.ask('setAdministrator', 'setAdministrator', { user: userId, isAdministrator: true });
  };

  /** Makes an administrator one of the others again (the owner). */
  readonly revokeAdministrator = async ({ userId }: { userId: string }): Promise<void> => {
    await this.#core.ask('revokeAdministrator', 'setAdministrator', { user: userId, isAdministrator: false });
  };

  /** Removes somebody from the room (hosts). `banSeconds` keeps them out for a time. */
  readonly kickUserOutOfRoom = async ({ userId, banSeconds, message }: { userId: string; banSeconds?: number; message?: string }): Promise<void> => {
    await this.#core.ask('kickUserOutOfRoom', 'kick', { users: [userId], ...(banSeconds !== undefined && { banSeconds }), ...(message !== undefined && { message }) });
  };

  /** Keeps somebody from sending messages, or no longer (hosts). */
  readonly disableSendMessage = async ({ userId, isDisable, seconds }: { userId: string; isDisable: boolean; seconds?: number }): Promise<void> => {
    await this.#core.ask('disableSendMessage', 'muteUser', { user: userId, seconds: isDisable ? (seconds ?? FOR_GOOD) : 0 });
  };

  #fetchQuietly(): void {
    this.fetchAudienceList().catch((error: Error) => log.debug('live', error.message));
  }

  async #fetchMutes(live: LiveRoom): Promise<void> {
    const user = this.#core.user;
    if (live.info.owner !== user && !this.#administrators.has(user)) return;
    try {
      const { users } = await this.#core.ask('fetchAudienceList', 'listMutes', {});
      await this.#core.people.lookUp(this.#core.needSession('fetchAudienceList'), users.map((one) => one.user));
      if (this.#core.room === live) this.#banned.set(users.map((one) => this.#info(one.user)));
    } catch (thrown) {
      log.debug('live', toLiveError(thrown, 'listMutes').message);
    }
  }

  #onMessage(live: LiveRoom, message: Message): void {
    if (message.type !== 'TIMGroupTipElem') return;
    const { operationType, userIDList } = message.payload;
    if (operationType === CAME) void this.#onCame(live, userIDList);
    else if (operationType === WENT || operationType === REMOVED) for (const user of userIDList) this.#onWent(live, user);
  }

  async #onCame(live: LiveRoom, users: UserId[]): Promise<void> {
    await this.#lookUp(users);
    if (this.#core.room !== live) return;
    for (const user of users) {
      const info = this.#info(user);
      if (user === live.info.owner) {
        this.#isOwnerThere = true;
        if (user !== this.#core.user) this.emit('onOwnerJoined', { owner: info });
        continue;
      }
      this.#note(user);
      if (user === this.#core.user) continue;
      if (info.userRole === Role.Administrator) this.emit('onAdminJoined', { admin: info });
      else this.emit('onAudienceJoined', { audience: info });
    }
    this.#countOf(live.info.online);
    this.#show();
  }

  #onWent(live: LiveRoom, user: UserId): void {
    const info = this.#info(user);
    this.#members.delete(user);
    if (user === live.info.owner) {
      this.#isOwnerThere = false;
      this.emit('onOwnerLeft', { owner: info });
    } else if (info.userRole === Role.Administrator) this.emit('onAdminLeft', { admin: info });
    else this.emit('onAudienceLeft', { audience: info });
    this.#countOf(live.info.online);
    this.#show();
  }

  #onAdministrator(user: UserId, isAdministrator: boolean): void {
    const before = this.#info(user);
    if (isAdministrator) this.#administrators.add(user);
    else this.#administrators.delete(user);
    if (this.#members.has(user)) this.#note(user);
    this.#show();
    // An administrator comes and goes with the appointment.
    if (isAdministrator) this.emit('onAdminJoined', { admin: this.#info(user) });
    else this.emit('onAdminLeft', { admin: before });
  }

  #onMuted(user: UserId, isDisable: boolean): void {
    const audience = this.#info(user);
    const others = this.#banned.value.filter((one) => one.userId !== user);
    this.#banned.set(isDisable ? [...others, audience].slice(-MAX_LISTED) : others);
    this.emit('onAudienceMessageDisabled', { audience, isDisable });
  }

  async #lookUp(users: UserId[]): Promise<void> {
    const session = this.#core.session;
    // In a large room everybody would ask for everybody: names come with the list and with what people say.
    if (session && (this.#core.room?.info.online ?? 0) <= MAX_ASKED) await this.#core.people.lookUp(session, users);
  }

  #note(user: UserId): void {
    if (this.#members.size < MAX_LISTED || this.#members.has(user)) this.#members.set(user, this.#roleOf(user));
  }

  #roleOf(user: UserId): Role {
    if (user === this.#core.room?.info.owner) return roleOf('owner');
    return this.#administrators.has(user) ? Role.Administrator : Role.GeneralUser;
  }

  #info(user: UserId): AudienceInfo {
    return { ...this.#core.people.info(user), userRole: this.#roleOf(user) };
  }

  #countOf(online: number): void {
    this.#count.set(Math.max(0, online - (this.#isOwnerThere ? 1 : 0)));
  }

  #show(): void {
    this.#list.set([...this.#members.keys()].map((user) => this.#info(user)));
  }
}

/** Numbers of the room's notices. */
const CAME = 1;
const WENT = 2;
const REMOVED = 3;

/** As many as a page shows. */
const MAX_LISTED = 200;

/** In a larger room those who come are not asked for by name. */
const MAX_ASKED = 50;

/** A year in seconds: until somebody takes it back. */
const FOR_GOOD = 365 * 24 * 3600;
