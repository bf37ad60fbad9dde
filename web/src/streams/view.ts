import { WebliveError } from '../errors';
import { log } from '../log';
import { onThaw } from '../page';

export type MediaKind = 'audio' | 'video';

/** How a stream is shown. */
export interface PlayOptions {
  /** CSS `object-fit` of the picture. */
  objectFit?: ObjectFit;
  /** Shows the picture as a mirror does. */
  mirror?: boolean;
  /** No sound. */
  muted?: boolean;
}

export type ObjectFit = 'cover' | 'contain' | 'fill' | 'none' | 'scale-down';

/** What a player does now, and why. */
export interface PlayerChange {
  kind: MediaKind;
  state: 'playing' | 'paused' | 'stopped';
  reason: 'playing' | 'mute' | 'unmute' | 'ended' | 'pause';
}

/**
 * Shows a picture and plays a sound in a box of its own inside a container of the page. They have an element each, so
 * that either goes on without the other; browsers keep them in step because they come in one media stream.
 */
export class StreamView {
  readonly box = document.createElement('div');
  readonly #elements: Partial<Record<MediaKind, HTMLVideoElement | HTMLAudioElement>> = {};
  readonly #tracks: Record<MediaKind, MediaStreamTrack | null> = { audio: null, video: null };
  readonly #told: Partial<Record<MediaKind, PlayerChange['state']>> = {};
  #offs: Partial<Record<MediaKind, () => void>> = {};
  #options: Required<PlayOptions>;
  #volume = 1;
  #sink = '';
  #isClosed = false;
  readonly #offThaw: () => void;
  /** Kinds that the browser has refused, and not yet played. */
  readonly #refused = new Set<MediaKind>();

  constructor(
    readonly container: HTMLElement,
    readonly id: string,
    options: Required<PlayOptions>,
    readonly tell: (change: PlayerChange) => void,
    readonly refused: (error: WebliveError) => void,
  ) {
    this.#options = options;
    this.box.id = `player_${id}`;
    Object.assign(this.box.style, { width: '100%', height: '100%', position: 'relative', overflow: 'hidden', backgroundColor: '#000' });
    container.append(this.box);
    this.#offThaw = onThaw(() => void this.play().catch((thrown: unknown) => log.debug('player', 'not after the freeze', thrown)));
  }

  get options(): Required<PlayOptions> {
    return this.#options;
  }

  /** The element of a kind, if there is a track of it. */
  element(kind: MediaKind): HTMLVideoElement | HTMLAudioElement | null {
    return this.#elements[kind] ?? null;
  }

  /** Changes how it is shown. */
  restyle(options: Required<PlayOptions>): void {
    this.#options = options;
    const { audio, video } = this.#elements;
    if (video) this.#style(video);
    if (audio) audio.muted = options.muted;
  }

  /** Shows another track, or none. */
  show(kind: MediaKind, track: MediaStreamTrack | null): void {
    if (this.#isClosed || this.#tracks[kind] === track) return;
    this.#tracks[kind] = track;
    this.#offs[kind]?.();
    delete this.#offs[kind];
    if (!track) return this.#remove(kind);
    const element = (this.#elements[kind] ??= this.#make(kind));
    element.srcObject = new MediaStream([track]);
    const on: [string, () => unknown][] = [
      ['mute', () => this.#say(kind, 'paused', 'mute')],
      ['unmute', () => this.#told[kind] === 'paused' && !this.#refused.has(kind) && this.#say(kind, 'playing', 'unmute')],
      ['ended', () => this.#say(kind, 'stopped', 'ended')],
    ];
    for (const [event, then] of on) track.addEventListener(event, then);
    this.#offs[kind] = () => {
      for (const [event, then] of on) track.removeEventListener(event, then);
    };
    void this.#start(kind);
  }

  /** Plays what is shown. Resolves when it plays, or waits for media; rejects with `autoplay` where the browser refuses. */
  async play(): Promise<void> {
    const kinds = (['video', 'audio'] as const).filter((kind) => this.#elements[kind]);
    const results = await Promise.all(kinds.map((kind) => this.#start(kind)));
    const error = results.find((result) => result !== null);
    if (error) throw error;
  }

  set volume(value: number) {
    this.#volume = value;
    if (this.#elements.audio) this.#elements.audio.volume = value;
  }

  /** Sends the sound to a speaker. */
  async sendTo(speaker: string): Promise<void> {
    this.#sink = speaker;
    await this.#elements.audio?.setSinkId(speaker);
  }

  /** Stops and takes everything out of the page. */
  close(): void {
    if (this.#isClosed) return;
    for (const kind of ['audio', 'video'] as const) {
      this.#offs[kind]?.();
      this.#remove(kind);
    }
    this.#isClosed = true;
    this.#offThaw();
    this.box.remove();
  }

  #make(kind: MediaKind): HTMLVideoElement | HTMLAudioElement {
    const element = document.createElement(kind);
    element.id = `${kind}_${this.id}`;
    element.autoplay = true;
    element.addEventListener('playing', () => this.#say(kind, 'playing', 'playing'));
    element.addEventListener('pause', () => this.#elements[kind] === element && this.#say(kind, 'paused', 'pause'));
    if (kind === 'video') {
      const video = element as HTMLVideoElement;
      video.playsInline = true;
      video.setAttribute('playsinline', '');
      // The sound has an element of its own; a muted picture may begin without a gesture.
      video.muted = true;
      this.#style(video);
    } else {
      element.muted = this.#options.muted;
      element.volume = this.#volume;
      if (this.#sink !== '') element.setSinkId(this.#sink).catch((thrown: unknown) => log.warn('player', 'the speaker cannot be used', thrown));
    }
    this.box.append(element);
    return element;
  }

  #style(video: HTMLMediaElement): void {
    const { objectFit, mirror } = this.#options;
    Object.assign(video.style, { width: '100%', height: '100%', position: 'absolute', inset: '0', objectFit, transform: mirror ? 'scaleX(-1)' : '' });
  }

  /** Null when it plays or will as soon as there is something; an error where the browser refuses. */
  async #start(kind: MediaKind): Promise<WebliveError | null> {
    const element = this.#elements[kind]!;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), START_PATIENCE)));
    const started = (async () => {
      try {
        await element.play();
        this.#refused.delete(kind);
        return null;
      } catch (thrown) {
        return this.#refusal(kind, element, thrown);
      }
    })();
    const result = await Promise.race([started, patience]);
    clearTimeout(timer);
    return result;
  }

  #refusal(kind: MediaKind, element: HTMLMediaElement, thrown: unknown): WebliveError | null {
    // AbortError: another track or the end came in between.
    if ((thrown as DOMException | null)?.name !== 'NotAllowedError' || this.#elements[kind] !== element) {
      log.debug('player', `${kind} does not start`, thrown);
      return null;
    }
    const error = new WebliveError('autoplay', `the browser does not let ${kind} begin without a click`, false, { cause: thrown });
    const isFirst = this.#refused.size === 0;
    this.#refused.add(kind);
    // Media may have come before: that it plays is news again.
    delete this.#told[kind];
    if (isFirst) this.refused(error);
    return error;
  }

  #remove(kind: MediaKind): void {
    const element = this.#elements[kind];
    if (!element) return;
    delete this.#elements[kind];
    element.pause();
    element.srcObject = null;
    element.remove();
    this.#say(kind, 'stopped', 'ended');
  }

  #say(kind: MediaKind, state: PlayerChange['state'], reason: PlayerChange['reason']): void {
    if (this.#told[kind] === state) return;
    this.#told[kind] = state;
    this.tell({ kind, state, reason });
  }
}

/** Milliseconds until playing counts as begun although no media has come yet. */
const START_PATIENCE = 3_000;
