import { COLUMNS, encodeClock, ROWS, STRIP } from './clockcode';
import { Tone } from './tone';

/** Settings of a {@link TestCard}. */
export interface TestCardOptions {
  /** Pixels. Default 1280 × 720. */
  width?: number;
  height?: number;
  /** Frames a second. Default 30. */
  frameRate?: number;
  /** Which tracks the stream has. Default both. */
  video?: boolean;
  audio?: boolean;
  /** A line of text on the card, for example the stream id. */
  title?: string;
}

/**
 * A painted picture to publish instead of a camera: colour bars, something that moves, the time for people,
 * the time for machines (see `clockcode`), and once a second a flash and a beep at the same instant.
 *
 * Start it from a user's gesture, or the browser keeps the tone silent.
 */
export class TestCard {
  /** The canvas that is captured; can be shown in the page. */
  readonly canvas = document.createElement('canvas');
  readonly #options: Required<TestCardOptions>;
  readonly #context: CanvasRenderingContext2D;
  #ticker: Worker | null = null;
  #tone: Tone | null = null;
  #stream: MediaStream | null = null;
  #backdrop: HTMLCanvasElement | null = null;

  constructor(options: TestCardOptions = {}) {
    this.#options = { width: 1280, height: 720, frameRate: 30, video: true, audio: true, title: '', ...options };
    const context = this.canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('no 2D canvas');
    this.#context = context;
    this.resize(this.#options.width, this.#options.height);
  }

  /** Starts painting and sounding. The stream stays the same until {@link stop}. */
  async start(): Promise<MediaStream> {
    if (this.#stream) return this.#stream;
    const stream = new MediaStream();
    this.#stream = stream;
    if (this.#options.video) {
      this.#ticker = openTicker();
      this.#ticker.addEventListener('message', () => this.#paint());
      this.#ticker.postMessage(1000 / this.#options.frameRate);
      this.#paint();
      for (const track of this.canvas.captureStream(this.#options.frameRate).getVideoTracks()) {
        track.contentHint = 'motion';
        stream.addTrack(track);
      }
    }
    if (this.#options.audio) {
      this.#tone = new Tone();
      for (const track of await this.#tone.start()) stream.addTrack(track);
    }
    return stream;
  }

  /** Changes the size of the picture, also while it is captured. */
  resize(width: number, height: number): void {
    this.canvas.width = width;
    this.canvas.height = height;
    this.#backdrop = null;
    this.#paint();
  }

  /** Ends the tracks and frees worker and audio. */
  stop(): void {
    this.#ticker?.terminate();
    this.#ticker = null;
    this.#tone?.stop();
    this.#tone = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
  }

  #paint(): void {
    const { width, height } = this.canvas;
    const context = this.#context;
    const now = Date.now();
    this.#backdrop ??= paintBackdrop(width, height, this.#options);
    context.drawImage(this.#backdrop, 0, 0);
    paintSweep(context, width, height, now);
    paintTime(context, width, height, now);
    paintDial(context, width, height, now);
    paintCells(context, width, height, now);
  }
}

/**
 * Timers of a hidden page are slowed down to one a second, those of a worker are not. Its code comes as a blob: a worker
 * cannot be loaded from the origin of another server.
 */
function openTicker(): Worker {
  const url = URL.createObjectURL(new Blob([TICKER], { type: 'text/javascript' }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  return worker;
}

const TICKER = `let timer;
onmessage = ({ data }) => {
  clearInterval(timer);
  if (data > 0) timer = setInterval(() => postMessage(null), data);
};`;

/** How long the flash and the beep last, in milliseconds. */
export const FLASH_DURATION = 100;

const FONT = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
const BARS = ['#c9ced6', '#d9bf3c', '#3fbfc4', '#46b45c', '#b65bc2', '#cf4a3f', '#3f62cf'];
const NIGHT = '#0c1017';

/** Everything that stands still, painted once for each size. */
function paintBackdrop(width: number, height: number, options: Required<TestCardOptions>): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) return canvas;
  context.fillStyle = NIGHT;
  context.fillRect(0, 0, width, height);
  const barWidth = width / BARS.length;
  BARS.forEach((colour, i) => {
    context.fillStyle = colour;
    context.fillRect(Math.floor(i * barWidth), 0, Math.ceil(barWidth), height * 0.38);
  });
  for (let i = 0; i < 12; i += 1) {
    const grey = Math.round((i / 11) * 235 + 8);
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    context.fillRect(Math.floor((i * width) / 12), height * 0.38, Math.ceil(width / 12), height * 0.05);
  }
  context.fillStyle = '#8b96a8';
  context.font = `500 ${height * 0.033}px ${FONT}`;
  context.textBaseline = 'alphabetic';
  context.textAlign = 'left';
  context.fillText(`${width}×${height} · ${options.frameRate} fps`, width * 0.04, height * 0.735);
  if (options.title) {
    context.textAlign = 'right';
    context.fillText(options.title, width * 0.96, height * 0.735, width * 0.42);
  }
  context.fillStyle = '#000';
  const pad = height * 0.012;
  context.fillRect(width * STRIP.left - pad, height * STRIP.top - pad, width * STRIP.width + 2 * pad, height * STRIP.height + 2 * pad);
  return canvas;
}

/** A bright band that crosses the bars every four seconds: stutter shows at once. */
function paintSweep(context: CanvasRenderingContext2D, width: number, height: number, now: number): void {
  const x = ((now % 4000) / 4000) * width;
  context.fillStyle = 'rgb(255 255 255 / 0.35)';
  context.fillRect(x - width * 0.03, 0, width * 0.03, height * 0.38);
  context.fillStyle = '#fff';
  context.fillRect(x, 0, Math.max(2, width * 0.003), height * 0.43);
}

function paintTime(context: CanvasRenderingContext2D, width: number, height: number, now: number): void {
  const time = new Date(now);
  const two = (value: number) => String(value).padStart(2, '0');
  const text = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  context.textBaseline = 'alphabetic';
  context.textAlign = 'left';
  context.fillStyle = '#fff';
  context.font = `600 ${height * 0.135}px ${FONT}`;
  const x = width * 0.04;
  const y = height * 0.615;
  context.fillText(text, x, y);
  const advance = context.measureText(text).width;
  context.fillStyle = '#7fd7c4';
  context.font = `600 ${height * 0.075}px ${FONT}`;
  context.fillText(`.${String(now % 1000).padStart(3, '0')}`, x + advance, y);
}

/** A second hand; the dial turns white for {@link FLASH_DURATION} at each full second, when the beep sounds. */
function paintDial(context: CanvasRenderingContext2D, width: number, height: number, now: number): void {
  const x = width * 0.85;
  const y = height * 0.575;
  const radius = Math.min(height * 0.11, width * 0.1);
  const phase = (now % 1000) / 1000;
  const isFlash = now % 1000 < FLASH_DURATION;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = isFlash ? '#fff' : '#1b2330';
  context.fill();
  context.beginPath();
  context.moveTo(x, y);
  context.arc(x, y, radius * 0.86, -Math.PI / 2, (phase - 0.25) * 2 * Math.PI);
  context.closePath();
  context.fillStyle = isFlash ? '#dfe5ee' : '#ff5d4d';
  context.fill();
}

function paintCells(context: CanvasRenderingContext2D, width: number, height: number, now: number): void {
  const cells = encodeClock(now);
  const cellWidth = (width * STRIP.width) / COLUMNS;
  const cellHeight = (height * STRIP.height) / ROWS;
  cells.forEach((cell, i) => {
    context.fillStyle = cell ? '#fff' : '#000';
    const x = width * STRIP.left + (i % COLUMNS) * cellWidth;
    const y = height * STRIP.top + Math.floor(i / COLUMNS) * cellHeight;
    context.fillRect(x, y, cellWidth + 0.5, cellHeight + 0.5);
  });
}
