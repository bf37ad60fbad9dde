import { log } from '../log';
import type { UserVolume } from '../protocol/messages';
import type { RoomMedia } from '../rtc/room-media';
import type { Stream } from './stream';
import type { AudioVolume } from './types';

/** Tells at an interval how loud each stream is. */
export class VolumeTeller {
  #interval = 0;
  #inBackground = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #media: RoomMedia | null = null;
  #isAsked = false;
  #heard = new Map<string, number>();

  constructor(
    readonly streams: () => readonly Stream[],
    readonly tell: (result: AudioVolume[]) => void,
  ) {}

  /** Every `interval` milliseconds; 0 or less ends it. `inBackground`: also while the page is hidden. */
  set(interval: number, inBackground: boolean): void {
    clearInterval(this.#timer);
    this.#interval = interval > 0 ? Math.max(LEAST, interval) : 0;
    this.#inBackground = inBackground;
    if (this.#interval > 0) this.#timer = setInterval(() => this.#tick(), this.#interval);
    this.#ask();
  }

  /** Hears what the server says about the others of a room; null when it was left. */
  in(media: RoomMedia | null): void {
    this.#media = media;
    this.#isAsked = false;
    this.#heard.clear();
    this.#ask();
  }

  /** The server has said who is heard. */
  heard(volumes: readonly UserVolume[]): void {
    this.#heard = new Map(volumes.map(({ user, volume }) => [user, volume]));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#interval = 0;
    this.#media = null;
  }

  #ask(): void {
    // The server knows how loud the others are where this page may not listen before a click.
    if (this.#media && this.#media.state !== 'closed' && (this.#interval > 0 || this.#isAsked)) {
      this.#isAsked = this.#interval > 0;
      this.#media.listenVolumes(this.#interval).catch((thrown: unknown) => log.warn('volumes', 'the server does not tell', thrown));
    }
  }

  #tick(): void {
    if (!this.#inBackground && globalThis.document?.visibilityState === 'hidden') return;
    const streams = this.streams();
    this.tell(streams.map((stream) => {
      const userId = stream.getUserId();
      const level = Math.round(stream.getAudioLevel() * 100);
      return { userId, audioVolume: level > 0 ? level : (this.#heard.get(userId) ?? 0), stream };
    }));
  }
}

/** Milliseconds: what the server tells at most. */
const LEAST = 100;
