import { clockDifference, COLUMNS, decodeClock, readCells, ROWS, STRIP } from './clockcode';
import { Emitter } from '../emitter';

/** One frame whose painted clock was read. */
export interface ClockReading {
  /** The painted time in milliseconds since 1970. */
  clock: number;
  /** Time to glass: when the frame is shown minus when it was painted, in milliseconds. */
  delay: number;
  /** When the frame is shown, in milliseconds of `performance.now()`. */
  shownAt: number;
}

/** Events of a {@link ClockReader}. */
export interface ClockReaderEvents {
  reading: ClockReading;
  /** A frame without a readable clock. */
  unreadable: void;
}

/**
 * Reads the painted clock off the frames of a video element while they are shown.
 * Publisher and viewer must share a wall clock for the delay to mean anything.
 */
export class ClockReader extends Emitter<ClockReaderEvents> {
  /** Frames looked at, and how many of them had no readable clock. */
  frames = 0;
  unreadable = 0;
  readonly #video: HTMLVideoElement;
  readonly #interval: number;
  readonly #context: OffscreenCanvasRenderingContext2D | null;
  readonly #luma = new Float64Array(WIDTH * HEIGHT);
  readonly #delays: { at: number; delay: number }[] = [];
  #handle = 0;
  #readAt = -Infinity;
  #isRunning = false;

  /** `interval`: read at most one frame in so many milliseconds (0: every frame). */
  constructor(video: HTMLVideoElement, interval = 0) {
    super();
    this.#video = video;
    this.#interval = interval;
    this.#context = typeof OffscreenCanvas === 'undefined' ? null : new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d', { willReadFrequently: true, alpha: false });
  }

  /** Begins to read. Does nothing where the browser cannot tell when frames are shown. */
  start(): void {
    if (this.#isRunning || !('requestVideoFrameCallback' in HTMLVideoElement.prototype)) return;
    this.#isRunning = true;
    this.#next();
  }

  /** Stops reading and forgets what was read. */
  stop(): void {
    if (this.#isRunning) this.#video.cancelVideoFrameCallback(this.#handle);
    this.#isRunning = false;
    this.#delays.length = 0;
  }

  /** The median delay of the last `span` milliseconds, or null when nothing was read in that time. */
  delay(span = 2_000): number | null {
    const since = performance.now() - span;
    const recent = this.#delays.filter((entry) => entry.at >= since).map((entry) => entry.delay);
    return median(recent);
  }

  #next(): void {
    this.#handle = this.#video.requestVideoFrameCallback((now, metadata) => {
      if (!this.#isRunning) return;
      if (now - this.#readAt >= this.#interval) {
        this.#readAt = now;
        this.#read(metadata.expectedDisplayTime);
      }
      this.#next();
    });
  }

  #read(shownAt: number): void {
    this.frames += 1;
    const clock = this.#decode();
    if (clock === null) {
      this.unreadable += 1;
      this.emit('unreadable', undefined);
      return;
    }
    const shown = Date.now() + (shownAt - performance.now());
    const delay = clockDifference(shown, clock);
    this.#delays.push({ at: shownAt, delay });
    if (this.#delays.length > KEPT) this.#delays.shift();
    this.emit('reading', { clock: shown - delay, delay, shownAt });
  }

  #decode(): number | null {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!this.#context || width === 0) return null;
    const { left, top } = STRIP;
    this.#context.drawImage(this.#video, left * width, top * height, STRIP.width * width, STRIP.height * height, 0, 0, WIDTH, HEIGHT);
    const { data } = this.#context.getImageData(0, 0, WIDTH, HEIGHT);
    for (let i = 0; i < this.#luma.length; i += 1) this.#luma[i] = data[i * 4 + 1] ?? 0;
    const cells = readCells(this.#luma, WIDTH, HEIGHT);
    return cells && decodeClock(cells);
  }
}

/** The middle value, or null of nothing. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
}

/** Eight by eight pixels for each cell. */
const WIDTH = COLUMNS * 8;
const HEIGHT = ROWS * 8;

/** Readings kept for the median: enough for some seconds at 60 frames a second. */
const KEPT = 600;
