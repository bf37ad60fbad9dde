import { Emitter } from '../emitter';
import type { WebliveError } from '../errors';
import { log } from '../log';
import type { Entered, EventMessage, EventName, Message, RequestName, Results, RoomId, RoomInfo } from '../protocol/messages';
import { ChatRoom } from '../im';
import { RoomMedia } from '../rtc/room-media';
import type { CloseReason, Fields, Session } from '../signal/session';
import { LiveKickedOutReason } from './enums';
import { type LiveError, toLiveError, tooEarly } from './error';
import { liveIdOf } from './ids';
import { People } from './people';

/** The live room that one is in. */
export interface LiveRoom {
  readonly room: RoomId;
  readonly liveId: string;
  readonly media: RoomMedia;
  /** Null in a room without owner, which has none. */
  readonly chat: ChatRoom | null;
  /** The newest that is known. */
  info: RoomInfo;
}

/** Why one is out of a room without having asked for it. */
export interface Loss {
  liveId: string;
  kind: 'ended' | 'removed';
  reason: LiveKickedOutReason;
  message: string;
}

/** What the states of a {@link LiveCore} hear. */
export interface CoreEvents {
  session: Session | null;
  /** In a room's media; its chat follows. */
  entered: LiveRoom;
  /** What is there: after {@link CoreEvents.entered}, and again after a lost session. */
  view: Entered;
  /** In its chat, with the last messages. */
  chat: { room: LiveRoom; chat: ChatRoom; history: Message[] };
  /** Out of it, for whatever reason. */
  left: LiveRoom;
  lost: Loss;
  info: RoomInfo;
  /** What the server tells of the room that one is in. */
  event: EventMessage;
}

/** How a room is entered. */
export interface EnterParams {
  info: RoomInfo;
  /** An owner makes the room again after the server has lost it. */
  isOwner: boolean;
  privateMapKey?: string;
}

/** What all states of one user share: the session, the room that one is in, and who is known. */
export class LiveCore extends Emitter<CoreEvents> {
  #session: Session | null = null;
  #room: LiveRoom | null = null;
  #isOwner = false;
  #isEntering = false;
  #isLeaving = false;
  #offs: (() => void)[] = [];
  readonly people = new People();

  get session(): Session | null {
    return this.#session;
  }

  get room(): LiveRoom | null {
    return this.#room;
  }

  /** The user who is logged in; an empty text before. */
  get user(): string {
    return this.#session?.user ?? '';
  }

  /** The session, or a refusal. */
  needSession(doing: string): Session {
    if (!this.#session) throw tooEarly(`${doing}: log in first`);
    return this.#session;
  }

  /** The room that one is in, or a refusal. */
  needRoom(doing: string): LiveRoom {
    this.needSession(doing);
    if (!this.#room) throw tooEarly(`${doing}: join a live room first`, NOT_ENTERED);
    return this.#room;
  }

  /** Asks the server. Errors come with the documented codes, and name what the page has called: `doing`. */
  async request<T extends RequestName>(doing: string, type: T, fields: Fields<T>): Promise<Results[T]> {
    const session = this.needSession(doing);
    try {
      return await session.request(type, fields);
    } catch (thrown) {
      const error = toLiveError(thrown, doing);
      if (error.message.startsWith(`${type}:`)) error.message = doing + error.message.slice(type.length);
      throw error;
    }
  }

  /** Asks for the room that one is in. */
  async ask<T extends RequestName>(doing: string, type: T, fields: Omit<Fields<T>, 'room'>): Promise<Results[T]> {
    return this.request(doing, type, { ...fields, room: this.needRoom(doing).room } as unknown as Fields<T>);
  }

  /** Calls `listener` for events of this name of the room that one is in. */
  hear<N extends EventName>(name: N, listener: (event: Extract<EventMessage, { event: N }>) => void): void {
    this.on('event', (event) => event.event === name && listener(event as Extract<EventMessage, { event: N }>));
  }

  attach(session: Session): void {
    this.#session = session;
    this.#offs = [
      session.on('event', (event) => {
        const room = this.#room;
        if (!room || !('room' in event) || event.room !== room.room) return;
        if (event.event === 'roomUpdated') this.setInfo(event.info);
        if (event.event === 'profileChanged') this.people.learn(event.user, event.profile);
        this.emit('event', event);
      }),
      // Before media and chat enter it again.
      session.on('renewed', () => void this.#recreate()),
    ];
    this.emit('session', session);
  }

  detach(): void {
    for (const off of this.#offs.splice(0)) off();
    this.#out();
    this.people.forget();
    if (!this.#session) return;
    this.#session = null;
    this.emit('session', null);
  }

  /** The session has ended, not by own wish: the room with it. */
  endOf(reason: CloseReason, message: string): void {
    const { byLoggedOnOtherDevice, byServer, forNetworkDisconnected } = LiveKickedOutReason;
    const why = reason === 'replaced' ? byLoggedOnOtherDevice : reason === 'fault' ? forNetworkDisconnected : byServer;
    if (this.#room) this.#lose(this.#room, 'removed', why, message);
  }

  /** Enters media and chat. Rejects, and is outside then. */
  async enter(room: RoomId, params: EnterParams): Promise<LiveRoom> {
    const session = this.needSession('joinLive');
    if (this.#room || this.#isEntering) throw tooEarly(`joinLive: leave the live room ${this.#room?.liveId ?? ''} first`);
    this.#isEntering = true;
    const media = new RoomMedia(session, room);
    const { info, isOwner, privateMapKey } = params;
    const chat = info.owner === null ? null : new ChatRoom(session, room);
    try {
      const entered = await media.enter({
        scene: 'live', role: isOwner ? 'anchor' : 'audience', ...(info.owner !== null && { existing: true }), ...(privateMapKey !== undefined && { privateMapKey }),
      });
      if (this.#session !== session) throw tooEarly('joinLive: logged out meanwhile');
      const live: LiveRoom = { room, liveId: liveIdOf(room), media, chat, info: entered.info };
      this.#room = live;
      this.#isOwner = isOwner;
      this.#follow(live);
      this.emit('entered', live);
      this.#view(entered);
      const inside = await chat?.enter({ history: HISTORY });
      if (this.#room !== live) throw tooEarly('joinLive: left meanwhile');
      if (chat && inside) {
        this.setInfo(inside.info);
        this.emit('chat', { room: live, chat, history: inside.history });
      }
      return live;
    } catch (thrown) {
      this.#out();
      await media.leave();
      await chat?.leave(true);
      throw toLiveError(thrown, 'joinLive');
    } finally {
      this.#isEntering = false;
    }
  }

  /** Leaves the room, or ends it for everybody. */
  async leave(how: 'leaveRoom' | 'dismissRoom'): Promise<void> {
    const live = this.#room;
    if (!live) return;
    const isOwner = live.info.owner === this.user;
    if (how === 'dismissRoom') {
      // Refused to all but the owner, who stays inside then. That it has ended is no news to the one who ends it.
      this.#isLeaving = true;
      try {
        await this.request('endLive', 'dismissRoom', { room: live.room });
      } catch (thrown) {
        const error = toLiveError(thrown, 'endLive');
        if (error.reason !== 'noSuchRoom') throw error;
      } finally {
        this.#isLeaving = false;
      }
    }
    this.#out();
    await live.media.leave();
    // The owner cannot quit the chat, only the whole room.
    if (how === 'leaveRoom' && isOwner && this.#session) {
      await this.request('leaveLive', 'leaveRoom', { room: live.room, part: 'all' }).catch((error: WebliveError) => log.debug('live', error.message));
    }
    await live.chat?.leave(true);
  }

  setInfo(info: RoomInfo): void {
    if (!this.#room) return;
    this.#room.info = info;
    this.emit('info', info);
  }

  #view(entered: Entered): void {
    for (const { user, profile } of entered.anchors) this.people.learn(user, profile);
    this.setInfo(entered.info);
    this.emit('view', entered);
  }

  #follow(live: LiveRoom): void {
    const { media, chat } = live;
    media.on('entered', (entered) => this.#room === live && this.#view(entered));
    media.on('anchorEntered', ({ user, profile }) => this.people.learn(user, profile));
    media.on('removed', ({ reason, by, message }) => this.#lose(live, reason === 'room-disband' ? 'ended' : 'removed', REASONS[by], message));
    media.on('error', (error) => this.#lose(live, 'removed', LiveKickedOutReason.forJoinRoomStatusInvalidDuringOffline, error.message));
    chat?.on('message', ({ from, nick, avatar }) => from && this.people.learn(from, { nick, avatar }));
    chat?.on('removed', ({ reason, error }) => {
      if (this.#room === live && reason === 'refused' && error) void this.#comeBack(live, chat, toLiveError(error, 'joinLive'));
    });
  }

  /** Makes one's own room again where the server, which has begun anew, knows nothing of it. */
  async #recreate(): Promise<void> {
    const live = this.#room;
    if (!live || !this.#isOwner) return;
    const { name, notice, introduction, cover, hidden, seats } = live.info;
    const fields = { room: live.room, name, notice, introduction, cover, hidden, ...(seats && { seats }) };
    await this.request('joinLive', 'createRoom', fields).catch((error: WebliveError) => log.debug('live', error.message));
  }

  /** The server has lost the room. Its owner may be on the way to make it again. */
  async #comeBack(live: LiveRoom, chat: ChatRoom, refused: LiveError): Promise<void> {
    const until = performance.now() + COME_BACK;
    for (let error = refused; ;) {
      if (error.type === 'network' || error.type === 'state') return;
      if (error.reason !== 'noSuchRoom' || performance.now() > until) {
        void live.media.leave();
        return this.#lose(live, 'removed', LiveKickedOutReason.forJoinRoomStatusInvalidDuringOffline, error.message);
      }
      await new Promise((resolve) => setTimeout(resolve, COME_BACK_PAUSE));
      if (this.#room !== live || chat.state !== 'outside') return;
      try {
        await this.#recreate();
        await chat.enter();
        return;
      } catch (thrown) {
        error = toLiveError(thrown, 'joinLive');
      }
    }
  }

  #lose(live: LiveRoom, kind: Loss['kind'], reason: LiveKickedOutReason, message: string): void {
    if (this.#room !== live) return;
    this.#out();
    void live.chat?.leave(true);
    if (!this.#isLeaving) this.emit('lost', { liveId: live.liveId, kind, reason, message });
  }

  #out(): void {
    const live = this.#room;
    if (!live) return;
    this.#room = null;
    this.#isOwner = false;
    this.emit('left', live);
  }
}

/** The documented code of what is done in a room that one is not in. */
const NOT_ENTERED = 100_005;

const REASONS = {
  host: LiveKickedOutReason.byAdmin, server: LiveKickedOutReason.byServer, user: LiveKickedOutReason.byLoggedOnOtherDevice,
} as const;

/** Messages that are shown to one who enters. */
const HISTORY = 20;

/** Milliseconds in which a room that the server has lost may be made again by its owner. */
const COME_BACK = 15_000;

/** Milliseconds between two looks. */
const COME_BACK_PAUSE = 1_000;
