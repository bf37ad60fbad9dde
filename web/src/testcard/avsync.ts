import { median, type ClockReader, type ClockReading } from './clockreader';

/**
 * Measures how far sound and picture of the test card are apart at the viewer: the beep marks each full
 * second of the painted clock. Give it a node that carries the sound of the same element that `reader` reads.
 */
export class AvSync {
  readonly #analyser: AnalyserNode;
  readonly #samples: Float32Array<ArrayBuffer>;
  readonly #offsets: number[] = [];
  readonly #off: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #reading: ClockReading | null = null;
  #peak = 0;
  #level = 0;
  #onsetAt = -Infinity;
  #quietUntil = 0;

  constructor(
    private readonly context: AudioContext,
    source: AudioNode,
    reader: ClockReader,
  ) {
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 4096;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    source.connect(this.#analyser);
    this.#off = reader.on('reading', (reading) => (this.#reading = reading));
    this.#timer = setInterval(() => this.#look(), 20);
  }

  /** The highest level seen in the last look (0 to 1). */
  get level(): number {
    return this.#level;
  }

  /** How late the sound is, in milliseconds (median; negative: early), or null before two beeps were heard. */
  offset(): number | null {
    return this.#offsets.length < 2 ? null : median(this.#offsets);
  }

  /** Ends the measurement. */
  stop(): void {
    clearInterval(this.#timer);
    this.#off();
  }

  #look(): void {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const end = this.context.currentTime;
    const now = performance.now();
    const peak = this.#samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    this.#level = peak;
    this.#peak = Math.max(peak, this.#peak * 0.999);
    if (end < this.#quietUntil || peak < this.#peak / 2 || peak < 0.05) return;
    const first = this.#samples.findIndex((sample) => Math.abs(sample) > peak / 3);
    // An onset in the first samples may have begun before the window.
    if (first < 200) return;
    const onset = end - (this.#samples.length - first) / this.context.sampleRate;
    if (onset - this.#onsetAt < 0.5) return;
    this.#onsetAt = onset;
    this.#quietUntil = end + 0.3;
    this.#compare(now - (end - onset) * 1000);
  }

  #compare(heardAt: number): void {
    const reading = this.#reading;
    if (!reading) return;
    // The painted time at the instant of the sound; a beep belongs to the nearest full second.
    const painted = reading.clock + (heardAt - reading.shownAt);
    const offset = painted - Math.round(painted / 1000) * 1000;
    this.#offsets.push(offset);
    if (this.#offsets.length > 30) this.#offsets.shift();
  }
}
