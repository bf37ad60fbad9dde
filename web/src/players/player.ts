import { Emitter } from '../emitter';
import { log } from '../log';
import { errorFromResponse, toWebliveError, WebliveError } from '../errors';
import { onThaw } from '../page';
import type { PlaybackStats } from '../stats';

/** The ways of playing: a room's media, WHEP, HTTP-FLV, HLS. */
export type PlayerKind = 'room' | 'webrtc' | 'flv' | 'hls';

/**
 * - `idle`: not started, or stopped by {@link Playback.stop}.
 * - `connecting`: asked for, nothing shown yet.
 * - `waiting`: connected, but nobody publishes (yet).
 * - `playing`: pictures or sound come.
 * - `stalled`: was playing, waits for data.
 * - `ended`: the broadcast is over.
 * - `failed`: stopped by an error, which was emitted as `error`.
 */
export type PlayerState = 'idle' | 'connecting' | 'waiting' | 'playing' | 'stalled' | 'ended' | 'failed';

/** Events of a playback. */
export interface PlayerEvents {
  state: PlayerState;
  error: WebliveError;
  /** The first frame is on the screen; of sound alone, a moment after it has begun. */
  picture: undefined;
  /** The browser wants a click or key press before it plays with sound: call {@link Playback.resume} from one. */
  autoplayRefused: undefined;
  /** There will be sound alone: this browser lacks the codec of the picture. */
  unplayable: WebliveError;
  /** The picture stands while the sound goes on, since the network is too slow for it; `false` when it goes on. */
  videoPaused: boolean;
}

/** Plays one thing, once. */
export abstract class Playback extends Emitter<PlayerEvents> {
  abstract readonly kind: PlayerKind;
  /** What is to be put into the page. */
  abstract readonly element: HTMLElement;
  #state: PlayerState = 'idle';
  #isFree = false;
  #isVideoPaused = false;

  /** Where playback stands. */
  get state(): PlayerState {
    return this.#state;
  }

  /** Whether the picture stands while the sound goes on, since the network is too slow for it. */
  get isVideoPaused(): boolean {
    return this.#isVideoPaused;
  }

  /** Begins to play. Errors come as `error` events. */
  start(): void {
    if (this.#state !== 'idle') return;
    this.setState('connecting');
    this.open();
  }

  /** Stops and frees everything. */
  stop(): void {
    if (this.#state === 'idle') return;
    this.#state = 'idle';
    this.#free();
    this.emit('state', 'idle');
  }

  /** What is seen of the playback. */
  abstract stats(): Promise<PlaybackStats>;

  /** How loud it plays, from 0 to 1, and whether it is silenced. */
  abstract setSound(volume: number, muted: boolean): void;

  /** Holds the picture and the sound. */
  abstract pause(): void;

  /** Plays on, at the live edge. Resolves to whether it does: without a click before, the browser may refuse. */
  abstract resume(): Promise<boolean>;

  /** Opens the stream. */
  protected abstract open(): void;

  /** Frees what {@link open} made. Called once. */
  protected abstract release(): void;

  /** The broadcast is over. */
  protected end(): void {
    if (!this.isActive) return;
    this.setState('ended');
    this.#free();
  }

  /** Gives up. */
  protected fail(error: WebliveError): void {
    if (!this.isActive) return;
    // Whoever hears of it still sees the last picture.
    this.setState('failed');
    this.emit('error', error);
    this.#free();
  }

  /** For media whose element does not tell: data comes again, or has ceased to come. */
  protected note(isComing: boolean): void {
    if (isComing && this.#state === 'stalled') this.setState('playing');
    else if (!isComing && this.#state === 'playing') this.setState('stalled');
  }

  /** The picture stands for now, or goes on. */
  protected pauseVideo(isPaused: boolean): void {
    if (this.#isVideoPaused === isPaused || !this.isActive) return;
    this.#isVideoPaused = isPaused;
    this.emit('videoPaused', isPaused);
  }

  /** Whether a result that comes late still matters. */
  protected get isActive(): boolean {
    return this.#state !== 'idle' && this.#state !== 'ended' && this.#state !== 'failed';
  }

  protected setState(state: PlayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('state', state);
  }

  /** Starts an element; true when it plays. Autoplay with sound may be forbidden: that is told, never muted over. */
  protected async play(video: HTMLVideoElement): Promise<boolean> {
    try {
      await video.play();
      return true;
    } catch (thrown) {
      const isRefused = thrown instanceof DOMException && thrown.name === 'NotAllowedError';
      // Whatever else stops an element comes by its own events.
      if (!isRefused) log.debug('player', `play: ${String(thrown)}`);
      else if (this.isActive) this.emit('autoplayRefused', undefined);
      return false;
    }
  }

  #free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    this.release();
  }
}

/** Plays one address into one video element, once. */
export abstract class Player extends Playback {
  readonly #offs: (() => void)[] = [];
  #pictureTimer: ReturnType<typeof setTimeout> | undefined;
  #waitTimer: ReturnType<typeof setTimeout> | undefined;
  #isPaused = false;
  #isShown = false;

  constructor(
    /** The absolute address that is played. */
    readonly url: string,
    /** Where it is shown. */
    readonly video: HTMLVideoElement,
  ) {
    super();
  }

  override get element(): HTMLVideoElement {
    return this.video;
  }

  override start(): void {
    if (this.state !== 'idle') return;
    this.#watch('playing', () => {
      clearTimeout(this.#waitTimer);
      this.setState('playing');
      this.#pictureTimer ??= setTimeout(() => this.#onPicture(), NO_PICTURE);
    });
    this.#watch('waiting', () => {
      clearTimeout(this.#waitTimer);
      this.#waitTimer = setTimeout(() => this.state === 'playing' && !this.#isPaused && this.setState('stalled'), BLINK);
    });
    this.#watch('ended', () => this.end());
    this.#offs.push(
      whenShown(this.video, () => this.#onPicture()),
      onThaw(() => (this.state === 'playing' || this.state === 'stalled') && this.thaw(this.#isPaused)),
    );
    super.start();
  }

  override stop(): void {
    this.#unwatch();
    super.stop();
  }

  override setSound(volume: number, muted: boolean): void {
    const { video } = this;
    const isLouder = video.muted && !muted;
    video.volume = volume;
    video.muted = muted;
    // A browser that allowed silent playback alone stops it here.
    if (isLouder && this.isActive && !this.#isPaused && video.readyState > 0) void this.play(video);
  }

  override pause(): void {
    this.#isPaused = true;
    this.video.pause();
  }

  override async resume(): Promise<boolean> {
    this.#isPaused = false;
    if (!this.isActive) return false;
    if (this.video.paused) this.toLiveEdge();
    return this.play(this.video);
  }

  /** The page was frozen, and the element held. */
  protected thaw(isPaused: boolean): void {
    if (!isPaused) void this.resume();
  }

  /** Goes to where the broadcast is now. */
  protected toLiveEdge(): void {}

  protected override end(): void {
    this.#unwatch();
    super.end();
  }

  protected override fail(error: WebliveError): void {
    this.#unwatch();
    super.fail(error);
  }

  /**
   * Gives up for a reason of the network, or for what the server says of it: engines keep the body of a refusal to
   * themselves, so it is asked for again. What comes instead of a refusal is broken off after the same time.
   */
  protected async explain(name: string, reason: string): Promise<void> {
    const fallback = new WebliveError('network', `${name}: ${reason}`, true);
    try {
      const response = await fetch(this.url, { signal: AbortSignal.timeout(EXPLAIN_PATIENCE) });
      this.fail(response.ok ? fallback : await errorFromResponse(response, name));
    } catch (thrown) {
      this.fail(thrown instanceof DOMException ? fallback : toWebliveError(thrown, name));
    }
  }

  #onPicture(): void {
    clearTimeout(this.#pictureTimer);
    if (this.#offs.length === 0 || this.#isShown) return;
    this.#isShown = true;
    this.emit('picture', undefined);
  }

  #watch(event: keyof HTMLMediaElementEventMap, listener: () => void): void {
    const guarded = () => this.isActive && listener();
    this.video.addEventListener(event, guarded);
    this.#offs.push(() => this.video.removeEventListener(event, guarded));
  }

  #unwatch(): void {
    clearTimeout(this.#pictureTimer);
    clearTimeout(this.#waitTimer);
    for (const off of this.#offs.splice(0)) off();
  }
}

/** Calls `then` when the next frame of an element is on the screen; the returned function ends the wait. */
export function whenShown(video: HTMLVideoElement, then: () => void): () => void {
  if (typeof video.requestVideoFrameCallback !== 'function') {
    video.addEventListener('loadeddata', then, { once: true });
    return () => video.removeEventListener('loadeddata', then);
  }
  const handle = video.requestVideoFrameCallback(() => then());
  return () => video.cancelVideoFrameCallback(handle);
}

/** Sound without a picture, or a page that is not painted, counts as shown after this time; milliseconds. */
export const NO_PICTURE = 700;

/** A jump to the live edge has the element wait for a moment, which nobody sees; milliseconds. */
export const BLINK = 100;

/** Milliseconds in which the server says why it refused. */
const EXPLAIN_PATIENCE = 5_000;
