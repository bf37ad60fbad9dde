import type { CoHostRequestView, CoHostView, RoomId, UserId } from '../protocol/messages';
import type { LiveCore } from './core';
import { CoHostLayoutTemplate, CoHostStatus, ConnectionCode, DeviceStatus, Role, SuspendStatus } from './enums';
import { badArgument, type LiveError } from './error';
import { type CoHostEvents, Subscribable } from './events';
import { liveIdOf, roomOf, timeoutOf } from './ids';
import { listRooms } from './live-list';
import { Cell, type Store } from './store';
import type { SeatUserInfo } from './types';

/** How another room is asked to connect. */
export interface HostConnectionParams {
  /** The room that is asked. */
  liveId: string;
  layoutTemplate?: CoHostLayoutTemplate;
  /** Seconds until nobody has answered; 0 is never. Default 30. */
  timeout?: number;
  /** A text of the page's own for the other hosts. */
  extensionInfo?: string;
  /** Not sent: the other side sees the profile that this user has. */
  userInfo?: { userId: string; userName: string; avatarUrl: string };
}

/** Hosts of several rooms connect: the audience of each sees all of them. */
export class CoHostState extends Subscribable<CoHostEvents> {
  readonly #core: LiveCore;
  readonly #status = new Cell<CoHostStatus>(CoHostStatus.Disconnected);
  readonly #connected = new Cell<SeatUserInfo[]>([]);
  readonly #applicant = new Cell<SeatUserInfo | null>(null);
  readonly #invitees = new Cell<SeatUserInfo[]>([]);
  readonly #candidates = new Cell<SeatUserInfo[]>([]);
  readonly #cursor = new Cell<string>('');
  readonly #muted = new Cell<ReadonlySet<string>>(new Set());
  /** Rooms that ask, the first one first. */
  #asking: SeatUserInfo[] = [];
  #others: SeatUserInfo[] = [];

  constructor(core: LiveCore) {
    super();
    this.#core = core;
    core.on('entered', ({ media }) => void media.on('coHosts', (coHosts) => this.#take(coHosts)));
    core.on('view', ({ coHosts, coHostRequests = [] }) => {
      this.#take(coHosts);
      this.#takeRequests(coHostRequests);
    });
    core.hear('seatsChanged', () => this.#show());
    core.on('left', () => this.#clear());
    core.hear('coHostRequested', ({ other, extension }) => void this.#onRequested(other, extension));
    core.hear('coHostRequestEnded', ({ other, sent, result }) => this.#onEnded(other, sent, result));
  }

  get coHostStatus(): Store<CoHostStatus> {
    return this.#status;
  }

  /** The hosts of all connected rooms, the own one first; empty while there is no other. */
  get connected(): Store<SeatUserInfo[]> {
    return this.#connected;
  }

  /** The host who asks to connect, the first one of them; null while nobody does. */
  get applicant(): Store<SeatUserInfo | null> {
    return this.#applicant;
  }

  /** Whom one has asked, and who has not answered. */
  get invitees(): Store<SeatUserInfo[]> {
    return this.#invitees;
  }

  /** The hosts of other rooms, as far as {@link getCoHostCandidates} has brought them. */
  get candidates(): Store<SeatUserInfo[]> {
    return this.#candidates;
  }

  /** For the next page of candidates; an empty text after the last one. */
  get candidatesCursor(): Store<string> {
    return this.#cursor;
  }

  /** The rooms that this room's audience does not hear. */
  get mutedHosts(): Store<ReadonlySet<string>> {
    return this.#muted;
  }

  /** Asks another room to connect (hosts). How that began is in the answer, by the room's id; how it ends is told by events. */
  readonly requestHostConnection = async (params: HostConnectionParams): Promise<Map<string, ConnectionCode>> => {
    const { liveId, layoutTemplate = CoHostLayoutTemplate.HostDynamicGrid, timeout = DEFAULT_TIMEOUT, extensionInfo = '' } = params;
    if (!Object.values(CoHostLayoutTemplate).includes(layoutTemplate)) throw badArgument(`layoutTemplate ${String(layoutTemplate)}: allowed are 600, 601 and 400`);
    const other = roomOf(liveId);
    try {
      await this.#core.ask('requestHostConnection', 'requestCoHost', { other, ...timeoutOf(timeout), ...(extensionInfo !== '' && { extension: extensionInfo }) });
    } catch (thrown) {
      const code = CODES[(thrown as LiveError).reason ?? ''];
      if (code === undefined) throw thrown;
      return new Map([[liveId, code]]);
    }
    const live = this.#core.room;
    const host = await this.#hostOf(other);
    if (live !== null && this.#core.room === live && !this.#isConnected(liveId)) this.#invitees.set([...without(this.#invitees.value, liveId), host]);
    return new Map([[liveId, ConnectionCode.Success]]);
  };

  /** Takes a request back (hosts). */
  readonly cancelHostConnection = async ({ liveId }: { liveId: string }): Promise<void> => {
    await this.#core.ask('cancelHostConnection', 'cancelCoHost', { other: roomOf(liveId) });
    this.#invitees.set(without(this.#invitees.value, liveId));
  };

  /** Connects with a room that has asked (hosts). */
  readonly acceptHostConnection = ({ liveId }: { liveId: string }): Promise<void> => this.#answer(liveId, true);

  /** Refuses a room that has asked (hosts). */
  readonly rejectHostConnection = ({ liveId }: { liveId: string }): Promise<void> => this.#answer(liveId, false);

  /** Leaves the connected rooms (hosts); nothing where there are none. */
  readonly exitHostConnection = async (): Promise<void> => void (await this.#core.ask('exitHostConnection', 'exitCoHost', {}));

  /** Brings a page of hosts of other rooms into {@link candidates}; an empty cursor begins anew. */
  readonly getCoHostCandidates = async (cursor = ''): Promise<void> => {
    const page = await listRooms(this.#core, 'getCoHostCandidates', cursor);
    const rooms = page.rooms.filter(({ room, owner }) => owner !== this.#core.user && room !== this.#core.room?.room);
    await this.#core.people.lookUp(this.#core.needSession('getCoHostCandidates'), rooms.flatMap(({ owner }) => owner ?? []));
    const found = rooms.map(({ room, owner }) => this.#host(room, owner));
    this.#candidates.set(cursor === '' ? found : [...this.#candidates.value, ...found]);
    this.#cursor.set(page.cursor);
  };

  /** Mutes a connected room's sound for this room's audience, or lets it be heard again (hosts). */
  readonly muteRemoteHostAudio = async (liveID: string, isMuted: boolean): Promise<void> => {
    await this.#core.ask('muteRemoteHostAudio', 'muteCoHost', { other: roomOf(liveID), muted: isMuted });
  };

  async #answer(liveId: string, accept: boolean): Promise<void> {
    await this.#core.ask(accept ? 'acceptHostConnection' : 'rejectHostConnection', 'answerCoHost', { other: roomOf(liveId), accept });
    this.#stopsAsking(liveId);
  }

  async #onRequested(other: RoomId, extensionInfo: string): Promise<void> {
    const live = this.#core.room;
    const asking = this.#host(other, null);
    this.#asking = [...without(this.#asking, asking.liveId), asking];
    const inviter = await this.#hostOf(other);
    // Taken back while the server was asked who it is.
    if (this.#core.room !== live || !this.#asking.includes(asking)) return;
    this.#asking = this.#asking.map((host) => (host === asking ? inviter : host));
    this.#applicant.set(this.#asking[0] ?? null);
    this.emit('onCoHostRequestReceived', { inviter, extensionInfo });
  }

  /** What is open, for a host who has come, or has come back. */
  #takeRequests(requests: CoHostRequestView[]): void {
    const live = this.#core.room;
    const [sent, got] = [true, false].map((wanted) => requests.filter((request) => request.sent === wanted)) as [CoHostRequestView[], CoHostRequestView[]];
    const isOpen = ({ liveId }: SeatUserInfo) => got.some(({ other }) => liveIdOf(other) === liveId);
    for (const { liveId } of this.#asking.filter((host) => !isOpen(host))) this.#stopsAsking(liveId);
    for (const { other, extension } of got) {
      if (!this.#asking.some(({ liveId }) => liveId === liveIdOf(other))) void this.#onRequested(other, extension);
    }
    if (sent.length + this.#invitees.value.length === 0) return;
    this.#invitees.set(sent.map(({ other }) => this.#host(other, null)));
    for (const { other } of sent) {
      void this.#hostOf(other).then((host) => {
        if (this.#core.room === live) this.#invitees.set(this.#invitees.value.map((invitee) => (invitee.liveId === host.liveId ? host : invitee)));
      });
    }
  }

  #onEnded(other: RoomId, sent: boolean, result: string): void {
    const liveId = liveIdOf(other);
    const found = (sent ? this.#invitees.value : this.#asking).find((host) => host.liveId === liveId) ?? this.#host(other, null);
    const self = this.#self();
    if (sent) {
      this.#invitees.set(without(this.#invitees.value, liveId));
      if (result === 'accepted') this.emit('onCoHostRequestAccepted', { invitee: found });
      else if (result === 'rejected') this.emit('onCoHostRequestRejected', { invitee: found });
      // A room that has ended does not answer either.
      else if (result !== 'cancelled') this.emit('onCoHostRequestTimeout', { inviter: self, invitee: found });
      return;
    }
    this.#stopsAsking(liveId);
    if (result === 'timeout') this.emit('onCoHostRequestTimeout', { inviter: found, invitee: self });
    else if (result !== 'accepted' && result !== 'rejected') this.emit('onCoHostRequestCancelled', { inviter: found, invitee: self });
  }

  #take(coHosts: CoHostView[]): void {
    const { people } = this.#core;
    for (const { anchors } of coHosts) for (const { user, profile } of anchors) people.learn(user, profile);
    const before = this.#others;
    this.#others = coHosts.map((view) => {
      const main = view.anchors.find(({ user }) => user === view.owner)?.tracks.main;
      return this.#host(view.room, view.owner, main?.hasAudio === true && !main.audioMuted, main?.hasVideo === true && !main.videoMuted);
    });
    const muted = coHosts.filter(({ isMuted }) => isMuted).map(({ room }) => liveIdOf(room));
    if (muted.length !== this.#muted.value.size || muted.some((liveId) => !this.#muted.value.has(liveId))) this.#muted.set(new Set(muted));
    const isConnected = this.#others.length > 0;
    this.#show();
    this.#status.set(isConnected ? CoHostStatus.Connected : CoHostStatus.Disconnected);
    for (const userInfo of this.#others) if (!before.some(({ liveId }) => liveId === userInfo.liveId)) this.emit('onCoHostUserJoined', { userInfo });
    for (const userInfo of before) if (!this.#isConnected(userInfo.liveId)) this.emit('onCoHostUserLeft', { userInfo });
  }

  #show(): void {
    if (this.#others.length > 0 || this.#connected.value.length > 0) this.#connected.set(this.#others.length > 0 ? [this.#self(), ...this.#others] : []);
  }

  #isConnected(liveId: string): boolean {
    return this.#others.some((host) => host.liveId === liveId);
  }

  #stopsAsking(liveId: string): void {
    this.#asking = without(this.#asking, liveId);
    this.#applicant.set(this.#asking[0] ?? null);
  }

  /** The own room's owner. */
  #self(): SeatUserInfo {
    const live = this.#core.room;
    const owner = live?.info.owner ?? this.#core.user;
    const main = owner === this.#core.user ? live?.media.publication('main')?.contents : live?.media.anchors.get(owner)?.tracks.main;
    return this.#host(live?.room ?? '', owner, main?.hasAudio === true && !main.audioMuted, main?.hasVideo === true && !main.videoMuted);
  }

  /** A room's owner, asked of the server where it is not known. */
  async #hostOf(room: RoomId): Promise<SeatUserInfo> {
    const session = this.#core.needSession('requestHostConnection');
    const owner = await session.request('showRoom', { room }).then((info) => info.owner, () => null);
    if (owner !== null) await this.#core.people.lookUp(session, [owner]);
    return this.#host(room, owner);
  }

  #host(room: RoomId, owner: UserId | null, isHeard = false, isSeen = false): SeatUserInfo {
    return {
      ...this.#core.people.info(owner ?? ''),
      liveId: liveIdOf(room),
      role: Role.Owner,
      microphoneStatus: isHeard ? DeviceStatus.On : DeviceStatus.Off,
      cameraStatus: isSeen ? DeviceStatus.On : DeviceStatus.Off,
      allowOpenMicrophone: true,
      allowOpenCamera: true,
      userSuspendStatus: SuspendStatus.None,
    };
  }

  #clear(): void {
    this.#asking = [];
    this.#others = [];
    this.#status.set(CoHostStatus.Disconnected);
    if (this.#connected.value.length > 0) this.#connected.set([]);
    this.#applicant.set(null);
    this.#invitees.set([]);
    this.#muted.set(new Set());
  }
}

const without = (hosts: SeatUserInfo[], liveId: string) => hosts.filter((host) => host.liveId !== liveId);

const CODES: Record<string, ConnectionCode | undefined> = {
  noSuchRoom: ConnectionCode.RoomNotExist,
  coHostPending: ConnectionCode.Connecting,
  coHostConnected: ConnectionCode.Connecting,
  coHostElsewhere: ConnectionCode.ConnectingOtherRoom,
  coHostFull: ConnectionCode.ConnectionFull,
  full: ConnectionCode.Retry,
  busy: ConnectionCode.Retry,
  tooFast: ConnectionCode.Retry,
  timedOut: ConnectionCode.Retry,
};

/** Seconds. */
const DEFAULT_TIMEOUT = 30;
