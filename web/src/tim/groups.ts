import { ChatRoom } from '../im';
import { toWebliveError } from '../errors';
import { log } from '../log';
import type { GroupTip, MemberView, Message, RoomId, RoomInfo } from '../protocol/messages';
import type { Session } from '../signal/session';
import type { Account } from './account';
import { TYPES } from './constants';
import { badValue, Code, TimError } from './error';
import type { TimEvents } from './events';
import { conversationOf, fromServer, systemNotice } from './message';
import type { CreateGroupOptions, TimConversation, TimGroup, TimGroupTip, TimMember, TimMessage, UpdateGroupOptions } from './types';

/** What groups need beside the account. */
export interface GroupsOptions {
  isUnlimited: boolean;
  joinHistory: number;
  account: Account;
  events: TimEvents;
  /** Messages for the page. */
  deliver(messages: TimMessage[]): void;
}

interface Joined {
  id: string;
  room: ChatRoom;
  /** What the page was told last of the group. */
  info: RoomInfo | null;
  /** What the next notices of the room are about: the server tells it just before them. */
  changes: TimGroupTip['newGroupProfile'];
  mutes: Map<string, number>;
  revoking: Set<string>;
  /** The last message that was sent or has come. */
  last: TimMessage | null;
}

/** The groups that were joined, and what is asked about groups. */
export class Groups {
  readonly #joined = new Map<string, Joined>();
  /** Ids that are digits name the numeric room, or the room of that name where there is no such. */
  readonly #rooms = new Map<string, RoomId>();
  /** Where the last page of members ended. */
  readonly #cursors = new Map<string, { offset: number; after: string }>();

  constructor(readonly options: GroupsOptions) {}

  /** The group's chat, if it was joined. */
  chat(id: string): ChatRoom | null {
    const joined = this.#joined.get(id);
    return joined && joined.room.state !== 'outside' ? joined.room : null;
  }

  /** The group's chat to ask by: of one that was not joined, as far as the server answers. */
  async asking(id: string): Promise<ChatRoom> {
    return this.chat(id) ?? new ChatRoom(await this.options.account.groupSession(), this.#roomOf(id));
  }

  /** The same, for those who are logged in only. */
  host(id: string): ChatRoom {
    const { session } = this.options.account;
    return this.chat(id) ?? new ChatRoom(session, this.#roomOf(id));
  }

  /** Notes that one's own page takes a message back, which need not be told. */
  revoking(id: string, message: string): void {
    const revoking = this.#joined.get(id)?.revoking;
    if (revoking && revoking.size < MAX_KEPT) revoking.add(message);
  }

  /** The groups that were joined. */
  list(): TimGroup[] {
    return this.#inside().map(({ id, room }) => this.#group(id, room.info!));
  }

  /** The same as conversations, the one with the latest message first. */
  conversations(): TimConversation[] {
    const all = this.#inside().map(({ id, room, last }) => conversationOf(this.#group(id, room.info!), last));
    return all.sort((a, b) => b.lastMessage.lastTime - a.lastMessage.lastTime);
  }

  /** Notes the last message of a group. */
  said(message: TimMessage): void {
    const joined = this.#joined.get(message.to);
    if (joined) joined.last = message;
  }

  /** Tells the page of its lists: always of the conversations, of the groups where there are other ones. */
  tellLists(areOthers = false): void {
    const { events } = this.options;
    if (areOthers) events.emit('onGroupListUpdated', this.list());
    events.emit('onConversationListUpdated', this.conversations());
  }

  #inside(): Joined[] {
    return [...this.#joined.values()].filter(({ room }) => room.state !== 'outside' && room.info !== null);
  }

  /** Goes on with another session in all groups. */
  async moveTo(session: Session): Promise<void> {
    await Promise.all([...this.#joined.values()].map(({ id, room }) => room.moveTo(session).catch((thrown: unknown) => {
      this.#joined.delete(id);
      log.warn('tim', `group ${id}: ${toWebliveError(thrown, 'enter as user').message}`);
    })));
  }

  /** Goes out of all groups. */
  async leaveAll(): Promise<void> {
    const joined = [...this.#joined.values()];
    this.#joined.clear();
    await Promise.all(joined.map(({ room }) => room.leave(true)));
  }

  async create(options: CreateGroupOptions): Promise<TimGroup> {
    const { session } = this.options.account;
    const { name, type, notification, introduction, avatar } = options;
    if (type !== undefined && type !== TYPES.GRP_AVCHATROOM) {
      throw badValue('createGroup: type', type, TYPES.GRP_AVCHATROOM);
    }
    if (typeof name !== 'string' || name === '') throw badValue('createGroup: name', name, 'a text of up to 100 bytes');
    const given = String(options.groupID ?? '');
    const id = given === '' ? `@TGS#a${Math.random().toString(36).slice(2, 12).toUpperCase()}` : given;
    const texts = { name, notice: String(notification ?? ''), introduction: String(introduction ?? ''), cover: String(avatar ?? '') };
    const room = this.#roomOf(id);
    await session.request('createRoom', { room, ...texts });
    return this.#group(id, { room, ...texts, owner: session.user, scene: null, online: 0, totalEntered: 0, seats: null, createdAt: Date.now(), hidden: false });
  }

  async join(id: string, type: unknown): Promise<{ status: string; group: TimGroup }> {
    const { account, isUnlimited } = this.options;
    const isOther = type !== undefined && type !== '' && type !== TYPES.GRP_AVCHATROOM;
    if (isOther && account.userID === null) {
      throw new TimError(Code.loginForGroup, `joinGroup: a group of type ${String(type)} needs a login; ${TYPES.GRP_AVCHATROOM} does not`);
    }
    const old = this.chat(id);
    if (old) {
      const { info } = await old.enter();
      return { status: TYPES.JOIN_STATUS_ALREADY_IN_GROUP, group: this.#group(id, info) };
    }
    const session = await account.groupSession();
    const { joined, info, history } = await this.#enter(session, id);
    if (!isUnlimited) await Promise.all([...this.#joined.keys()].filter((other) => other !== id).map((other) => this.#leave(other)));
    // A login may have come meanwhile.
    if (account.userID !== null && joined.room.session !== account.session) await joined.room.moveTo(account.session);
    this.tellLists(true);
    // Commands of programs are not for those who come later.
    const texts = history.filter(({ type, isRevoked }) => !isRevoked && (type === 'TIMTextElem' || type === 'TIMImageElem'));
    if (texts.length > 0) this.options.deliver(texts.map((message) => this.present(id, message)));
    return { status: TYPES.JOIN_STATUS_SUCCESS, group: this.#group(id, info) };
  }

  async quit(id: string): Promise<{ groupID: string }> {
    const joined = this.#joined.get(id);
    if (!joined || joined.room.state === 'outside') throw new TimError(Code.notMember, `quitGroup: group ${id} was not joined`);
    await joined.room.leave();
    this.#joined.delete(id);
    this.tellLists(true);
    return { groupID: id };
  }

  async dismiss(id: string): Promise<{ groupID: string }> {
    await this.host(id).dismiss();
    if (this.#joined.delete(id)) this.tellLists(true);
    return { groupID: id };
  }

  async profile(id: string): Promise<TimGroup> {
    return this.#group(id, await this.#info(id));
  }

  /** Members and guests who are there. */
  async online(id: string): Promise<number> {
    return (await this.#info(id)).online;
  }

  async update(id: string, options: UpdateGroupOptions): Promise<TimGroup> {
    const chat = this.host(id);
    const { name, notification, introduction, avatar, muteAllMembers } = options;
    const texts = {
      ...(name !== undefined && { name }), ...(notification !== undefined && { notice: notification }),
      ...(introduction !== undefined && { introduction }), ...(avatar !== undefined && { cover: avatar }),
    };
    if (Object.keys(texts).length > 0) await chat.update(texts);
    if (typeof muteAllMembers === 'boolean') await chat.muteAll(muteAllMembers);
    return { ...(await this.profile(id)), ...(typeof muteAllMembers === 'boolean' && { muteAllMembers }) };
  }

  /** One page of members, and the offset of the next one; 0 when there is none. */
  async members(id: string, count: number, offset: number): Promise<{ memberList: TimMember[]; offset: number }> {
    const chat = this.host(id);
    let { offset: at, after } = this.#cursor(id, offset);
    while (at < offset) {
      const page = await chat.members(after, Math.min(PAGE, offset - at));
      at += page.members.length;
      after = page.members.at(-1)?.user ?? after;
      if (!page.more) return { memberList: [], offset: 0 };
    }
    const { members, more } = await chat.members(after, count);
    await this.#learnMutes(chat);
    const next = offset + members.length;
    const last = members.at(-1)?.user;
    if (more && last !== undefined) this.#cursors.set(id, { offset: next, after: last });
    if (this.#cursors.size > MAX_KEPT) this.#cursors.clear();
    return { memberList: members.map((view) => memberOf(view, chat)), offset: more ? next : 0 };
  }

  /** Some members, as far as they are among the first thousand. */
  async someMembers(id: string, users: readonly string[]): Promise<TimMember[]> {
    const chat = this.host(id);
    await this.#learnMutes(chat);
    const wanted = new Set(users);
    const found: TimMember[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < MAX_PAGES && found.length < wanted.size; pages += 1) {
      const page = await chat.members(after, PAGE);
      found.push(...page.members.filter(({ user }) => wanted.has(user)).map((view) => memberOf(view, chat)));
      after = page.members.at(-1)?.user;
      if (!page.more || after === undefined) break;
    }
    return found;
  }

  /** Owners are told who was muted before they came. */
  async #learnMutes(chat: ChatRoom): Promise<void> {
    if (chat.info?.owner === this.options.account.userID) await chat.mutes();
  }

  /** A message of a group as pages know it. */
  present(id: string, message: Message): TimMessage {
    return fromServer(message, id, this.options.account.userID ?? this.chat(id)?.session.user ?? null, (tip) => this.#tip(id, tip));
  }

  async #info(id: string): Promise<RoomInfo> {
    const session = await this.options.account.groupSession();
    try {
      return await this.#withRoom(id, (room) => session.request('showRoom', { room }));
    } catch (thrown) {
      // Guests may not ask, but know the group that they have joined.
      const known = this.chat(id)?.info;
      if (session.user === null && known && toWebliveError(thrown, 'showRoom').reason === 'guest') return known;
      throw thrown;
    }
  }

  async #enter(session: Session, id: string): Promise<{ joined: Joined; info: RoomInfo; history: Message[] }> {
    return this.#withRoom(id, async (room) => {
      const other = this.#joined.get(id);
      // Another call is on the way in already.
      const isShared = other && other.room.state !== 'outside' && other.room.session === session;
      const joined: Joined = isShared ? other : { id, room: new ChatRoom(session, room), info: null, changes: undefined, mutes: new Map(), revoking: new Set(), last: null };
      if (!isShared) {
        this.#joined.set(id, joined);
        this.#listen(joined);
      }
      try {
        const { info, history } = await joined.room.enter({ history: this.options.joinHistory });
        joined.info = info;
        return { joined, info, history };
      } catch (thrown) {
        if (this.#joined.get(id) === joined) this.#joined.delete(id);
        throw thrown;
      }
    });
  }

  /** Asks about the numeric room of an id of digits, and about the room of that name where there is no such. */
  async #withRoom<T>(id: string, ask: (room: RoomId) => Promise<T>): Promise<T> {
    const room = this.#roomOf(id);
    try {
      return await ask(room);
    } catch (thrown) {
      if (typeof room !== 'number' || toWebliveError(thrown, 'group').reason !== 'noSuchRoom') throw thrown;
      const result = await ask(id).catch((other: unknown) => {
        throw toWebliveError(other, 'group').reason === 'noSuchRoom' ? thrown : other;
      });
      if (this.#rooms.size >= MAX_KEPT) this.#rooms.clear();
      this.#rooms.set(id, id);
      return result;
    }
  }

  #roomOf(id: string): RoomId {
    return this.#rooms.get(id) ?? roomOf(id);
  }

  async #leave(id: string): Promise<void> {
    const joined = this.#joined.get(id);
    this.#joined.delete(id);
    await joined?.room.leave(true);
  }

  #listen(joined: Joined): void {
    const { id, room } = joined;
    const { events, deliver } = this.options;
    room.on('message', (message) => {
      const shown = this.present(id, message);
      // Of the room more may have changed than a chat knows of.
      const isEmpty = shown.type === 'TIMGroupTipElem' && shown.payload.operationType === TYPES.GRP_TIP_GRP_PROFILE_UPDATED && !shown.payload.newGroupProfile;
      if (!isEmpty) deliver([shown]);
    });
    room.on('revoked', (message) => {
      const shown = this.present(id, message);
      if (!joined.revoking.delete(shown.ID)) events.emit('onMessageRevoked', [shown]);
    });
    room.on('attributes', ({ all }) => events.emit('groupAttributesUpdated', { groupID: id, groupAttributes: { ...all } }));
    room.on('counters', (counters) => {
      for (const [key, value] of Object.entries(counters)) events.emit('onGroupCounterUpdated', { groupID: id, key, value });
    });
    room.on('allMuted', (muteAllMembers) => (joined.changes = { ...joined.changes, muteAllMembers }));
    room.on('updated', (info) => {
      const { name, notice, introduction, cover } = info;
      const before = joined.info;
      const changes = {
        ...(name !== before?.name && { groupName: name }), ...(notice !== before?.notice && { notification: notice }),
        ...(introduction !== before?.introduction && { introduction }), ...(cover !== before?.cover && { avatar: cover }),
      };
      joined.info = info;
      if (Object.keys(changes).length === 0) return;
      joined.changes = { ...joined.changes, ...changes };
      this.tellLists(true);
    });
    room.on('userMuted', ({ user, seconds }) => {
      if (joined.mutes.size < MAX_KEPT) joined.mutes.set(user, seconds);
    });
    room.on('removed', ({ reason, message }) => {
      if (this.#joined.get(id) === joined && this.#joined.delete(id)) this.tellLists(true);
      const operation = NOTICES[reason];
      if (operation === undefined) return;
      const notice = systemNotice(operation, { groupID: id, name: room.info?.name ?? '' }, this.options.account.userID ?? '', message);
      deliver([notice]);
      events.emit('receiveGroupSystemNotice', { type: operation, message: notice });
    });
  }

  #tip(id: string, tip: GroupTip): TimGroupTip {
    const joined = this.#joined.get(id);
    const { operationType, userIDList, memberCount } = tip;
    const changes = operationType === TYPES.GRP_TIP_GRP_PROFILE_UPDATED ? joined?.changes : undefined;
    if (joined && changes) joined.changes = undefined;
    // Who comes or goes alone has done it.
    const alone = operationType <= TYPES.GRP_TIP_MBR_QUIT && userIDList.length === 1 ? userIDList[0] : undefined;
    const operatorID = tip.operatorID ?? alone ?? '';
    const memberList = userIDList.map((userID) => {
      const muteTime = operationType === TYPES.GRP_TIP_MBR_PROFILE_UPDATED ? joined?.mutes.get(userID) : undefined;
      if (muteTime !== undefined) joined?.mutes.delete(userID);
      return { userID, ...(muteTime !== undefined && { muteTime }) };
    });
    return {
      operationType, operatorID, userIDList, memberList, groupProfile: { groupID: id, name: joined?.room.info?.name ?? '' },
      ...(memberCount !== undefined && memberCount !== null && { memberCount }), ...(changes && { newGroupProfile: changes }),
    };
  }

  #cursor(id: string, offset: number): { offset: number; after?: string } {
    const cursor = this.#cursors.get(id);
    return cursor && cursor.offset <= offset ? cursor : { offset: 0 };
  }

  #group(id: string, info: RoomInfo): TimGroup {
    return {
      groupID: id, type: TYPES.GRP_AVCHATROOM, name: info.name, notification: info.notice, ownerID: info.owner ?? '', memberCount: info.online,
      memberNum: info.online, joinOption: TYPES.JOIN_OPTIONS_FREE_ACCESS, muteAllMembers: this.chat(id)?.isAllMuted ?? false, groupCustomField: [],
      avatar: info.cover, introduction: info.introduction,
    };
  }
}

/** A group of digits is the numeric room; other ids are names. */
export function roomOf(id: string): RoomId {
  const number = /^[1-9]\d{0,9}$/.test(id) ? Number(id) : 0;
  return number > 0 && number <= 4_294_967_294 ? number : id;
}

function memberOf({ user, profile, rank }: MemberView, chat: ChatRoom): TimMember {
  return {
    userID: user, nick: profile.nick, avatar: profile.avatar, nameCard: '', role: ROLES[rank], muteUntil: Math.ceil(chat.mutedUntil(user) / 1000),
    joinTime: 0, memberCustomField: [],
  };
}

const ROLES = { owner: TYPES.GRP_MBR_ROLE_OWNER, administrator: TYPES.GRP_MBR_ROLE_ADMIN, generalUser: TYPES.GRP_MBR_ROLE_MEMBER } as const;

/** Operation types of notices to one's own user, by why one is out. */
const NOTICES: Partial<Record<string, number>> = { kick: 4, 'room-disband': 5 };

/** Members in one request. */
const PAGE = 100;

const MAX_PAGES = 10;

/** Entries that are kept about groups. */
const MAX_KEPT = 200;
