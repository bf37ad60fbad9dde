import { Emitter } from '../emitter';
import { toWebliveError, type WebliveError } from '../errors';
import type { Reception } from '../rtc/receiver';
import type { RoomMedia, Target } from '../rtc/room-media';
import { NO_PICTURE, whenShown } from './player';

/** Events of a tile. */
export interface TileEvents {
  picture: undefined;
  refused: undefined;
  unplayable: WebliveError;
  /** Its picture stands, or goes on. */
  paused: boolean;
  error: WebliveError;
}

/** One publication of a room in one video element. */
export class Tile extends Emitter<TileEvents> {
  readonly video = document.createElement('video');
  #reception: Reception | null = null;
  #offs: (() => void)[] = [];
  #isOpen = true;
  #isPaused = false;
  #isShown = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #held = { audio: false, video: false };

  constructor(
    readonly media: RoomMedia,
    readonly target: Required<Target>,
  ) {
    super();
    this.video.playsInline = true;
    this.video.dataset['user'] = target.user;
    this.video.dataset['track'] = target.track;
  }

  /** Whether its first frame has been on the screen. */
  get isShown(): boolean {
    return this.#isShown;
  }

  /** Whether its picture cannot be shown. */
  get isUnplayable(): boolean {
    return this.#reception?.unplayable != null;
  }

  /** Whether its picture stands, since the path to this page is too narrow for it. */
  get isPaused(): boolean {
    return this.#reception?.isPaused ?? false;
  }

  /** The ids of the tracks that it shows. */
  get tracks(): string[] {
    return this.#reception?.stream.getTracks().map(({ id }) => id) ?? [];
  }

  /** Whether it has sound, or a picture. */
  has(kind: 'audio' | 'video'): boolean {
    return this.#reception?.stream.getTracks().some((track) => track.kind === kind) ?? false;
  }

  /** Subscribes; the picture comes when it comes. */
  async open(): Promise<void> {
    const { video } = this;
    const onPlaying = () => (this.#timer ??= setTimeout(() => this.#onPicture(), NO_PICTURE));
    // Nothing but the page pauses a live picture: what a browser holds up by itself goes on.
    const onPause = () => this.#isOpen && !this.#isPaused && video.srcObject !== null && !video.ended && void this.play();
    video.addEventListener('playing', onPlaying);
    video.addEventListener('pause', onPause);
    this.#offs = [
      () => video.removeEventListener('playing', onPlaying),
      () => video.removeEventListener('pause', onPause),
      whenShown(video, () => this.#onPicture()),
    ];
    try {
      const reception = await this.media.subscribe(this.target, { audio: true, video: true });
      if (!this.#isOpen) return;
      this.#reception = reception;
      this.#offs.push(
        reception.on('track', () => this.#show(reception)),
        reception.on('unplayable', (error) => this.emit('unplayable', error)),
        reception.on('paused', (isPaused) => this.emit('paused', isPaused)),
      );
      if (reception.unplayable) this.emit('unplayable', reception.unplayable);
      if (reception.stream.getTracks().length > 0) this.#show(reception);
    } catch (thrown) {
      if (this.#isOpen) this.emit('error', toWebliveError(thrown, `playing ${this.target.user}`));
    }
  }

  /** Ends it; `isGone` where the publication has ended and there is nothing to unsubscribe from. */
  close(isGone: boolean): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    for (const off of this.#offs.splice(0)) off();
    this.hold({ audio: false, video: false });
    this.video.srcObject = null;
    this.video.remove();
    if (!isGone && this.media.state !== 'closed') this.media.unsubscribe(this.target).catch(() => undefined);
  }

  /** Plays; false where the browser refuses without a click. */
  async play(): Promise<boolean> {
    this.#isPaused = false;
    try {
      await this.video.play();
      return true;
    } catch (thrown) {
      if (this.#isOpen && thrown instanceof DOMException && thrown.name === 'NotAllowedError') this.emit('refused', undefined);
      return false;
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.video.pause();
  }

  setSound(volume: number, muted: boolean): void {
    const isLouder = this.video.muted && !muted;
    this.video.volume = volume;
    this.video.muted = muted;
    if (isLouder && !this.#isPaused && this.video.srcObject) void this.play();
  }

  /** Holds back sound or picture, of tracks that come later too. */
  hold(held: { audio: boolean; video: boolean }): void {
    this.#held = held;
    for (const track of this.#reception?.stream.getTracks() ?? []) track.enabled = !held[track.kind as 'audio' | 'video'];
  }

  #show(reception: Reception): void {
    this.hold(this.#held);
    if (this.video.srcObject !== reception.stream) this.video.srcObject = reception.stream;
    // An element whose tracks had all ended waits to be started again.
    if (!this.#isPaused) void this.play();
  }

  #onPicture(): void {
    clearTimeout(this.#timer);
    if (this.#isShown || !this.#isOpen) return;
    this.#isShown = true;
    this.emit('picture', undefined);
  }
}
