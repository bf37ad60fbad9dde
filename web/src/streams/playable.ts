import { Emitter } from '../emitter';
import { WebliveError } from '../errors';
import { LevelMeter } from './levels';
import { type MediaKind, type PlayerChange, type PlayOptions, StreamView } from './view';

/** Events of streams. */
export interface StreamEvents {
  /** A track came, was replaced or went (`null`). */
  track: { kind: MediaKind; track: MediaStreamTrack | null };
  /** What the element of a kind does. */
  player: PlayerChange;
  /** What is received has no picture for now, since the path to this page is too narrow for it, or has it again. */
  paused: boolean;
  /** The user ended the sharing of the screen, by the browser's own button. */
  screenStopped: undefined;
  /** A device that was unplugged or forbidden is there again, or another one in its place. */
  recovered: { kind: 'camera' | 'microphone'; deviceId: string };
  /**
   * Of type `autoplay`: call {@link PlayableStream.resume} from a click. Of type `device`: an unplugged device has no
   * successor yet. Of type `unsupported`: this browser lacks the codec of the picture; the sound plays.
   */
  error: WebliveError;
}

/** A stream that can be shown in the page. */
export abstract class PlayableStream extends Emitter<StreamEvents> {
  #view: StreamView | null = null;
  #meter: LevelMeter | null = null;
  #volume = 1;
  #speaker = '';

  /** @internal */
  constructor(
    /** Part of the ids of the elements in the page. */
    readonly id: string,
  ) {
    super();
  }

  abstract readonly audioTrack: MediaStreamTrack | null;
  abstract readonly videoTrack: MediaStreamTrack | null;
  /** How it is shown unless told otherwise. */
  protected abstract readonly defaults: Required<PlayOptions>;

  /** Where it is shown; null while it is not. */
  get container(): HTMLElement | null {
    return this.#view?.container ?? null;
  }

  /** The element that shows the picture; null while there is none. */
  get videoElement(): HTMLVideoElement | null {
    return (this.#view?.element('video') as HTMLVideoElement | null | undefined) ?? null;
  }

  /** The element that plays the sound; null while there is none. */
  get audioElement(): HTMLAudioElement | null {
    return this.#view?.element('audio') ?? null;
  }

  /**
   * Shows the stream in an element or the one with this id. Tracks that come later appear by themselves. A second call
   * changes the options or the place. Rejects with `autoplay` where the browser wants a click first, and with
   * `argument` where there is no such element.
   */
  async play(target: string | HTMLElement, options: PlayOptions = {}): Promise<void> {
    const container = typeof target === 'string' ? document.getElementById(target) : target;
    if (!(container instanceof HTMLElement)) throw new WebliveError('argument', `play: no element ${JSON.stringify(target)} in the page`, false);
    const all = { ...this.defaults, ...options };
    if (this.#view?.container === container && container.contains(this.#view.box)) {
      this.#view.restyle(all);
    } else {
      this.#view?.close();
      const view = new StreamView(container, this.id, all, (change) => this.emit('player', change), (error) => this.emit('error', error));
      this.#view = view;
      view.volume = this.#volume;
      if (this.#speaker !== '') void view.sendTo(this.#speaker);
      view.show('video', this.videoTrack);
      view.show('audio', this.playedAudio);
    }
    await this.#view?.play();
  }

  /** Shows it no longer. */
  stop(): void {
    this.#view?.close();
    this.#view = null;
  }

  /** Goes on after the browser has refused to begin; call it from a click. */
  async resume(): Promise<void> {
    await this.#view?.play();
  }

  /** Loudness here, from 0 to 1. */
  get volume(): number {
    return this.#volume;
  }

  set volume(value: number) {
    if (!Number.isFinite(value)) throw new WebliveError('argument', `volume ${value}: allowed is 0 to 1`, false);
    this.#volume = Math.min(1, Math.max(0, value));
    if (this.#view) this.#view.volume = this.#volume;
  }

  /** Plays the sound on a speaker of {@link Devices.list}. Rejects with `unsupported` or `device`. */
  async setSpeaker(id: string): Promise<void> {
    if (!('setSinkId' in HTMLMediaElement.prototype)) throw new WebliveError('unsupported', 'this browser chooses the speaker itself', false);
    try {
      await this.#view?.sendTo(id);
      this.#speaker = id;
    } catch (thrown) {
      throw new WebliveError('device', `speaker ${JSON.stringify(id)}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, false, { cause: thrown });
    }
  }

  /** How loud it is at this moment: 0 to 1. Before the user has clicked anything it may stay 0. */
  level(): number {
    const track = this.audioTrack;
    if (!track || track.readyState !== 'live') return 0;
    if (this.#meter?.track !== track) {
      this.#meter?.close();
      this.#meter = new LevelMeter(track);
    }
    return this.#meter.isRunning ? this.#meter.level() : this.levelByRtp(track);
  }

  /** The picture of this moment as a PNG `data:` URL; null while none is shown. */
  frame(): string | null {
    const video = this.videoElement;
    if (!video || video.videoWidth === 0) return null;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext('2d')?.drawImage(video, 0, 0);
    return canvas.toDataURL('image/png');
  }

  /** The track that sounds when it is played here. */
  protected get playedAudio(): MediaStreamTrack | null {
    return this.audioTrack;
  }

  /** A level from elsewhere, while no sound may be analysed. */
  protected levelByRtp(_track: MediaStreamTrack): number {
    return 0;
  }

  /** To be called when a track has changed. */
  protected changed(kind: MediaKind): void {
    const track = kind === 'audio' ? this.audioTrack : this.videoTrack;
    this.#view?.show(kind, kind === 'audio' ? this.playedAudio : track);
    this.emit('track', { kind, track });
  }

  /** To be called at the end. */
  protected dispose(): void {
    this.stop();
    this.#meter?.close();
    this.#meter = null;
  }
}
