import { ChatRoom, showProfiles } from '../im';
import { log, setLogLevel } from '../log';
import { NamedEvents } from '../named-events';
import type { ProfileDetails } from '../protocol/messages';
import { originOf, server } from '../server';
import { Account } from './account';
import { TYPES } from './constants';
import { badValue, Code, TimError, toTimError } from './error';
import type { Handler, TimEvents } from './events';
import { Groups } from './groups';
import { type MessagePage, Messages } from './messages';
import type {
  CreateGroupOptions, CreateOptions, GroupRef, MessageOptions, Result, TimConversation, TimGroup, TimMember, TimMessage, TimProfile, UpdateGroupOptions, UpdateProfileOptions,
} from './types';

/** What {@link TimChat.login} resolves with. */
export interface LoginData {
  actionStatus: 'OK';
  errorCode: 0;
  errorInfo: string;
  /** This user was logged in before. */
  repeatLogin: boolean;
}

/**
 * One app's chat on this page, made by `TIM.create`. Every call resolves with `{code: 0, data}` or rejects with a
 * {@link TimError} that has a documented `code`.
 */
export class TimChat {
  readonly #events: TimEvents = new NamedEvents('tim');
  readonly #account: Account;
  readonly #groups: Groups;
  readonly #messages: Messages;
  #inbox: TimMessage[] = [];
  #inboxTimer: ReturnType<typeof setTimeout> | undefined;
  /** What of the profile this page alone knows. */
  #ownFields: UpdateProfileOptions = {};
  readonly #onDestroy: () => void;

  /** Called by `TIM.create`. */
  constructor(
    readonly SDKAppID: number,
    options: CreateOptions,
    onDestroy: () => void,
  ) {
    const origin = options.server === undefined ? null : originOf(options.server);
    this.#onDestroy = onDestroy;
    this.#account = new Account(() => origin ?? server(), SDKAppID, this.#events, {
      loggedIn: (session) => this.#groups.moveTo(session),
      loggingOut: () => this.#groups.leaveAll(),
    });
    this.#groups = new Groups({
      account: this.#account, events: this.#events, isUnlimited: options.unlimitedAVChatRoom === true,
      joinHistory: Math.min(100, Math.max(0, Number(options.joinHistory ?? JOIN_HISTORY) || 0)), deliver: (messages) => this.#deliver(messages),
    });
    this.#messages = new Messages(this.#account, this.#groups);
  }

  /** Registers a handler; `context` is its `this`. */
  on<N extends string>(name: N, handler: Handler<N>, context?: unknown): void {
    this.#events.on(name, handler, context);
  }

  /** Removes a handler. */
  off<N extends string>(name: N, handler?: Handler<N>, context?: unknown): void {
    this.#events.off(name, handler, context);
  }

  /** How much is logged: 0 everything, 1 what matters in production, 2 warnings, 3 errors, 4 nothing. */
  setLogLevel(level: number): void {
    setLogLevel(([1, 2, 3, 4, 5] as const)[level] ?? 2);
  }

  /** Takes plugins of others, such as for uploads, and needs none of them. */
  registerPlugin(plugins?: Record<string, unknown>): void {
    log.debug('tim', `plugins are not needed: ${Object.keys(plugins ?? {}).join(', ')}`);
  }

  /** Whether a user is logged in. */
  isReady(): boolean {
    return this.#account.userID !== null;
  }

  /** Logs a user in; SDK_READY follows. Groups that were joined as a guest are joined as the user from then on. */
  login(options: { userID: string; userSig?: string }): Promise<Result<LoginData>> {
    return run(async () => {
      const repeatLogin = await this.#account.login(options?.userID, options?.userSig);
      return { actionStatus: 'OK', errorCode: 0, errorInfo: repeatLogin ? `${options.userID} is logged in already` : '', repeatLogin };
    });
  }

  /** Leaves all groups and ends the login; SDK_NOT_READY follows. */
  logout(): Promise<Result> {
    return run(async () => {
      await this.#account.logout();
      this.#ownFields = {};
      return {};
    });
  }

  /** Logs out and forgets all handlers; `TIM.create` makes a new instance then. */
  destroy(): Promise<Result> {
    return run(async () => {
      await this.#account.logout();
      clearTimeout(this.#inboxTimer);
      this.#inbox = [];
      this.#events.emit('sdkDestroy', { SDKAppID: this.SDKAppID });
      this.#events.clear();
      this.#onDestroy();
      return {};
    });
  }

  createTextMessage(options: MessageOptions<{ text: string }>): TimMessage {
    return this.#messages.text(options);
  }

  /** `data`, `description` and `extension` are texts. */
  createCustomMessage(options: MessageOptions<{ data?: string; description?: string; extension?: string }>): TimMessage {
    return this.#messages.custom(options);
  }

  /** `payload.file` is an `<input type=file>` or a File; its first file is sent. */
  createImageMessage(options: MessageOptions<{ file: Blob | HTMLInputElement }>): TimMessage {
    return this.#messages.image(options);
  }

  /**
   * Sends a message; resolves when the server has taken it. Without a connection it waits up to 30 s, in its order. An
   * image is uploaded first, and `onProgress` called with the part that is done, from 0 to 1.
   */
  sendMessage(message: TimMessage, options?: { onProgress?: (part: number) => void }): Promise<Result<{ message: TimMessage }>> {
    return run(async () => ({ message: await this.#messages.send(message, options?.onProgress) }));
  }

  /** Sends a message again that has failed; nobody reads it twice. */
  resendMessage(message: TimMessage): Promise<Result<{ message: TimMessage }>> {
    return this.sendMessage(message);
  }

  /** Takes a message back: one's own, or another's as a host. */
  revokeMessage(message: TimMessage): Promise<Result<{ message: TimMessage }>> {
    return run(async () => ({ message: await this.#messages.revoke(message) }));
  }

  /** There is none that could be changed: rejects with 2481. */
  modifyMessage(_message?: TimMessage): Promise<never> {
    return refuse(Code.noEdit, 'modifyMessage: not in live groups; revoke it and send another');
  }

  /** One page of a group's last messages, oldest first. */
  getMessageList(options: { conversationID: string; nextReqMessageID?: string; count?: number }): Promise<Result<MessagePage>> {
    const { conversationID, nextReqMessageID, count } = options ?? {};
    return run(() => this.#messages.list(conversationID, nextReqMessageID, whole(count, 15, 1, 100)));
  }

  /** Makes a group; it is not joined by that. */
  createGroup(options: CreateGroupOptions): Promise<Result<{ group: TimGroup }>> {
    return run(async () => ({ group: await this.#groups.create(options) }));
  }

  /** Joins a group, as a guest who only receives where nobody is logged in. It leaves the group that was joined before. */
  joinGroup(options: GroupRef & { type?: string }): Promise<Result<{ status: string; group: TimGroup }>> {
    return run(() => this.#groups.join(idOf(options?.groupID), options.type));
  }

  /** Leaves a group. Its owner cannot (10007), only dismiss it. */
  quitGroup(groupID: string | number): Promise<Result<{ groupID: string }>> {
    return run(() => this.#groups.quit(idOf(groupID)));
  }

  /** Ends a group for everybody (its owner). */
  dismissGroup(groupID: string | number): Promise<Result<{ groupID: string }>> {
    return run(() => this.#groups.dismiss(idOf(groupID)));
  }

  /** The groups that are joined. */
  getGroupList(_options?: object): Promise<Result<{ groupList: TimGroup[] }>> {
    return run(async () => ({ groupList: this.#groups.list() }));
  }

  /** The groups that are joined as conversations; there are no others. */
  getConversationList(_options?: object): Promise<Result<{ conversationList: TimConversation[] }>> {
    return run(async () => ({ conversationList: this.#groups.conversations() }));
  }

  /** What a group is. */
  getGroupProfile(options: GroupRef): Promise<Result<{ group: TimGroup }>> {
    return run(async () => ({ group: await this.#groups.profile(idOf(options?.groupID)) }));
  }

  /** Changes a group (owner, administrators); what is absent stays. */
  updateGroupProfile(options: UpdateGroupOptions): Promise<Result<{ group: TimGroup }>> {
    return run(async () => ({ group: await this.#groups.update(idOf(options?.groupID), options) }));
  }

  /** Finds a group by its id. */
  searchGroupByID(groupID: string | number): Promise<Result<{ group: TimGroup }>> {
    return this.getGroupProfile({ groupID });
  }

  /** How many members and guests are there. */
  getGroupOnlineMemberCount(groupID: string | number): Promise<Result<{ memberCount: number }>> {
    return run(async () => ({ memberCount: await this.#groups.online(idOf(groupID)) }));
  }

  /** One page of members; `offset` in the result is that of the next page, 0 when there is none. */
  getGroupMemberList(options: GroupRef & { count?: number; offset?: number }): Promise<Result<{ memberList: TimMember[]; offset: number }>> {
    return run(() => this.#groups.members(idOf(options?.groupID), whole(options.count, 15, 1, 100), whole(options.offset, 0, 0, 1_000_000)));
  }

  /** How some members show in a group. */
  getGroupMemberProfile(options: GroupRef & { userIDList: string[] }): Promise<Result<{ memberList: TimMember[] }>> {
    return run(async () => ({ memberList: await this.#groups.someMembers(idOf(options?.groupID), usersOf(options.userIDList)) }));
  }

  /** Nobody is brought into a live group, everybody may join: rejects with 2661. */
  addGroupMember(_options?: object): Promise<never> {
    return refuse(Code.noInvitation, 'addGroupMember: not in live groups; everybody joins by joinGroup');
  }

  /** Removes members and keeps them out for `duration` seconds (owner, administrators). */
  deleteGroupMember(
    options: GroupRef & { userIDList: string[]; reason?: string; duration?: number },
  ): Promise<Result<{ group: TimGroup; userIDList: string[] }>> {
    return run(async () => {
      const id = idOf(options?.groupID);
      const seconds = whole(options.duration, 0, 0, 0xffff_ffff);
      const userIDList = await this.#groups.host(id).kick(usersOf(options.userIDList), {
        ...(options.reason && { message: String(options.reason) }), ...(seconds > 0 && { banSeconds: seconds }),
      });
      return { group: await this.#groups.profile(id), userIDList };
    });
  }

  /** Keeps a member from sending for `muteTime` seconds; 0 ends it (owner, administrators). */
  setGroupMemberMuteTime(options: GroupRef & { userID: string; muteTime: number }): Promise<Result<{ group: TimGroup; member: { userID: string; muteUntil: number } }>> {
    return run(async () => {
      const id = idOf(options?.groupID);
      const [userID, seconds] = [String(options.userID ?? ''), whole(options.muteTime, 0, 0, 0xffff_ffff)];
      await this.#groups.host(id).mute(userID, seconds);
      const muteUntil = seconds === 0 ? 0 : Math.floor(Date.now() / 1000) + seconds;
      return { group: await this.#groups.profile(id), member: { userID, muteUntil } };
    });
  }

  /** Makes a member an administrator (`Admin`) or takes it back (`Member`); the owner's right. */
  setGroupMemberRole(options: GroupRef & { userID: string; role: string }): Promise<Result<{ group: TimGroup; member: { userID: string; role: string } }>> {
    return run(async () => {
      const [id, userID, role] = [idOf(options?.groupID), String(options.userID ?? ''), options.role];
      if (role !== TYPES.GRP_MBR_ROLE_ADMIN && role !== TYPES.GRP_MBR_ROLE_MEMBER) {
        throw badValue('role', role, `${TYPES.GRP_MBR_ROLE_ADMIN} or ${TYPES.GRP_MBR_ROLE_MEMBER}`);
      }
      await this.#groups.host(id).setAdministrator(userID, role === TYPES.GRP_MBR_ROLE_ADMIN);
      return { group: await this.#groups.profile(id), member: { userID, role } };
    });
  }

  /** Replaces all texts that a group shares. */
  initGroupAttributes(options: GroupRef & { groupAttributes: Record<string, string> }): Promise<Result<{ groupAttributes: Record<string, string> }>> {
    return this.#setTexts(options, 'initAttributes');
  }

  /** Adds and overwrites texts that a group shares. */
  setGroupAttributes(options: GroupRef & { groupAttributes: Record<string, string> }): Promise<Result<{ groupAttributes: Record<string, string> }>> {
    return this.#setTexts(options, 'setAttributes');
  }

  /** Takes texts away; all where no key is named. */
  deleteGroupAttributes(options: GroupRef & { keyList?: string[] }): Promise<Result<{ keyList: string[] }>> {
    return run(async () => {
      const keyList = (options?.keyList ?? []).map(String);
      await this.#host(options).deleteAttributes(keyList);
      return { keyList };
    });
  }

  /** The texts that a group shares; all where no key is named. */
  getGroupAttributes(options: GroupRef & { keyList?: string[] }): Promise<Result<{ groupAttributes: Record<string, string> }>> {
    return run(async () => ({ groupAttributes: pick(await (await this.#asking(options)).attributes(), options.keyList) }));
  }

  /** Sets numbers that a group shares. */
  setGroupCounters(options: GroupRef & { counters: Record<string, number> }): Promise<Result<{ counters: Record<string, number> }>> {
    return run(async () => ({ counters: await this.#host(options).setCounters(numbersOf(options.counters)) }));
  }

  /** Adds to a number that a group shares, and gives its new value. */
  increaseGroupCounter(options: GroupRef & { key: string; value: number }): Promise<Result<{ groupID: string; key: string; value: number }>> {
    return run(() => this.#add(options, amountOf(options?.value)));
  }

  /** Takes from a number that a group shares, and gives its new value. */
  decreaseGroupCounter(options: GroupRef & { key: string; value: number }): Promise<Result<{ groupID: string; key: string; value: number }>> {
    return run(() => this.#add(options, -amountOf(options?.value)));
  }

  /** The numbers that a group shares; all where no key is named. */
  getGroupCounters(options: GroupRef & { keyList?: string[] }): Promise<Result<{ counters: Record<string, number> }>> {
    return run(async () => ({ counters: pick(await (await this.#asking(options)).counters(), options.keyList) }));
  }

  /** One's own profile. */
  getMyProfile(): Promise<Result<TimProfile>> {
    return run(() => this.#myProfile());
  }

  /** Changes one's own profile; what is absent stays. PROFILE_UPDATED follows. */
  updateMyProfile(options: UpdateProfileOptions): Promise<Result<TimProfile>> {
    return run(async () => {
      const { session } = this.#account;
      const before = await this.#myProfile();
      const { nick = before.nick, avatar = before.avatar, gender, selfSignature } = options ?? {};
      const isDetailed = gender !== undefined || selfSignature !== undefined;
      const details: ProfileDetails = { gender: gender ?? before.gender, selfSignature: selfSignature ?? before.selfSignature };
      await session.request('setProfile', { profile: { nick: String(nick), avatar: String(avatar) }, ...(isDetailed && { details }) });
      this.#ownFields = { ...this.#ownFields, ...options };
      const profile = { ...before, ...options, nick, avatar, lastUpdatedTime: Math.floor(Date.now() / 1000) };
      this.#events.emit('onProfileUpdated', [profile]);
      return profile;
    });
  }

  /** How users show, there or not; those who are not known are left out. */
  getUserProfile(options: { userIDList: string[] }): Promise<Result<TimProfile[]>> {
    return run(async () => {
      const { session } = this.#account;
      const profiles = await showProfiles(session, usersOf(options?.userIDList).slice(0, 500));
      return profiles.map(({ user, profile, details }) => profileOf(user, { ...profile, ...said(details) }));
    });
  }

  #setTexts(options: GroupRef & { groupAttributes: Record<string, string> }, how: 'initAttributes' | 'setAttributes') {
    return run(async () => {
      const groupAttributes = textsOf(options?.groupAttributes);
      await this.#host(options)[how](groupAttributes);
      return { groupAttributes };
    });
  }

  async #myProfile(): Promise<TimProfile> {
    const { session } = this.#account;
    const userID = session.user ?? '';
    const [known] = await showProfiles(session, [userID]);
    const { nick, avatar, gender, selfSignature, ...own } = this.#ownFields;
    return profileOf(userID, { ...own, ...(known?.profile ?? session.login?.profile), ...(known && said(known.details)) });
  }

  async #add(options: GroupRef & { key: string }, amount: number): Promise<{ groupID: string; key: string; value: number }> {
    const [groupID, key] = [idOf(options?.groupID), String(options.key)];
    const counters = await this.#groups.host(groupID).addCounter(key, amount);
    return { groupID, key, value: counters[key] ?? 0 };
  }

  #host(options: GroupRef): ChatRoom {
    return this.#groups.host(idOf(options?.groupID));
  }

  #asking(options: GroupRef): Promise<ChatRoom> {
    return this.#groups.asking(idOf(options?.groupID));
  }

  /** Messages that come at once are told at once. */
  #deliver(messages: TimMessage[]): void {
    for (const message of messages) {
      this.#messages.note(message);
      this.#groups.said(message);
    }
    this.#inbox.push(...messages);
    this.#inboxTimer ??= setTimeout(() => {
      this.#inboxTimer = undefined;
      this.#events.emit('onMessageReceived', this.#inbox.splice(0));
      this.#groups.tellLists();
    });
  }
}

/** What groups of other types can and these cannot. */
const refuse = (code: number, message: string) => run<never>(() => Promise.reject(new TimError(code, message))) as Promise<never>;

async function run<T>(call: () => Promise<T>): Promise<Result<T>> {
  try {
    return { code: 0, data: await call() };
  } catch (thrown) {
    const error = toTimError(thrown, Code.badValue);
    log.info('tim', `${error.code}: ${error.message}`);
    throw error;
  }
}

function idOf(groupID: unknown): string {
  const id = typeof groupID === 'number' || typeof groupID === 'string' ? String(groupID) : '';
  if (id === '') throw badValue('groupID', groupID, 'a text or a number', Code.noSuchGroup);
  return id;
}

function usersOf(list: unknown): string[] {
  if (!Array.isArray(list) || list.length === 0) throw badValue('userIDList', list, 'a list of users');
  return list.map(String);
}

function textsOf(texts: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(texts ?? {}).map(([key, text]) => [key, String(text)]));
}

function numbersOf(numbers: Record<string, number> | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers ?? {}).map(([key, value]) => [key, amountOf(value)]));
}

function amountOf(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw badValue('value', value, 'a whole number');
  return value as number;
}

/** A whole number within bounds. */
function whole(value: unknown, absent: number, least: number, most: number): number {
  if (value === undefined || value === null) return absent;
  const number = Number(value);
  if (!Number.isFinite(number)) throw badValue('value', value, `a number from ${least} to ${most}`);
  return Math.min(most, Math.max(least, Math.floor(number)));
}

function pick<T>(values: Readonly<Record<string, T>>, keys: readonly string[] | undefined): Record<string, T> {
  if (!keys || keys.length === 0) return { ...values };
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)));
}

/** What a user has said; nothing is the default. */
function said({ gender, selfSignature }: ProfileDetails): Partial<ProfileDetails> {
  return { ...(gender !== '' && { gender }), selfSignature };
}

function profileOf(userID: string, known: UpdateProfileOptions): TimProfile {
  return {
    userID, nick: '', avatar: '', gender: TYPES.GENDER_UNKNOWN, selfSignature: '', birthday: 0, location: '', language: 0,
    allowType: TYPES.ALLOW_TYPE_ALLOW_ANY, adminForbidType: TYPES.FORBID_TYPE_NONE, messageSettings: 0, level: 0, role: 0, lastUpdatedTime: 0,
    profileCustomField: [], ...known,
  };
}

/** Messages for people that come after a group is joined. */
const JOIN_HISTORY = 20;
