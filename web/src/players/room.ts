import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { Publication, RoomId, TrackKind, UserId } from '../protocol/messages';
import { type EnterOptions, RoomMedia, type Target } from '../rtc/room-media';
import { sessions, type Lease } from '../signal/pool';
import type { Identity } from '../signal/session';
import { emptyPlaybackStats, ReceiveMeter, type PlaybackStats } from '../stats';
import { Playback } from './player';
import { Tile } from './tile';

/** Which room: one that is entered as audience and left again, or media that somebody else may have entered. */
export type RoomSource =
  | { room: RoomId; identity: Identity; enter?: EnterOptions }
  /** Entered with `enter`, and left at the end, unless it is entered already. */
  | { media: RoomMedia; enter?: EnterOptions };

/** What of a room is shown. */
export interface RoomView {
  /** `one` publication, or a `grid` of all. Default `one`. */
  layout?: 'one' | 'grid';
  /** The one to show; null for the newest. */
  stream?: RoomStream | null;
  /** How a picture fills its place. Default `cover` for one camera, `contain` for screens and in a grid. */
  objectFit?: 'cover' | 'contain' | 'fill';
}

/** A publication that can be chosen. */
export interface RoomStream {
  user: UserId;
  /** Default `main`. */
  track?: TrackKind;
  /** The connected room that it comes from; the own one when absent. */
  room?: RoomId;
}

/** Plays a room over WebRTC: one publication, or all of them side by side. */
export class RoomPlayer extends Playback {
  override readonly kind = 'room';
  override readonly element = document.createElement('div');
  readonly #source: RoomSource;
  #view: RoomView;
  #media: RoomMedia | null = null;
  #lease: Lease | null = null;
  #isOwnEntry = false;
  /** What is published, oldest first. */
  readonly #published = new Map<string, Required<Target>>();
  readonly #tiles = new Map<string, Tile>();
  readonly #meter = new ReceiveMeter();
  #offs: (() => void)[] = [];
  #sound = { volume: 1, muted: false };
  #held = { audio: false, video: false };
  #isPaused = false;
  #hasPicture = false;
  #watch: ReturnType<typeof setInterval> | undefined;
  #packets = 0;
  #quietTicks = 0;

  constructor(source: RoomSource, view: RoomView = {}) {
    super();
    this.#source = source;
    this.#view = view;
    Object.assign(this.element.style, { width: '100%', height: '100%', position: 'relative', overflow: 'hidden' });
  }

  /** The room's media; null before the start and after the end. */
  get media(): RoomMedia | null {
    return this.#media;
  }

  /** What can be chosen, oldest first. */
  get streams(): Required<RoomStream>[] {
    return [...this.#published.values()];
  }

  /** The element with the picture that is shown, or the first of a grid; null while there is none. */
  get video(): HTMLVideoElement | null {
    return this.#wanted().map((key) => this.#tiles.get(key)?.video).find((video) => video) ?? null;
  }

  /** Whether anything that is shown has sound, or a picture. */
  has(kind: 'audio' | 'video'): boolean {
    return [...this.#tiles.values()].some((tile) => tile.has(kind));
  }

  /** Shows something else of the room. What is absent stays as it is. */
  show(view: RoomView): void {
    this.#view = { ...this.#view, ...view };
    this.#arrange();
  }

  /** Holds back sound or picture while the stream goes on. */
  hold(held: { audio?: boolean; video?: boolean }): void {
    this.#held = { ...this.#held, ...held };
    for (const tile of this.#tiles.values()) tile.hold(this.#held);
  }

  override async stats(): Promise<PlaybackStats> {
    const peer = this.#media?.receiver.peer;
    const tracks = this.#wanted().flatMap((key) => this.#tiles.get(key)?.tracks ?? []);
    return peer && tracks.length > 0 ? this.#meter.read(peer, new Set(tracks)) : emptyPlaybackStats();
  }

  override setSound(volume: number, muted: boolean): void {
    this.#sound = { volume, muted };
    for (const tile of this.#tiles.values()) tile.setSound(volume, muted);
  }

  override pause(): void {
    this.#isPaused = true;
    for (const tile of this.#tiles.values()) tile.pause();
  }

  override async resume(): Promise<boolean> {
    this.#isPaused = false;
    const all = await Promise.all([...this.#tiles.values()].map((tile) => tile.play()));
    return all.every((plays) => plays);
  }

  protected override open(): void {
    this.#enter().catch((thrown: unknown) => this.fail(toWebliveError(thrown, 'room')));
  }

  protected override release(): void {
    clearInterval(this.#watch);
    for (const off of this.#offs.splice(0)) off();
    for (const tile of this.#tiles.values()) tile.close(this.#isOwnEntry);
    this.#tiles.clear();
    this.#published.clear();
    const [media, lease] = [this.#media, this.#lease];
    this.#media = this.#lease = null;
    const left = media && this.#isOwnEntry ? media.leave() : Promise.resolve();
    void left.then(() => lease?.release());
  }

  async #enter(): Promise<void> {
    const source = this.#source;
    if (!('media' in source)) this.#lease = sessions.acquire(source.identity);
    const media = 'media' in source ? source.media : new RoomMedia(this.#lease!.session, source.room);
    this.#media = media;
    this.#offs = [
      media.on('publication', ({ publication, previous, ...target }) => this.#onPublication(target, publication, previous)),
      media.on('removed', ({ reason, message }) => {
        if (reason === 'room-disband') this.end();
        else this.fail(new WebliveError('removed', message, true));
      }),
      media.on('error', (error) => this.fail(error)),
    ];
    if (media.state === 'closed') {
      this.#isOwnEntry = true;
      await media.enter({ scene: 'live', role: 'audience', ...source.enter });
    } else {
      const views = [{ room: media.room, anchors: [...media.anchors.values()] }, ...media.coHosts];
      for (const { room, anchors } of views) {
        for (const { user, tracks } of anchors) {
          for (const track of ['main', 'aux'] as const) if (tracks[track]) this.#published.set(keyOf({ room, user, track }), { room, user, track });
        }
      }
    }
    if (!this.isActive) return void (this.#isOwnEntry && media.leave());
    // Why it is over is told right after that it is.
    this.#offs.push(media.on('state', ({ state }) => state === 'closed' && queueMicrotask(() => this.end())));
    this.#watch = setInterval(() => void this.#look(), LOOK_EVERY);
    this.#arrange();
    if (this.#published.size === 0) this.setState('waiting');
  }

  #onPublication(target: Required<Target>, publication: Publication | null, previous: Publication | null): void {
    const key = keyOf(target);
    if (publication === null) {
      this.#published.delete(key);
      this.#tiles.get(key)?.close(true);
      this.#tiles.delete(key);
    } else if (previous === null) {
      this.#published.set(key, target);
    } else {
      return;
    }
    this.#arrange();
  }

  /** The keys of what is to be seen, in the order of places. */
  #wanted(): string[] {
    const all = [...this.#published.keys()];
    if (this.#view.layout === 'grid') return all.slice(0, MAX_TILES);
    const { stream } = this.#view;
    if (!stream) return all.slice(-1);
    const key = keyOf({ user: stream.user, track: stream.track ?? 'main', room: stream.room ?? this.#media?.room ?? '' });
    return all.includes(key) ? [key] : [];
  }

  #arrange(): void {
    if (!this.isActive || !this.#media) return;
    const wanted = this.#wanted();
    for (const key of wanted) if (!this.#tiles.has(key)) this.#open(key);
    // What is on the screen stays until something else is there to be seen.
    const isReady = wanted.length === 0 || wanted.some((key) => this.#tiles.get(key)?.isShown);
    if (isReady) {
      for (const [key, tile] of this.#tiles) {
        if (wanted.includes(key)) continue;
        this.#tiles.delete(key);
        tile.close(false);
      }
    }
    this.#place(wanted);
    this.#pause();
    if (wanted.length > 0 && this.state === 'waiting') this.setState('connecting');
    else if (wanted.length === 0) this.setState('waiting');
  }

  #open(key: string): void {
    const tile = new Tile(this.#media!, this.#published.get(key)!);
    this.#tiles.set(key, tile);
    tile.setSound(this.#sound.volume, this.#sound.muted);
    tile.hold(this.#held);
    if (this.#isPaused) tile.pause();
    tile.on('picture', () => {
      this.#arrange();
      this.setState('playing');
      if (this.#hasPicture) return;
      this.#hasPicture = true;
      this.emit('picture', undefined);
    });
    tile.on('paused', () => this.#pause());
    tile.on('refused', () => this.isActive && this.emit('autoplayRefused', undefined));
    tile.on('unplayable', (error) => {
      // In a grid the others are seen.
      if (this.isActive && this.#wanted().every((other) => this.#tiles.get(other)?.isUnplayable)) this.emit('unplayable', error);
    });
    tile.on('error', (error) => this.#onTileError(key, tile, error));
    this.element.append(tile.video);
    void tile.open();
  }

  /** Of several pictures, the others are seen. */
  #pause(): void {
    const wanted = this.#wanted();
    this.pauseVideo(wanted.length > 0 && wanted.every((key) => this.#tiles.get(key)?.isPaused));
  }

  #onTileError(key: string, tile: Tile, error: WebliveError): void {
    if (this.#tiles.get(key) !== tile) return;
    this.#tiles.delete(key);
    tile.close(true);
    log.warn('player', error.message);
    // One that has just gone is told of as an event; of several, the others go on.
    if (error.reason === 'notLive' || this.#tiles.size > 0) return;
    this.fail(error);
  }

  #place(wanted: string[]): void {
    const isGrid = this.#view.layout === 'grid';
    const columns = Math.ceil(Math.sqrt(Math.max(1, wanted.length)));
    Object.assign(this.element.style, { display: isGrid ? 'grid' : 'block', gridTemplateColumns: `repeat(${columns}, 1fr)`, gridAutoRows: '1fr' });
    for (const [key, { video, target }] of this.#tiles) {
      const place = isGrid ? { position: 'static', inset: '' } : { position: 'absolute', inset: '0' };
      const objectFit = this.#view.objectFit ?? (isGrid || target.track === 'aux' ? 'contain' : 'cover');
      Object.assign(video.style, { ...place, objectFit, width: '100%', height: '100%', minWidth: '0', minHeight: '0', order: String(wanted.indexOf(key)) });
    }
  }

  /** An element that shows a MediaStream fires no `waiting` when packets cease to come. */
  async #look(): Promise<void> {
    const media = this.#media;
    const peer = media?.receiver.peer;
    if (!peer || this.#tiles.size === 0) return;
    let packets = 0;
    for (const report of (await peer.getStats()).values()) {
      if (report.type === 'inbound-rtp') packets += (report as RTCInboundRtpStreamStats).packetsReceived ?? 0;
    }
    this.#quietTicks = packets === this.#packets ? this.#quietTicks + 1 : 0;
    this.#packets = packets;
    if (this.isActive) this.note(this.#quietTicks < QUIET_TICKS || this.#isSilent(media));
  }

  /** Whether everybody who is shown has muted all. */
  #isSilent(media: RoomMedia): boolean {
    return [...this.#tiles.values()].every(({ target: { room, user, track } }) => {
      const anchors = room === media.room ? [...media.anchors.values()] : (media.coHosts.find((host) => host.room === room)?.anchors ?? []);
      const shown = anchors.find((anchor) => anchor.user === user)?.tracks[track];
      return !shown || ((!shown.hasAudio || shown.audioMuted) && (!shown.hasVideo || shown.videoMuted));
    });
  }
}

const keyOf = ({ room, user, track }: Required<Target>) => JSON.stringify([room, user, track]);

/** Tiles of a grid; the server bounds subscriptions too. */
const MAX_TILES = 16;

/** Milliseconds between two looks at what has come. */
const LOOK_EVERY = 1_000;

/** Looks without a new packet before the picture counts as stalled. */
const QUIET_TICKS = 2;
