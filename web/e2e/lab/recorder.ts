import { type ClockReader, median } from '../../src/testcard';

/** What was seen of a picture in a short while. */
export interface Sample {
  /** Its end, in milliseconds since 1970. */
  at: number;
  /** Median time to glass in milliseconds; null when no frame was read. */
  delay: number | null;
  /** Frames whose painted clock was read, and those where it could not be. */
  read: number;
  unreadable: number;
  /** Of the last frame. */
  width: number;
  bps: number;
  /** Since the connection began: as `RTCInboundRtpStreamStats` has them. */
  freezes: number;
  plis: number;
  nacks: number;
  lost: number;
}

export interface Recording {
  samples: Sample[];
  /** Milliseconds between two frames on the screen: the longest. */
  longestGap: number;
}

/** Notes every {@link EVERY} milliseconds what is seen of a picture. */
export class Recorder {
  readonly recording: Recording = { samples: [], longestGap: 0 };
  readonly #offs: (() => void)[];
  readonly #timer: ReturnType<typeof setInterval>;
  #delays: number[] = [];
  #unreadable = 0;
  #shownAt: number | null = null;
  #before: { at: number; bytes: number } | null = null;

  constructor(
    readonly video: HTMLVideoElement,
    reader: ClockReader,
    readonly stats: () => Promise<RTCInboundRtpStreamStats | undefined>,
  ) {
    this.#offs = [
      reader.on('reading', ({ delay, shownAt }) => {
        this.#delays.push(delay);
        this.recording.longestGap = Math.max(this.recording.longestGap, shownAt - (this.#shownAt ?? shownAt));
        this.#shownAt = shownAt;
      }),
      reader.on('unreadable', () => (this.#unreadable += 1)),
    ];
    this.#timer = setInterval(() => void this.#note(), EVERY);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const off of this.#offs) off();
  }

  async #note(): Promise<void> {
    const stats = await this.stats();
    if (!stats) return;
    const bytes = stats.bytesReceived ?? 0;
    const { at, bytes: last } = this.#before ?? { at: stats.timestamp, bytes };
    this.#before = { at: stats.timestamp, bytes };
    const delays = this.#delays;
    const unreadable = this.#unreadable;
    this.#delays = [];
    this.#unreadable = 0;
    this.recording.samples.push({
      at: Date.now(), delay: median(delays), read: delays.length, unreadable, width: this.video.videoWidth,
      bps: stats.timestamp > at ? ((bytes - last) * 8_000) / (stats.timestamp - at) : 0,
      freezes: stats.freezeCount ?? 0, plis: stats.pliCount ?? 0, nacks: stats.nackCount ?? 0, lost: stats.packetsLost ?? 0,
    });
  }
}

/** Short enough to see a freeze, and long enough not to be the load. */
const EVERY = 200;
