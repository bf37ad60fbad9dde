import { type ClockReader, median } from '../../src/testcard';

/** What was seen of a playback since {@link Steadiness} began. */
export interface Steady {
  /** Milliseconds. */
  span: number;
  /** Frames whose painted clock was read. */
  readings: number;
  /** Milliseconds to glass. */
  delay: { median: number; p99: number; worst: number };
  /** The longest time between two frames on the screen, in milliseconds. */
  longestGap: number;
  /** The longest time between the painting of two frames that were shown after each other: the publisher's own pauses, and what was skipped. */
  longestPaintedGap: number;
  /** How often the element waited for data. */
  stalls: number;
  /** Seconds that are kept behind what is shown. */
  kept: number;
}

/** Notes each frame of a playback that has begun. */
export class Steadiness {
  readonly #offs: (() => void)[];
  readonly #delays: number[] = [];
  readonly #begin = performance.now();
  #shownAt: number | null = null;
  #longestGap = 0;
  #paintedAt: number | null = null;
  #longestPaintedGap = 0;
  #stalls = 0;

  constructor(
    readonly video: HTMLVideoElement,
    reader: ClockReader,
  ) {
    const stalled = () => (this.#stalls += 1);
    video.addEventListener('waiting', stalled);
    this.#offs = [
      () => video.removeEventListener('waiting', stalled),
      reader.on('reading', ({ clock, delay, shownAt }) => {
        this.#delays.push(delay);
        this.#longestGap = Math.max(this.#longestGap, shownAt - (this.#shownAt ?? shownAt));
        this.#shownAt = shownAt;
        this.#longestPaintedGap = Math.max(this.#longestPaintedGap, clock - (this.#paintedAt ?? clock));
        this.#paintedAt = clock;
      }),
    ];
  }

  seen(): Steady {
    const sorted = [...this.#delays].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? NaN;
    const { buffered, currentTime } = this.video;
    return {
      span: performance.now() - this.#begin,
      readings: sorted.length,
      delay: { median: median(sorted) ?? NaN, p99: at(0.99), worst: at(1) },
      longestGap: Math.max(this.#longestGap, performance.now() - (this.#shownAt ?? this.#begin)),
      longestPaintedGap: this.#longestPaintedGap,
      stalls: this.#stalls,
      kept: buffered.length > 0 ? currentTime - buffered.start(0) : 0,
    };
  }

  stop(): void {
    for (const off of this.#offs) off();
  }
}
