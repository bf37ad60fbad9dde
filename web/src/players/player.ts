import { Emitter } from '../emitter';
import type { WebliveError } from '../errors';
import type { PlaybackStats } from '../stats';

/** The three ways of playing. */
export type PlayerKind = 'webrtc' | 'flv' | 'hls';

/**
 * - `idle`: not started, or stopped by {@link Player.stop}.
 * - `connecting`: asked for, nothing shown yet.
 * - `playing`: pictures or sound come.
 * - `stalled`: was playing, waits for data.
 * - `ended`: the broadcast is over.
 * - `failed`: stopped by an error, which was emitted as `error`.
 */
export type PlayerState = 'idle' | 'connecting' | 'playing' | 'stalled' | 'ended' | 'failed';

/** Events of a player. */
export interface PlayerEvents {
  state: PlayerState;
  error: WebliveError;
}

/** Plays one address into one video element, once. */
export abstract class Player extends Emitter<PlayerEvents> {
  abstract readonly kind: PlayerKind;
  #state: PlayerState = 'idle';
  readonly #offs: (() => void)[] = [];

  constructor(
    /** The absolute address that is played. */
    readonly url: string,
    /** Where it is shown. The page decides about its sound. */
    readonly video: HTMLVideoElement,
  ) {
    super();
  }

  /** Where playback stands. */
  get state(): PlayerState {
    return this.#state;
  }

  /** Begins to play. Errors come as `error` events. */
  start(): void {
    if (this.#state !== 'idle') return;
    this.#setState('connecting');
    this.#watch('playing', () => this.#setState('playing'));
    this.#watch('waiting', () => this.#state === 'playing' && this.#setState('stalled'));
    this.#watch('ended', () => this.end());
    this.open();
  }

  /** Stops and frees everything. */
  stop(): void {
    if (this.#state === 'idle') return;
    this.#finish('idle');
  }

  /** What is seen of the playback. */
  abstract stats(): Promise<PlaybackStats>;

  /** Opens the stream into {@link video}. */
  protected abstract open(): void;

  /** Frees what {@link open} made. Called once. */
  protected abstract release(): void;

  /** The broadcast is over. */
  protected end(): void {
    if (this.isActive) this.#finish('ended');
  }

  /** Gives up. */
  protected fail(error: WebliveError): void {
    if (!this.isActive) return;
    this.#finish('failed');
    this.emit('error', error);
  }

  /** For media whose element does not tell: data comes again, or has ceased to come. */
  protected note(isComing: boolean): void {
    if (isComing && this.#state === 'stalled') this.#setState('playing');
    else if (!isComing && this.#state === 'playing') this.#setState('stalled');
  }

  /** Whether a result that comes late still matters. */
  protected get isActive(): boolean {
    return this.#state === 'connecting' || this.#state === 'playing' || this.#state === 'stalled';
  }

  /** Starts the element. Autoplay with sound may be forbidden: then it plays muted. */
  protected play(): void {
    this.video.play().catch((thrown: unknown) => {
      if (!(thrown instanceof DOMException) || thrown.name !== 'NotAllowedError' || this.video.muted) return;
      this.video.muted = true;
      this.video.play().catch(() => undefined);
    });
  }

  #watch(event: keyof HTMLMediaElementEventMap, listener: () => void): void {
    const guarded = () => this.isActive && listener();
    this.video.addEventListener(event, guarded);
    this.#offs.push(() => this.video.removeEventListener(event, guarded));
  }

  #finish(state: PlayerState): void {
    this.#state = state;
    for (const off of this.#offs.splice(0)) off();
    this.release();
    this.emit('state', state);
  }

  #setState(state: PlayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('state', state);
  }
}
