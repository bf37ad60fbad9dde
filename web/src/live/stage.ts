import { streamIdOf } from '../addresses';
import { toWebliveError, type WebliveError } from '../errors';
import { log } from '../log';
import type { MemberView, Publication, RoomId, TrackKind, UserId } from '../protocol/messages';
import { RemoteStream } from '../streams';
import type { LiveCore, LiveRoom } from './core';
import type { DeviceState } from './device';
import { SeatLayoutTemplate } from './enums';
import { badArgument, toLiveError } from './error';
import { GridView } from './grid-view';
import { Cell, type Store } from './store';

/** Whose picture. */
export interface Performer {
  room: RoomId;
  user: UserId;
  /** How others see the user. */
  userName: string;
  avatarUrl: string;
}

/** What a room shows: receives what is published in it, and shows it where the page wants it. */
export class Stage {
  readonly #core: LiveCore;
  readonly #device: DeviceState;
  readonly #streams = new Map<string, RemoteStream>();
  readonly #receiving = new Set<string>();
  /** Public stream ids that the server has told. */
  readonly #ids = new Map<string, string>();
  readonly #grids = new Map<HTMLElement, GridView>();
  /** Elements that show one user each. */
  readonly #single = new Map<HTMLElement, UserId>();
  readonly #blocked = new Cell<boolean>(false);
  readonly #paused = new Cell<ReadonlySet<UserId>>(new Set());
  #template: SeatLayoutTemplate = SeatLayoutTemplate.VideoDynamicGrid9Seats;
  #isDirty = false;
  #isMirrored = true;

  /** `seated` says who has a seat, in their order. */
  constructor(
    core: LiveCore,
    device: DeviceState,
    readonly seated: () => UserId[],
  ) {
    this.#core = core;
    this.#device = device;
    core.on('entered', ({ media }) => {
      media.on('publication', ({ room, user, track, publication }) => this.#onPublication(room, user, track, publication));
      for (const event of ['anchorEntered', 'anchorLeft', 'coHosts', 'role'] as const) media.on(event, () => this.#draw());
      for (const anchor of media.anchors.values()) this.#addAll(media.room, anchor);
      for (const { room, anchors } of media.coHosts) for (const anchor of anchors) this.#addAll(room, anchor);
      this.#draw();
    });
    core.on('view', () => this.#draw());
    core.hear('seatsChanged', () => this.#draw());
    core.on('left', () => this.#clear());
    device.localVideoTrack.subscribe(() => this.#draw());
    device.screenStatus.subscribe(() => this.#draw());
    device.localMirrorType.subscribe(() => this.#draw());
    device.outputVolume.subscribe(() => this.#sound());
    device.currentSpeaker.subscribe(() => this.#sound());
  }

  /** Whether the browser waits for a click before it plays. */
  get isBlocked(): Store<boolean> {
    return this.#blocked;
  }

  /** Whose camera picture stands here, since the path to this page is too narrow for it. */
  get pausedVideos(): Store<ReadonlySet<UserId>> {
    return this.#paused;
  }

  /** What is received, by {@link keyOf}. */
  get streams(): ReadonlyMap<string, RemoteStream> {
    return this.#streams;
  }

  /** The public stream id of what a user publishes; null where nothing is published. */
  streamOf(user: UserId, track: TrackKind): string | null {
    const live = this.#core.room;
    if (!live) return null;
    if (user === this.#core.user) return live.media.publication(track)?.stream ?? null;
    const stream = [...this.#streams.values()].find(({ source }) => source.user === user && source.track === track);
    if (!stream) return null;
    const { room } = stream.source;
    return this.#ids.get(keyOf(room, user, track)) ?? streamIdOf(this.#app(), room, user, track);
  }

  /** How several pictures are laid out. */
  set template(template: SeatLayoutTemplate) {
    if (this.#template === template) return;
    this.#template = template;
    this.#draw();
  }

  /** Shows the room, or one user of it, in an element. */
  async start(target: string | HTMLElement, user?: UserId): Promise<void> {
    this.#core.needRoom('startPlayStream');
    const view = elementOf(target);
    this.#drop(view);
    if (user === undefined) {
      this.#grids.set(view, new GridView(view, () => this.#draw()));
    } else {
      // A user is in one place.
      for (const [other, shown] of this.#single) if (shown === user) this.#drop(other);
      this.#single.set(view, user);
    }
    this.#render();
    const shown = [...this.#streams.values()].filter((stream) => stream.container !== null);
    const results = await Promise.allSettled(shown.map((stream) => stream.resume()));
    const refused = results.find((result) => result.status === 'rejected');
    if (refused) throw toLiveError(refused.reason, 'startPlayStream');
  }

  /** Shows it there no longer; nowhere when nothing is named. */
  async stop(target?: string | HTMLElement, user?: UserId): Promise<void> {
    const view = target === undefined ? null : elementOf(target);
    for (const other of [...this.#grids.keys(), ...this.#single.keys()]) {
      if (view !== null && other !== view) continue;
      if (user !== undefined && this.#single.get(other) !== user) continue;
      this.#drop(other);
    }
    this.#render();
  }

  /** Plays what the browser has refused to; to be called from a click. */
  async resume(): Promise<void> {
    try {
      await Promise.all([...this.#streams.values()].map((stream) => stream.resume()));
      this.#blocked.set(false);
    } catch (thrown) {
      throw toLiveError(thrown, 'resumePlayStream');
    }
  }

  #addAll(room: RoomId, { user, tracks }: MemberView): void {
    for (const track of KINDS) if (tracks[track]) this.#onPublication(room, user, track, tracks[track]);
  }

  #onPublication(room: RoomId, user: UserId, track: TrackKind, publication: Publication | null): void {
    const key = keyOf(room, user, track);
    const known = this.#streams.get(key);
    if (publication === null) {
      this.#streams.delete(key);
      this.#receiving.delete(key);
      this.#ids.delete(key);
      known?.close();
      this.#pause();
    } else if (known) {
      known.publication = publication;
    } else {
      const stream = new RemoteStream({ room, user, track }, publication);
      stream.volume = this.#device.outputVolume.value / 100;
      stream.on('error', (error) => error.type === 'autoplay' && this.#blocked.set(true));
      stream.on('track', ({ kind }) => kind === 'video' && this.#draw());
      stream.on('paused', () => this.#pause());
      this.#streams.set(key, stream);
    }
    this.#draw();
  }

  #pause(): void {
    const paused = [...this.#streams.values()].filter(({ isPaused, source }) => isPaused && source.track === 'main');
    if (paused.length > 0 || this.#paused.value.size > 0) this.#paused.set(new Set(paused.map(({ source }) => source.user)));
  }

  /** Everything that happens at once is drawn once. */
  #draw(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    queueMicrotask(() => {
      this.#isDirty = false;
      this.#render();
    });
  }

  #render(): void {
    const live = this.#core.room;
    if (!live) return;
    const performers = this.#performers(live);
    for (const [view, grid] of this.#grids) {
      const places = grid.place(performers, live.media.coHosts.length > 0 ? SeatLayoutTemplate.VideoDynamicGrid9Seats : this.#template);
      for (const performer of performers) {
        const tile = places.get(performer)!;
        // A user who has an element of the page's own is shown there.
        if ([...this.#single.values()].includes(performer.user)) continue;
        this.#show(performer, tile.main, tile.aux);
        tile.update(this.#hasPicture(performer, 'main'), this.#hasPicture(performer, 'aux'));
      }
      if (!view.isConnected) log.debug('live', 'a view is not in the page');
    }
    for (const [view, user] of this.#single) {
      const performer = performers.find((one) => one.user === user);
      if (performer) this.#show(performer, view, null);
    }
    void this.#receive(live);
  }

  #show({ room, user }: Performer, main: HTMLElement, aux: HTMLElement | null): void {
    if (user === this.#core.user && room === this.#core.room?.room) {
      const { local, screen } = this.#device;
      const mirror = this.#device.isMirrored;
      if (local.container !== main || this.#isMirrored !== mirror) local.play(main, { mirror }).catch(logRefusal);
      this.#isMirrored = mirror;
      if (aux && screen && screen.container !== aux) screen.play(aux).catch(logRefusal);
      return;
    }
    for (const [track, box] of [['main', main], ['aux', aux]] as const) {
      const stream = this.#streams.get(keyOf(room, user, track));
      if (stream && box && stream.container !== box) stream.play(box).catch(logRefusal);
    }
  }

  #hasPicture({ room, user }: Performer, track: TrackKind): boolean {
    if (user === this.#core.user && room === this.#core.room?.room) {
      return track === 'main' ? this.#device.local.videoTrack !== null : this.#device.screen?.videoTrack != null;
    }
    const stream = this.#streams.get(keyOf(room, user, track));
    return stream?.videoTrack != null && stream.publication.hasVideo && !stream.publication.videoMuted;
  }

  /** Subscribes to what is shown, and unsubscribes from what is not. */
  async #receive(live: LiveRoom): Promise<void> {
    const hasGrid = this.#grids.size > 0;
    const users = new Set(this.#single.values());
    for (const [key, stream] of [...this.#streams]) {
      const isWanted = hasGrid || users.has(stream.source.user);
      if (isWanted === this.#receiving.has(key)) continue;
      if (isWanted) this.#receiving.add(key);
      else this.#receiving.delete(key);
      try {
        if (isWanted) {
          const reception = await live.media.subscribe(stream.source, { audio: true, video: true });
          if (this.#streams.has(key)) this.#ids.set(key, reception.id);
          if (this.#streams.get(key) === stream && this.#receiving.has(key)) stream.receive(reception, live.media.receiver);
        } else {
          stream.receive(null);
          stream.stop();
          await live.media.unsubscribe(stream.source);
        }
      } catch (thrown) {
        const error = toWebliveError(thrown, 'startPlayStream');
        // It has ended meanwhile, or the room was left.
        if (this.#streams.get(key) !== stream || this.#core.room !== live) continue;
        this.#receiving.delete(key);
        log.warn('live', error.message);
        if (error.type !== 'state') setTimeout(() => this.#draw(), RETRY_PAUSE);
      }
    }
  }

  /** Who is on the stage: the seats in their order, other anchors, the connected rooms. */
  #performers(live: LiveRoom): Performer[] {
    const { media } = live;
    const own = new Set<UserId>();
    if (media.role === 'anchor') own.add(this.#core.user);
    for (const user of media.anchors.keys()) own.add(user);
    const seats = this.#order(live);
    const inOrder = [...seats.filter((user) => own.has(user)), ...[...own].filter((user) => !seats.includes(user))];
    const performers = inOrder.map((user) => this.#performer(media.room, user));
    for (const { room, anchors } of media.coHosts) for (const { user } of anchors) performers.push(this.#performer(room, user));
    return performers;
  }

  #performer(room: RoomId, user: UserId): Performer {
    const { userName, avatarUrl } = this.#core.people.info(user);
    return { room, user, userName, avatarUrl };
  }

  /** Users by their seats; the owner first where there are none. */
  #order(live: LiveRoom): UserId[] {
    const seated = this.seated();
    return seated.length > 0 ? seated : live.info.owner === null ? [] : [live.info.owner];
  }

  /** The app that ids begin with: on a server that runs open it is another one than the page's. */
  #app(): number {
    for (const [key, id] of this.#ids) {
      const [room, user, track] = JSON.parse(key) as [RoomId, UserId, TrackKind];
      const app = Number(id.split('_')[0]);
      if (Number.isInteger(app) && streamIdOf(app, room, user, track) === id) return app;
    }
    return this.#core.session?.identity.app ?? 0;
  }

  #sound(): void {
    const speaker = this.#device.currentSpeaker.value?.deviceId;
    for (const stream of this.#streams.values()) {
      stream.volume = this.#device.outputVolume.value / 100;
      if (speaker !== undefined) stream.setSpeaker(speaker).catch(logRefusal);
    }
  }

  #drop(view: HTMLElement): void {
    this.#grids.get(view)?.close();
    this.#grids.delete(view);
    const user = this.#single.get(view);
    this.#single.delete(view);
    if (user === undefined && this.#grids.size > 0) return;
    for (const stream of this.#streams.values()) if (stream.container && (stream.container === view || view.contains(stream.container))) stream.stop();
    for (const stream of [this.#device.local, this.#device.screen]) {
      if (stream?.container && (stream.container === view || view.contains(stream.container))) stream.stop();
    }
  }

  #clear(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#pause();
    this.#receiving.clear();
    this.#ids.clear();
    for (const view of [...this.#grids.keys(), ...this.#single.keys()]) this.#drop(view);
    this.#blocked.set(false);
  }
}

/** Names a publication. */
export const keyOf = (room: RoomId, user: UserId, track: TrackKind) => JSON.stringify([room, user, track]);

function elementOf(target: string | HTMLElement): HTMLElement {
  const element = typeof target === 'string' ? document.getElementById(target) : target;
  if (element instanceof HTMLElement) return element;
  throw badArgument(`startPlayStream: no element ${JSON.stringify(target)} in the page`);
}

const logRefusal = (error: WebliveError) => log.debug('live', error.message);

const KINDS: readonly TrackKind[] = ['main', 'aux'];

/** Milliseconds until a refused subscription is tried again. */
const RETRY_PAUSE = 2_000;
