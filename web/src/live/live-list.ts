import { WebliveError } from '../errors';
import type { RoomId, RoomInfo, SeatMode, SeatSettings } from '../protocol/messages';
import { log } from '../log';
import type { LiveCore, LiveRoom } from './core';
import { LiveEndedReason, LiveKickedOutReason, SeatLayoutTemplate, TakeSeatMode } from './enums';
import { badArgument, LiveError, toLiveError } from './error';
import { type LiveListEvents, Subscribable } from './events';
import { liveIdOf, roomOf } from './ids';
import { checkAddress, isAddress, type RoomCard, readCard, writeCard } from './room-card';
import { Cell, type Store } from './store';
import type { LiveInfo, StartLiveParams, UpdateLiveInfoParams } from './types';

/** Which live rooms there are, and the one that one is in. */
export class LiveListState extends Subscribable<LiveListEvents> {
  readonly #core: LiveCore;
  readonly #current = new Cell<LiveInfo | null>(null);
  readonly #list = new Cell<LiveInfo[]>([]);
  readonly #cursor = new Cell<string>('');
  #card: RoomCard = {};
  #isMessageDisable = false;

  constructor(core: LiveCore) {
    super();
    this.#core = core;
    core.on('entered', (live) => {
      this.#card = {};
      this.#isMessageDisable = false;
      this.#show(live);
      void this.#lookUpOwner(live);
    });
    core.on('chat', ({ room, chat }) => {
      void this.#readCard(room);
      this.#mute(chat.isAllMuted);
      chat.on('allMuted', (isAllMuted) => this.#mute(isAllMuted));
      chat.on('state', ({ state, previous }) => {
        if (state !== 'inside' || previous !== 'entering') return;
        this.#mute(chat.isAllMuted);
        void this.#comeBack(room);
      });
    });
    core.on('info', () => this.#core.room && this.#show(this.#core.room));
    core.on('left', () => this.#current.set(null));
    core.on('lost', ({ liveId, kind, reason, message }) => {
      const { endedByHost, endedByServer } = LiveEndedReason;
      if (kind === 'ended') this.emit('onLiveEnded', { liveId, reason: reason === LiveKickedOutReason.byServer ? endedByServer : endedByHost, message });
      else this.emit('onKickedOutOfLive', { liveId, reason, message });
    });
    core.hear('attributesChanged', ({ set, deleted }) => {
      if (set[CARD] !== undefined) this.#take(readCard(set[CARD]));
      else if (deleted.includes(CARD)) this.#take({});
    });
    core.hear('message', ({ message }) => {
      const live = this.#core.room;
      if (!live || message.type !== 'TIMGroupTipElem') return;
      const { memberCount, operationType, userIDList } = message.payload;
      if (typeof memberCount !== 'number') return;
      // One's own entering is counted in what entering was answered with.
      const came = operationType === CAME ? userIDList.filter((user) => user !== core.user).length : 0;
      this.#core.setInfo({ ...live.info, online: memberCount, totalEntered: Math.max(live.info.totalEntered + came, memberCount) });
    });
  }

  /** The room that one is in; null outside. */
  get currentLive(): Store<LiveInfo | null> {
    return this.#current;
  }

  /** What {@link fetchLiveList} has brought so far. */
  get liveList(): Store<LiveInfo[]> {
    return this.#list;
  }

  /** For the next page; an empty text after the last one. */
  get liveListCursor(): Store<string> {
    return this.#cursor;
  }

  /** Makes a room of one's own and enters it. One that is one's own already is entered; one of somebody else's rejects with 100003. */
  readonly createLive = async (params: StartLiveParams): Promise<void> => {
    const room = roomOf(params.liveId);
    const seats = seatsOf(params);
    const { liveName: name = '', notice = '', coverUrl: cover = '', isPublicVisible = true } = params;
    const about = { name, notice, cover, hidden: !isPublicVisible };
    checkAddress('coverUrl', cover);
    await this.#core.request('createLive', 'createRoom', { room, ...about, ...(seats && { seats }) }).catch(async (error: LiveError) => {
      if (error.reason !== 'roomIsYours') throw error;
      await this.#core.request('createLive', 'updateRoom', { room, ...about });
    });
    const info = await this.#core.request('createLive', 'showRoom', { room });
    const { privateMapKey } = params;
    const live = await this.#core.enter(room, { info, isOwner: true, ...(privateMapKey !== undefined && { privateMapKey }) });
    await this.#saveCard(live, 'createLive', { ...pick(params), seatTemplate: templateOf(params) });
    if (params.isMessageDisable ?? params.isMessageDisableForAllUser) await this.#core.ask('createLive', 'muteAll', { muted: true });
  };

  /** Another name of {@link createLive}. */
  readonly startLive = this.createLive;

  /** Enters a room; nothing where one is in it. Rejects with 100004 where there is none, 100008 where it is full. */
  readonly joinLive = async (params: { liveId: string; privateMapKey?: string }): Promise<void> => {
    const room = roomOf(params.liveId);
    if (this.#core.room?.room === room) return;
    const info = await this.#core.request('joinLive', 'showRoom', { room });
    const { privateMapKey } = params;
    await this.#core.enter(room, { info, isOwner: info.owner === this.#core.user, ...(privateMapKey !== undefined && { privateMapKey }) });
  };

  /** Leaves the room; it goes on. Nothing outside of one. */
  readonly leaveLive = (): Promise<void> => this.#core.leave('leaveRoom');

  /** Ends the room for everybody (its owner). */
  readonly endLive = (): Promise<void> => this.#core.leave('dismissRoom');

  /** Changes the room that one is in (hosts). */
  readonly updateLiveInfo = async (params: UpdateLiveInfoParams): Promise<void> => {
    const live = this.#core.needRoom('updateLiveInfo');
    if (params.liveId !== undefined && params.liveId !== live.liveId) throw badArgument(`updateLiveInfo: liveId ${params.liveId}: allowed is the room that you are in, ${live.liveId}`);
    for (const name of ['isSeatEnabled', 'keepOwnerOnSeat', 'maxSeatCount'] as const) {
      const made = this.#current.value?.[name];
      if ((params[name] ?? made) !== made) throw badArgument(`updateLiveInfo: ${name} ${params[name]}: allowed is what the room was made with, ${made}`);
    }
    const { liveName, notice, coverUrl, isPublicVisible, seatMode, isMessageDisable } = params;
    if (coverUrl !== undefined) checkAddress('coverUrl', coverUrl);
    const changes = {
      ...(liveName !== undefined && { name: liveName }), ...(notice !== undefined && { notice }), ...(coverUrl !== undefined && { cover: coverUrl }),
      ...(isPublicVisible !== undefined && { hidden: !isPublicVisible }), ...(seatMode !== undefined && { seatMode: modeOf(seatMode) }),
    };
    if (Object.keys(changes).length > 0) await this.#core.ask('updateLiveInfo', 'updateRoom', changes);
    if (isMessageDisable !== undefined) await this.#core.ask('updateLiveInfo', 'muteAll', { muted: isMessageDisable });
    const card = pick(params);
    if (Object.keys(card).length > 0) await this.#saveCard(live, 'updateLiveInfo', card);
  };

  /** Brings the next page of rooms into {@link liveList}; without a cursor the first one. */
  readonly fetchLiveList = async (params: { cursor?: string; count?: number } = {}): Promise<void> => {
    const { rooms, cursor } = await listRooms(this.#core, 'fetchLiveList', params.cursor ?? '', params.count);
    const owners = rooms.flatMap(({ owner }) => owner ?? []);
    await this.#core.people.lookUp(this.#core.needSession('fetchLiveList'), owners);
    const page = rooms.map((info) => this.#liveInfo(info, {}, false));
    const ids = new Set(page.map(({ liveId }) => liveId));
    this.#list.set(params.cursor ? [...this.#list.value.filter(({ liveId }) => !ids.has(liveId)), ...page] : page);
    this.#cursor.set(cursor);
  };

  /** What a room is. Rejects with 100004 where there is none. */
  readonly fetchLiveInfo = async (live: string | { liveId: string }): Promise<LiveInfo> => {
    const liveId = typeof live === 'string' ? live : live.liveId;
    if (this.#current.value?.liveId === liveId) return this.#current.value;
    const info = await this.#core.request('fetchLiveInfo', 'showRoom', { room: roomOf(liveId) });
    if (info.owner !== null) await this.#core.people.lookUp(this.#core.needSession('fetchLiveInfo'), [info.owner]);
    return this.#liveInfo(info, {}, false);
  };

  /** In again after a lost session: a server that has begun anew knows nothing of what the room shared. */
  async #comeBack(live: LiveRoom): Promise<void> {
    if (this.#core.room !== live) return;
    const card = this.#card;
    await this.#readCard(live);
    const isOwner = live.info.owner === this.#core.user;
    if (this.#core.room !== live || !isOwner || Object.keys(this.#card).length > 0 || Object.keys(card).length === 0) return;
    await this.#saveCard(live, 'joinLive', card).catch((error: LiveError) => log.warn('live', error.message));
  }

  async #lookUpOwner(live: LiveRoom): Promise<void> {
    const { owner } = live.info;
    const session = this.#core.session;
    if (owner === null || !session || this.#core.people.knows(owner)) return;
    await this.#core.people.lookUp(session, [owner]);
    if (this.#core.room === live) this.#show(live);
  }

  /** What the server has no field for is a text that the room shares. */
  async #readCard(live: LiveRoom): Promise<void> {
    const before = this.#card;
    try {
      const { attributes } = await this.#core.request('joinLive', 'attributes', { room: live.room });
      // What was written or told meanwhile is newer.
      if (this.#core.room === live && this.#card === before) this.#take(readCard(attributes[CARD] ?? ''));
    } catch (thrown) {
      // Left meanwhile, or a lost connection: the room is shown without its cover.
      log.debug('live', toLiveError(thrown, 'attributes').message);
    }
  }

  async #saveCard(live: LiveRoom, doing: string, changes: RoomCard): Promise<void> {
    const card = { ...this.#card, ...changes };
    const attributes = { [CARD]: writeCard(card) };
    this.#take(card);
    await this.#core.request(doing, 'setAttributes', { room: live.room, attributes });
  }

  #mute(isAllMuted: boolean): void {
    this.#isMessageDisable = isAllMuted;
    if (this.#core.room) this.#show(this.#core.room);
  }

  #take(card: RoomCard): void {
    this.#card = card;
    if (this.#core.room) this.#show(this.#core.room);
  }

  #show(live: LiveRoom): void {
    this.#current.set(this.#liveInfo(live.info, this.#card, this.#isMessageDisable));
  }

  #liveInfo(info: RoomInfo, card: RoomCard, isMessageDisable: boolean): LiveInfo {
    const { seats } = info;
    return {
      liveId: liveIdOf(info.room),
      liveName: info.name,
      notice: info.notice,
      coverUrl: isAddress(info.cover) ? info.cover : '',
      backgroundUrl: card.backgroundUrl ?? '',
      categoryList: card.categoryList ?? [],
      liveOwner: this.#core.people.info(info.owner ?? ''),
      currentViewerCount: info.online,
      totalViewerCount: info.totalEntered,
      createTime: Math.floor((info.createdAt ?? 0) / 1000),
      isMessageDisable,
      isPublicVisible: !info.hidden,
      isSeatEnabled: seats !== null,
      keepOwnerOnSeat: seats?.keepOwnerOnSeat ?? false,
      seatMode: seats?.mode === 'freeToTake' ? TakeSeatMode.FreeToTake : TakeSeatMode.ApplyToTake,
      maxSeatCount: seats?.count ?? 0,
      seatTemplate: card.seatTemplate ?? SeatLayoutTemplate.VideoDynamicGrid9Seats,
      activityStatus: card.activityStatus ?? 0,
    };
  }
}

/** A page of rooms that were made by an owner. `cursor` is what the page before gave, or an empty text. */
export async function listRooms(core: LiveCore, doing: string, cursor: string, count = PAGE): Promise<{ rooms: RoomInfo[]; cursor: string }> {
  if (!Number.isInteger(count) || count < 1) throw badArgument(`${doing}: count ${count}: allowed are whole numbers from 1`);
  const { rooms, more } = await core.request(doing, 'listRooms', { count, ...(cursor !== '' && { after: readCursor(cursor) }) });
  const last = rooms.at(-1);
  return { rooms: rooms.filter(({ owner }) => owner !== null), cursor: more && last ? JSON.stringify(last.room) : '' };
}

function readCursor(cursor: string): RoomId {
  try {
    const room: unknown = JSON.parse(cursor);
    if (typeof room === 'number' || typeof room === 'string') return room;
  } catch {
    // Not one of ours.
  }
  throw new LiveError(new WebliveError('argument', `cursor ${JSON.stringify(cursor)}: allowed is what the page before gave`, false));
}

function templateOf({ seatTemplate, seatLayoutTemplateId }: StartLiveParams): SeatLayoutTemplate {
  const template = seatTemplate ?? seatLayoutTemplateId ?? SeatLayoutTemplate.VideoDynamicGrid9Seats;
  return template in SEATS ? template : SeatLayoutTemplate.VideoDynamicGrid9Seats;
}

function seatsOf(params: StartLiveParams): SeatSettings | null {
  if (params.isSeatEnabled === false) return null;
  const { maxSeatCount, seatMode = TakeSeatMode.ApplyToTake, keepOwnerOnSeat = true } = params;
  // 0 is what pages send who leave it to the template.
  return { count: maxSeatCount || SEATS[templateOf(params)]!, mode: modeOf(seatMode), keepOwnerOnSeat };
}

const modeOf = (mode: TakeSeatMode): SeatMode => (mode === TakeSeatMode.FreeToTake ? 'freeToTake' : 'applyToTake');

function pick(params: StartLiveParams | UpdateLiveInfoParams): RoomCard {
  const { backgroundUrl, categoryList, seatTemplate, activityStatus } = params;
  return {
    ...(backgroundUrl !== undefined && { backgroundUrl }), ...(categoryList !== undefined && { categoryList }),
    ...(seatTemplate !== undefined && { seatTemplate }), ...(activityStatus !== undefined && { activityStatus }),
  };
}

const SEATS: Record<number, number> = { 600: 9, 601: 7, 800: 9, 801: 7, 200: 4 };

/** The number of the room's notice that somebody has come. */
const CAME = 1;

/** The name of the text that has what the server has no field for. */
const CARD = 'live';

/** Rooms in a page, unless told otherwise. */
const PAGE = 20;
