import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type {
  Entered, EventMessage, ImagePayload, Message, MessageContent, MuteList, Profile, RemovalReason, RoomId, RoomInfo, UserId,
} from '../protocol/messages';
import type { CloseReason, Session } from '../signal/session';
import { fellows, join, part } from './fellows';
import { absolute, uploadImage } from './images';
import { LikeTally } from './likes';
import { type Draft, Outbox } from './outbox';
import { ChatRequests, pageOf } from './requests';
import { SeenMessages } from './seen';

/**
 * - `outside`: not entered, or out again.
 * - `entering`: the way in, the first time or after a lost session.
 * - `inside`: messages flow, as far as the session is connected.
 */
export type ChatState = 'outside' | 'entering' | 'inside';

/** How a chat is entered. */
export interface EnterChatOptions {
  /** So many of the last messages come with the answer; none when absent. */
  history?: number;
}

/** What one who enters sees. */
export interface EnteredChat {
  info: RoomInfo;
  /** One was in it before. */
  already: boolean;
  /** The last messages, oldest first; `message` events go on behind them. */
  history: Message[];
}

/** How a message is sent. */
export type SendOptions = Omit<Draft, 'content'>;

/** How an image is sent. */
export interface SendImageOptions extends SendOptions {
  /** Called with the part of the file that is uploaded, from 0 to 1. */
  onProgress?: (part: number) => void;
  /** Gives the upload up. */
  signal?: AbortSignal;
}

/** Events of a chat. */
export interface ChatRoomEvents {
  state: { previous: ChatState; state: ChatState };
  /** Somebody else has said something, or the room tells of its members (`TIMGroupTipElem`); each once, in order. */
  message: Message;
  /** A message was taken back. */
  revoked: Message;
  /** The likes since the room was made, those since the event before, and the last one who liked. */
  likes: { total: number; added: number; sender: UserId };
  /** A user may not send for `seconds`, or may again (0). */
  userMuted: { user: UserId; seconds: number };
  allMuted: boolean;
  /** What changed of the shared texts, and all of them now. */
  attributes: { set: Record<string, string>; deleted: string[]; all: Readonly<Record<string, string>> };
  /** New values of shared numbers. */
  counters: Record<string, number>;
  /** Title, notice or seat mode changed. */
  updated: RoomInfo;
  administrator: { user: UserId; isAdministrator: boolean };
  /** Nick or picture of somebody changed. */
  profile: { user: UserId; profile: Profile };
  /** Out of the chat by somebody else: removed, dismissed, the session's end, or not let in again after a lost session. */
  removed: { reason: RemovalReason | CloseReason | 'refused'; message: string; error: WebliveError | null };
}

/**
 * The chat of one room, on a session: messages in their order, each once, over lost sockets and lost sessions; likes,
 * shared texts and numbers, and what hosts decide. Guests receive only.
 */
export class ChatRoom extends ChatRequests<ChatRoomEvents> {
  #session: Session;
  #state: ChatState = 'outside';
  #info: RoomInfo | null = null;
  #offs: (() => void)[] = [];
  /** Events that came while the history was read. */
  #held: EventMessage[] | null = null;
  #attributes: Record<string, string> | null = null;
  #totalLikes = 0;
  #isAllMuted = false;
  readonly #mutedUntil = new Map<UserId, number>();
  readonly #seen = new SeenMessages();
  readonly #outbox: Outbox;
  readonly #likes: LikeTally;
  #entering: Promise<EnteredChat> | null = null;
  /** Counts ways in, so that one that was overtaken is given up. */
  #turn = 0;

  constructor(
    session: Session,
    readonly room: RoomId,
  ) {
    super();
    this.#session = session;
    this.#outbox = new Outbox({
      isOpen: () => this.#state === 'inside' && this.#session.state === 'connected',
      deliver: (draft, timeout) => this.#deliver(draft, timeout),
      find: (random) => this.#find(random),
    });
    this.#likes = new LikeTally(
      (count) => this.#session.request('like', { room: this.room, count }),
      () => this.#session.login?.limits.maxLikes ?? 100,
    );
  }

  get session(): Session {
    return this.#session;
  }

  get state(): ChatState {
    return this.#state;
  }

  /** What is known of the room; null before it is entered. */
  get info(): RoomInfo | null {
    return this.#info;
  }

  /** How often the room was liked, as far as it has told; 0 before it is entered. */
  get totalLikes(): number {
    return this.#totalLikes;
  }

  /** Whether only hosts may send, as far as the room has told. */
  get isAllMuted(): boolean {
    return this.#isAllMuted;
  }

  /** Until when a user may not send, in milliseconds since 1970, as far as the room has told; 0 is not muted. */
  mutedUntil(user: UserId): number {
    const until = this.#mutedUntil.get(user) ?? 0;
    return until > Date.now() ? until : 0;
  }

  /** Goes in. Rejects with a {@link WebliveError}, and is outside then. Inside already, it says so. */
  async enter(options: EnterChatOptions = {}): Promise<EnteredChat> {
    if (this.#entering) return this.#entering;
    if (this.#state !== 'outside') return { info: this.#info!, already: true, history: [] };
    this.#entering = this.#enter(options).finally(() => (this.#entering = null));
    return this.#entering;
  }

  async #enter({ history = 0 }: EnterChatOptions): Promise<EnteredChat> {
    this.#setState('entering');
    this.#listen();
    const turn = ++this.#turn;
    this.#held = [];
    try {
      // One at least, to know where the chat stands.
      const entered = await this.#session.request('enterRoom', { room: this.room, part: 'chat', history: Math.max(1, history) });
      if (turn !== this.#turn) throw new WebliveError('state', `room ${this.room}: left while entering`, false);
      const messages = (entered.history ?? []).map((message) => absolute(message, this.#session.identity.server));
      for (const message of messages) this.#seen.take(message);
      this.#inside(entered);
      return { info: entered.info, already: entered.already, history: history === 0 ? [] : messages };
    } catch (thrown) {
      if (turn === this.#turn) this.#out(new WebliveError('state', `room ${this.room}: not entered`, false));
      throw toWebliveError(thrown, 'enter');
    }
  }

  /**
   * Goes out. Rejects where the server does not let go: the owner of a room dismisses it instead. `isForced` goes out
   * all the same, as far as this page is concerned.
   */
  async leave(isForced = false): Promise<void> {
    if (this.#state === 'outside') return;
    const isLast = fellows(this).length === 0;
    const session = this.#session;
    if (session.state === 'connected' && isLast) {
      try {
        await session.request('leaveRoom', { room: this.room, part: 'chat' }, { timeout: 3_000 });
      } catch (thrown) {
        const error = toWebliveError(thrown, 'leave');
        if (!isForced && error.reason === 'ownerMayNotQuit') throw error;
        log.debug('chat', error.message);
      }
    } else if (session.state !== 'closed' && isLast) {
      // Told when the connection is back; whoever waits need not.
      session.request('leaveRoom', { room: this.room, part: 'chat' }, { timeout: 30_000 }).catch((error: WebliveError) => log.debug('chat', error.message));
    }
    this.#out(new WebliveError('state', `room ${this.room}: the chat was left`, false));
  }

  /**
   * Goes on with another session, such as that of a guest who has logged in: what is said meanwhile comes once. Rejects
   * where the room does not let it in, and is outside then.
   */
  async moveTo(session: Session): Promise<void> {
    if (session === this.#session) return;
    if (this.#entering) await this.#entering.catch(() => undefined);
    if (this.#state === 'outside') {
      this.#session = session;
      return;
    }
    await this.#reenter(session);
  }

  /** Sends a message; resolves when the server has taken it. Without a connection it waits up to 30 s, in its order. */
  send(content: MessageContent, options: SendOptions = {}): Promise<Message> {
    if (this.#state === 'outside') {
      return Promise.reject(new WebliveError('state', `room ${this.room}: not entered; enter the chat first`, false, NOT_ENTERED));
    }
    if (this.#session.user === null) {
      return Promise.reject(new WebliveError('state', 'a guest receives messages and sends none; log in first', false, GUEST));
    }
    const bytes = bytesOf(content, options.cloudCustomData);
    const allowed = this.#session.login?.limits.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    if (bytes > allowed) {
      return Promise.reject(new WebliveError('argument', `the message has ${bytes} bytes; ${allowed} are allowed`, false, {
        reason: 'tooLong', codes: { chat: 80002, live: 80002, rtc: 0x1000 }, allowed: `${allowed} bytes`,
      }));
    }
    return this.#outbox.post({ content, ...options });
  }

  /** Sends text. */
  sendText(text: string, options?: SendOptions): Promise<Message> {
    return this.send({ type: 'TIMTextElem', payload: { text } }, options);
  }

  /** Sends data for programs; `description` is what people read of it. */
  sendCustom(payload: { data?: string; description?: string; extension?: string }, options?: SendOptions): Promise<Message> {
    return this.send({ type: 'TIMCustomElem', payload }, options);
  }

  /** Uploads an image and sends it. */
  async sendImage(file: Blob, options: SendImageOptions = {}): Promise<Message> {
    const { onProgress, signal, ...rest } = options;
    const { uuid } = await this.upload(file, { ...(onProgress && { onProgress }), ...(signal && { signal }) });
    return this.send({ type: 'TIMImageElem', payload: { uuid } }, rest);
  }

  /** Uploads an image, to be sent by its `uuid`. */
  upload(file: Blob, options: Pick<SendImageOptions, 'onProgress' | 'signal'> = {}): Promise<ImagePayload> {
    const { server, userSig } = this.#session.identity;
    return uploadImage(file, { server, ...(userSig !== undefined && { userSig }), ...options });
  }

  /** Messages before a sequence, oldest first; the last ones when absent. */
  async history(before?: number, count?: number): Promise<Message[]> {
    const page = { ...(before !== undefined && { before }), ...(count !== undefined && { count }) };
    const { messages } = await this.#session.request('history', { room: this.room, ...page });
    return messages.map((message) => absolute(message, this.#session.identity.server));
  }

  /** Takes a message back: one's own, or another's as a host. */
  async revoke(message: Pick<Message, 'ID' | 'sequence' | 'random'>): Promise<void> {
    let { sequence } = message;
    // Who sends is not told the place in the room.
    if (sequence === 0) sequence = (await this.#latest()).find((one) => one.ID === message.ID || this.#isOwn(one, message.random))?.sequence ?? 0;
    if (sequence === 0) {
      throw new WebliveError('refused', `message ${message.ID} is not in the room's history; recent ones can be revoked`, false, {
        reason: 'noSuchMessage', codes: { chat: 10004, live: 10004, rtc: 0x1000 },
      });
    }
    await this.#session.request('revokeMessage', { room: this.room, sequence });
  }

  /** Likes the room; many likes become few requests. Resolves when they were counted. */
  like(count = 1): Promise<void> {
    if (this.#session.user === null) return Promise.reject(new WebliveError('state', 'a guest cannot like; log in first', false, GUEST));
    return this.#likes.add(count);
  }

  /** The texts that the room shares. */
  async attributes(): Promise<Readonly<Record<string, string>>> {
    const { attributes } = await this.#session.request('attributes', { room: this.room });
    if (this.#state === 'inside') this.#attributes = { ...attributes };
    return attributes;
  }

  /** One page of those who may not send (hosts). */
  async mutes(after?: UserId, count?: number): Promise<MuteList> {
    const list = await this.#session.request('listMutes', { room: this.room, ...pageOf(after, count) });
    this.#isAllMuted = list.allMuted;
    for (const { user, seconds } of list.users) this.#noteMute(user, seconds);
    return list;
  }

  /** Ends the room for everybody (its owner). */
  async dismiss(): Promise<void> {
    await this.#session.request('dismissRoom', { room: this.room });
    this.#out(new WebliveError('state', `room ${this.room}: dismissed`, false));
  }

  async #deliver({ content, ...options }: Draft, timeout: number): Promise<Message> {
    const { message } = await this.#session.request('sendMessage', { room: this.room, content, ...options }, { timeout });
    const sent = absolute(message, this.#session.identity.server);
    this.#seen.sent(sent);
    for (const room of fellows(this)) room.echo(sent);
    return sent;
  }

  /** Shows what another part of the page has said in this room as the same user. */
  echo(message: Message): void {
    this.#hear(message);
    this.#seen.sent(message);
  }

  /** A message of one's own that the room has, though its response was lost. */
  async #find(random: number): Promise<Message | null> {
    const message = (await this.#latest()).find((one) => this.#isOwn(one, random));
    if (message) this.#seen.sent(message);
    return message ?? null;
  }

  #isOwn(message: Message, random: number): boolean {
    return random > 0 && message.random === random && message.from === this.#session.user;
  }

  #latest(): Promise<Message[]> {
    return this.history(undefined, this.#session.login?.limits.page ?? 100);
  }

  #listen(): void {
    const session = this.#session;
    join(this);
    this.#offs = [
      session.on('event', (event) => this.#onEvent(event)),
      session.on('state', ({ state }) => state === 'connected' && this.#outbox.wake()),
      session.on('renewed', () => {
        // A first way in that was under way is refused by the session, and begins anew here.
        if (!this.#entering) void this.#reenter(session).catch((error: WebliveError) => log.warn('chat', error.message));
      }),
      session.on('closed', ({ reason, error }) => this.#removed(reason, error?.message ?? 'logged out', error)),
    ];
  }

  /** Goes in again, with what was said meanwhile. */
  async #reenter(session: Session): Promise<void> {
    const turn = ++this.#turn;
    const isMove = session !== this.#session;
    const held: EventMessage[] = [];
    // Until the answer, an old session that still lives goes on telling.
    const off = isMove ? session.on('event', (event) => held.push(event)) : () => undefined;
    if (!isMove) {
      this.#held = held;
      this.#setState('entering');
    }
    try {
      const limit = session.login?.limits.page ?? 100;
      const entered = await session.request('enterRoom', { room: this.room, part: 'chat', history: limit }, { timeout: 20_000 });
      off();
      if (turn !== this.#turn) return;
      if (isMove) {
        for (const end of this.#offs) end();
        part(this);
        this.#session = session;
        this.#listen();
      }
      this.#held = held;
      for (const message of await this.#missed(entered.history ?? [], limit)) {
        // One's own, whose response was lost: the outbox will find it.
        if (message.from === session.user && this.#outbox.has(message.random)) this.#seen.sent(message);
        this.#hear(message);
      }
      if (turn !== this.#turn) return;
      // What has changed meanwhile is not told again.
      const isFollowed = this.#attributes !== null;
      this.#attributes = null;
      this.#inside(entered);
      if (isFollowed) void this.#changeAttributes({}, []);
    } catch (thrown) {
      off();
      const error = toWebliveError(thrown, 'enter again');
      if (turn === this.#turn) this.#removed('refused', error.message, error);
      throw error;
    }
  }

  /** What was said since the last message that is known, oldest first. */
  async #missed(last: Message[], limit: number): Promise<Message[]> {
    let messages = last;
    for (let pages = 1; pages < MAX_PAGES; pages += 1) {
      const first = messages[0];
      if (!first || messages.length < limit * pages || first.sequence <= this.#seen.last + 1) break;
      const older = await this.history(first.sequence, limit);
      if (older.length === 0) break;
      messages = [...older, ...messages];
    }
    return messages.map((message) => absolute(message, this.#session.identity.server));
  }

  #inside({ info, totalLikesReceived = 0, allMuted = false }: Entered): void {
    this.#info = info;
    this.#totalLikes = totalLikesReceived;
    const held = this.#held ?? [];
    this.#held = null;
    this.#setState('inside');
    if (allMuted !== this.#isAllMuted) this.#muteAll(allMuted);
    for (const event of held) this.#onEvent(event);
    this.#outbox.wake();
  }

  #onEvent(event: EventMessage): void {
    if (!('room' in event) || event.room !== this.room) return;
    if (this.#held) {
      this.#held.push(event);
      return;
    }
    switch (event.event) {
      case 'message':
        return this.#hear(absolute(event.message, this.#session.identity.server));
      case 'messageRevoked':
        return this.emit('revoked', event.message);
      case 'likes':
        this.#totalLikes = event.totalLikesReceived;
        return this.emit('likes', { total: event.totalLikesReceived, added: event.added, sender: event.sender });
      case 'userMuted':
        this.#noteMute(event.user, event.seconds);
        return this.emit('userMuted', { user: event.user, seconds: event.seconds });
      case 'allMuted':
        return this.#muteAll(event.muted);
      case 'attributesChanged':
        return void this.#changeAttributes(event.set, event.deleted);
      case 'countersChanged':
        return this.emit('counters', event.counters);
      case 'roomUpdated':
        this.#info = event.info;
        return this.emit('updated', event.info);
      case 'administratorChanged':
        return this.emit('administrator', { user: event.user, isAdministrator: event.isAdministrator });
      case 'profileChanged':
        return this.emit('profile', { user: event.user, profile: event.profile });
      case 'removed':
        return this.#removed(event.reason, event.message, null);
    }
  }

  #muteAll(isMuted: boolean): void {
    this.#isAllMuted = isMuted;
    this.emit('allMuted', isMuted);
  }

  #hear(message: Message): void {
    if (this.#seen.take(message)) this.emit('message', message);
  }

  async #changeAttributes(set: Record<string, string>, deleted: string[]): Promise<void> {
    if (this.#attributes === null) {
      try {
        await this.attributes();
      } catch (thrown) {
        log.warn('chat', toWebliveError(thrown, 'attributes').message);
      }
    }
    const all: Record<string, string> = { ...this.#attributes, ...set };
    for (const name of deleted) delete all[name];
    this.#attributes = all;
    this.emit('attributes', { set, deleted, all });
  }

  #noteMute(user: UserId, seconds: number): void {
    this.#mutedUntil.delete(user);
    if (seconds > 0) this.#mutedUntil.set(user, Date.now() + seconds * 1000);
    for (const first of this.#mutedUntil.keys()) {
      if (this.#mutedUntil.size <= MAX_MUTES) break;
      this.#mutedUntil.delete(first);
    }
  }

  #removed(reason: RemovalReason | CloseReason | 'refused', message: string, error: WebliveError | null): void {
    if (this.#state === 'outside') return;
    this.#out(error ?? new WebliveError('removed', message, true));
    this.emit('removed', { reason, message, error });
  }

  #out(error: WebliveError): void {
    this.#turn += 1;
    for (const off of this.#offs) off();
    this.#offs = [];
    part(this);
    this.#held = null;
    this.#attributes = null;
    this.#setState('outside');
    this.#outbox.close(error);
    this.#likes.close(error);
  }

  #setState(state: ChatState): void {
    const previous = this.#state;
    if (previous === state) return;
    this.#state = state;
    this.emit('state', { previous, state });
  }
}

/** Bytes of all texts of a message. */
function bytesOf(content: MessageContent, cloudCustomData = ''): number {
  return new TextEncoder().encode(Object.values(content.payload).join('') + cloudCustomData).length;
}

const NOT_ENTERED = { reason: 'notEntered', codes: { chat: 2101, live: 100005, rtc: 0x1001 } } as const;

const GUEST = { reason: 'guest', codes: { chat: 2024, live: 100006, rtc: 0x1001 } } as const;

/** Bytes of a message, until login has told. */
const MAX_MESSAGE_BYTES = 12_288;

/** Pages of the history that are read after a lost session. */
const MAX_PAGES = 5;

/** Mutes that are remembered. */
const MAX_MUTES = 1_000;
