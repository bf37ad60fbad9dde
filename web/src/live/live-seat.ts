import type { WebliveError } from '../errors';
import { log } from '../log';
import type { MovePolicy, Rank, SeatUser, SeatView, UserId } from '../protocol/messages';
import type { NetworkQuality } from '../rtc/room-media';
import type { LiveCore } from './core';
import type { DeviceState } from './device';
import { DeviceControlPolicy, DeviceStatus, MoveSeatPolicy, Role, SeatLayoutTemplate, SuspendStatus } from './enums';
import { badArgument, type LiveError } from './error';
import { type LiveSeatEvents, Subscribable } from './events';
import { indexOf, seatOf } from './ids';
import type { LiveListState } from './live-list';
import type { People } from './people';
import { canvasOf, hasFixedPlaces, NOWHERE, regions } from './regions';
import type { Stage } from './stage';
import { Statistics } from './statistics';
import { Cell, type Store } from './store';
import type { AVStatistics, LiveCanvas, NetworkInfo, RegionInfo, SeatInfo, SeatUserInfo } from './types';

/** The seats of the room that one is in, who sits there, and what is seen of them. */
export class LiveSeatState extends Subscribable<LiveSeatEvents> {
  readonly #core: LiveCore;
  readonly #list: LiveListState;
  readonly #device: DeviceState;
  readonly #stage: Stage;
  #views: readonly SeatView[] = [];
  readonly #seats = new Cell<SeatInfo[]>([]);
  readonly #canvas = new Cell<LiveCanvas>(canvasOf(SeatLayoutTemplate.VideoDynamicGrid9Seats));
  readonly #speaking = new Cell<ReadonlyMap<UserId, number>>(new Map(), () => this.#listen());
  readonly #qualities = new Cell<ReadonlyMap<UserId, NetworkInfo>>(new Map(), () => this.#listenQualities());
  #ownQuality: NetworkInfo | null = null;
  #otherQualities: ReadonlyMap<UserId, NetworkInfo> = new Map();
  readonly #statistics: Statistics;
  #isListening = false;
  #isListeningQualities = false;

  constructor(core: LiveCore, list: LiveListState, device: DeviceState, stage: Stage) {
    super();
    this.#core = core;
    this.#list = list;
    this.#device = device;
    this.#stage = stage;
    this.#statistics = new Statistics(core, stage);
    core.on('entered', ({ media }) => {
      media.on('volumes', (volumes) => this.#speaking.set(new Map(volumes.map(({ user, volume }) => [user, volume]))));
      media.on('quality', (quality) => {
        this.#ownQuality = networkInfo(quality);
        this.#showQualities();
      });
      this.#listen();
    });
    core.on('view', ({ seats }) => {
      this.#take(seats);
      // The server forgets who listens when one leaves, or is lost for long.
      this.#isListeningQualities = false;
      this.#listenQualities();
    });
    core.hear('qualities', ({ qualities }) => {
      this.#otherQualities = new Map(qualities.map((quality) => [quality.user, networkInfo({ ...quality, uplinkRTT: quality.rtt, downlinkRTT: 0 })]));
      this.#showQualities();
    });
    core.hear('seatsChanged', ({ seats }) => this.#take(seats));
    core.hear('deviceChanged', ({ device, open }) => this.#onDevice(device, open));
    core.on('left', () => {
      this.#isListening = this.#isListeningQualities = false;
      this.#take([]);
      this.#speaking.set(new Map());
      this.#ownQuality = null;
      this.#otherQualities = new Map();
      this.#showQualities();
    });
    list.currentLive.subscribe(() => this.#show());
  }

  /** All seats, in their order; empty where the room has none. */
  get seatList(): Store<SeatInfo[]> {
    return this.#seats;
  }

  /** What the regions of the seats are measured on. */
  get canvas(): Store<LiveCanvas> {
    return this.#canvas;
  }

  /** Who is heard, and how loud from 1 to 100. Kept while somebody subscribes. */
  get speakingUsers(): Store<ReadonlyMap<UserId, number>> {
    return this.#speaking;
  }

  /** How good transports are: one's own, and while somebody subscribes those of all who publish in the room. */
  get networkQualities(): Store<ReadonlyMap<UserId, NetworkInfo>> {
    return this.#qualities;
  }

  /**
   * Whose camera picture stands in this page for now, since its network is too slow for it; the sound goes on. Of what
   * {@link startPlayStream} shows.
   */
  get pausedVideos(): Store<ReadonlySet<UserId>> {
    return this.#stage.pausedVideos;
  }

  /** What is sent and received, each second while somebody subscribes. */
  get avStatistics(): Store<AVStatistics[]> {
    return this.#statistics.store;
  }

  /** Sits down (hosts, and where seats are free to take), or applies without a time limit. One who sits moves. */
  readonly takeSeat = async (params: { seatIndex?: number } = {}): Promise<void> => {
    await this.#core.ask('takeSeat', 'takeSeat', seatOf(params.seatIndex));
  };

  /** Stands up. */
  readonly leaveSeat = async (): Promise<void> => void (await this.#core.ask('leaveSeat', 'leaveSeat', {}));

  /** Locks a seat: nobody can take it (hosts). */
  readonly lockSeat = async ({ seatIndex }: { seatIndex: number }): Promise<void> => {
    await this.#core.ask('lockSeat', 'lockSeat', { seat: indexOf(seatIndex), locked: true });
  };

  /** Unlocks a seat (hosts). */
  readonly unlockSeat = async ({ seatIndex }: { seatIndex: number }): Promise<void> => {
    await this.#core.ask('unlockSeat', 'lockSeat', { seat: indexOf(seatIndex), locked: false });
  };

  /** Another spelling of {@link unlockSeat}. */
  readonly unLockSeat = this.unlockSeat;

  /** Takes somebody off the seat (hosts). */
  readonly kickUserOutOfSeat = async ({ userId }: { userId: string }): Promise<void> => {
    await this.#core.ask('kickUserOutOfSeat', 'kickOffSeat', { users: [userId] });
  };

  /** Moves somebody to another seat (hosts; oneself where seats are free to take). */
  readonly moveUserToSeat = async (params: { userId: string; targetIndex: number; policy?: MoveSeatPolicy }): Promise<void> => {
    const { userId, targetIndex, policy = MoveSeatPolicy.AbortWhenOccupied } = params;
    const named = POLICIES[policy];
    if (named === undefined) throw badArgument(`moveUserToSeat: policy ${String(policy)}: allowed are 0, 1 and 2`);
    const target = indexOf(targetIndex);
    if (userId === this.#core.user && named === 'abortWhenOccupied') await this.#core.ask('moveUserToSeat', 'moveSeat', { target });
    else await this.#core.ask('moveUserToSeat', 'moveUser', { user: userId, target, policy: named });
  };

  /** Lets somebody open the camera again. It is not turned on by this (hosts). */
  readonly openRemoteCamera = (params: { userId: string; policy?: DeviceControlPolicy }): Promise<void> => this.#setDevice('openRemoteCamera', params, 'camera', true);

  /** Closes somebody's camera, and keeps it closed (hosts). */
  readonly closeRemoteCamera = (params: { userId: string }): Promise<void> => this.#setDevice('closeRemoteCamera', params, 'camera', false);

  /** Lets somebody open the microphone again. It is not turned on by this (hosts). */
  readonly openRemoteMicrophone = (params: { userId: string; policy?: DeviceControlPolicy }): Promise<void> => this.#setDevice('openRemoteMicrophone', params, 'microphone', true);

  /** Closes somebody's microphone, and keeps it closed (hosts). */
  readonly closeRemoteMicrophone = (params: { userId: string }): Promise<void> => this.#setDevice('closeRemoteMicrophone', params, 'microphone', false);

  /** Mutes one's own microphone; it stays open. */
  readonly muteMicrophone = (): Promise<void> => this.#device.muteLocalAudio();

  /** Unmutes one's own microphone. Rejects while a host keeps it closed. */
  readonly unmuteMicrophone = (): Promise<void> => this.#device.unmuteLocalAudio();

  /**
   * Shows and plays the room in an element: all who are seated or publish, and the connected hosts, as a grid that
   * follows the size of the element. With `userId` only that user fills it; each element shows one or the other.
   * Rejects with type `autoplay` where the browser wants a click first: call {@link resumePlayStream} from one.
   */
  readonly startPlayStream = (params: { view: string | HTMLElement; userId?: string }): Promise<void> => this.#stage.start(params.view, params.userId);

  /** Shows it no longer; all of it, or what an element or a user shows. */
  readonly stopPlayStream = (params: { view?: string | HTMLElement; userId?: string } = {}): Promise<void> => this.#stage.stop(params.view, params.userId);

  /** Goes on after the browser has refused to play; to be called from a click. */
  readonly resumePlayStream = (): Promise<void> => this.#stage.resume();

  /**
   * The public stream id of what a user publishes, for the addresses of FLV and HLS; null where nothing is published.
   * Sure for what is shown here; before, it is the id that a publication has unless its publisher has named another.
   */
  readonly streamOf = (userId: string, track: 'main' | 'aux' = 'main'): string | null => this.#stage.streamOf(userId, track);

  /** Whether the browser waits for a click before it plays. */
  get isAutoplayBlocked(): Store<boolean> {
    return this.#stage.isBlocked;
  }

  async #setDevice(doing: string, { userId }: { userId: string }, device: 'camera' | 'microphone', open: boolean): Promise<void> {
    await this.#core.ask(doing, 'setDevice', { user: userId, device, open });
  }

  #onDevice(device: 'camera' | 'microphone', open: boolean): void {
    this.#device.setLock(device, !open);
    const policy = DeviceControlPolicy.UnlockOnly;
    if (device === 'camera') {
      if (open) this.emit('onLocalCameraOpenedByAdmin', { policy });
      else this.emit('onLocalCameraClosedByAdmin', {});
    } else if (open) this.emit('onLocalMicrophoneOpenedByAdmin', { policy });
    else this.emit('onLocalMicrophoneClosedByAdmin', {});
  }

  #take(views: readonly SeatView[]): void {
    this.#views = views;
    for (const { user } of views) if (user && !user.away) this.#core.people.learn(user.user, user.profile);
    const own = views.find(({ user }) => user?.user === this.#core.user);
    // A new seat has no lock; one that was kept over a reload has those that it had.
    this.#device.setLock('microphone', own?.isAudioLocked ?? false);
    this.#device.setLock('camera', own?.isVideoLocked ?? false);
    this.#show();
  }

  #show(): void {
    const template = this.#list.currentLive.value?.seatTemplate ?? SeatLayoutTemplate.VideoDynamicGrid9Seats;
    const canvas = canvasOf(template);
    if (this.#canvas.value.width !== canvas.width) this.#canvas.set(canvas);
    const shown = hasFixedPlaces(template) ? this.#views : this.#views.filter(({ user }) => user !== null);
    const places = regions(template, shown.length, canvas.width, canvas.height);
    const liveId = this.#core.room?.liveId ?? '';
    this.#seats.set(this.#views.map((view) => seatInfo(view, liveId, places[shown.indexOf(view)] ?? NOWHERE, this.#core.people)));
  }

  #showQualities(): void {
    const own = this.#ownQuality;
    this.#qualities.set(new Map([...this.#otherQualities, ...(own ? [[this.#core.user, own] as const] : [])]));
  }

  #listenQualities(): void {
    const { isWanted } = this.#qualities;
    if (!this.#core.room || isWanted === this.#isListeningQualities) return;
    this.#isListeningQualities = isWanted;
    this.#core.ask('networkQualities', 'listenQualities', { listen: isWanted }).catch((error: LiveError) => log.debug('live', error.message));
    if (isWanted) return;
    this.#otherQualities = new Map();
    this.#showQualities();
  }

  #listen(): void {
    const { isWanted } = this.#speaking;
    const media = this.#core.room?.media;
    if (!media || isWanted === this.#isListening) return;
    this.#isListening = isWanted;
    media.listenVolumes(isWanted ? SPEAKING_INTERVAL : 0).catch((error: WebliveError) => log.debug('live', error.message));
    if (!isWanted) this.#speaking.set(new Map());
  }
}

function seatInfo({ index, isLocked, isAudioLocked, isVideoLocked, user }: SeatView, liveId: string, region: RegionInfo, people: People): SeatInfo {
  return {
    index, isLocked, isAudioLocked, isVideoLocked, region,
    ...(user && { userInfo: seatUserInfo(user, liveId, isAudioLocked, isVideoLocked, people) }),
  };
}

function seatUserInfo(user: SeatUser, liveId: string, isAudioLocked: boolean, isVideoLocked: boolean, people: People): SeatUserInfo {
  return {
    ...people.info(user.user),
    liveId,
    role: roleOf(user.rank),
    microphoneStatus: user.microphoneOn ? DeviceStatus.On : DeviceStatus.Off,
    cameraStatus: user.cameraOn ? DeviceStatus.On : DeviceStatus.Off,
    allowOpenMicrophone: !isAudioLocked,
    allowOpenCamera: !isVideoLocked,
    userSuspendStatus: user.away ? SuspendStatus.InBackground : SuspendStatus.None,
  };
}

/** A rank by its documented number. */
export function roleOf(rank: Rank): Role {
  return rank === 'owner' ? Role.Owner : rank === 'administrator' ? Role.Administrator : Role.GeneralUser;
}

function networkInfo(quality: NetworkQuality): NetworkInfo {
  return {
    quality: Math.max(quality.uplinkNetworkQuality, quality.downlinkNetworkQuality),
    upLoss: quality.uplinkLoss,
    downLoss: quality.downlinkLoss,
    delay: quality.uplinkRTT || quality.downlinkRTT,
  };
}

const POLICIES: Record<number, MovePolicy> = { 0: 'abortWhenOccupied', 1: 'forceReplace', 2: 'swapPosition' };

/** Milliseconds between two looks at who speaks. */
const SPEAKING_INTERVAL = 500;
