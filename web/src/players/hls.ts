import { toWebliveError, WebliveError } from '../errors';
import { codecLabel, elementStats, Rate, type PlaybackStats } from '../stats';
import type HlsEngine from './engines/hls';
import { HLS_LATENCY, keepUp, type LatencyOptions } from './latency';
import { fetched } from './load';
import { Player } from './player';

/**
 * Plays HLS by hls.js wherever Media Source Extensions exist, also where the browser would play HLS itself:
 * only so is the delay known and bounded. Without them (iPhone before iOS 17) the browser plays.
 */
export class HlsPlayer extends Player {
  override readonly kind = 'hls';
  readonly #rate = new Rate();
  readonly #latency: Partial<LatencyOptions>;
  #engine: HlsEngine | null = null;
  #keepTimer: ReturnType<typeof setInterval> | undefined;

  constructor(url: string, video: HTMLVideoElement, latency: Partial<LatencyOptions> = {}) {
    super(url, video);
    this.#latency = latency;
  }

  override async stats(): Promise<PlaybackStats> {
    const stats = elementStats(this.video);
    const { codec, bitrate } = this.#engine ?? {};
    stats.codec = codec ? codecLabel(codec) : null;
    stats.bitrateBps = bitrate ?? null;
    stats.framesPerSecond = this.#rate.update(stats.framesDecoded, performance.now());
    const latency = this.#engine?.latency ?? this.#behind();
    if (latency) stats.estimatedDelay = latency * 1000;
    return stats;
  }

  protected override open(): void {
    const hasMediaSource = 'MediaSource' in globalThis || 'ManagedMediaSource' in globalThis;
    if (!hasMediaSource && this.video.canPlayType('application/vnd.apple.mpegurl')) return this.#openNative();
    fetched('hls.js', () => import('./engines/hls')).then((Engine) => this.isActive && this.#openEngine(Engine), (thrown: unknown) => this.fail(toWebliveError(thrown, 'HLS')));
  }

  protected override release(): void {
    clearInterval(this.#keepTimer);
    this.#engine?.destroy();
    this.#engine = null;
    this.video.onerror = null;
    this.video.onloadedmetadata = null;
    this.video.removeAttribute('src');
    this.video.load();
  }

  protected override toLiveEdge(): void {
    const position = this.#engine?.liveSyncPosition ?? null;
    if (position !== null && position - this.video.currentTime > 1) this.video.currentTime = position;
  }

  #openEngine(Engine: typeof HlsEngine): void {
    if (!Engine.isSupported()) {
      this.fail(new WebliveError('unsupported', 'HLS: this browser has no Media Source Extensions with H.264', true));
      return;
    }
    const { target, max = HLS_LATENCY.max, rate = HLS_LATENCY.rate } = this.#latency;
    this.#engine = new Engine(this.url, this.video, { target, max, rate }, {
      over: () => this.#isOver(),
      ended: () => this.end(),
      again: () => void this.play(this.video),
      failed: (isNetwork, details, reason) => {
        if (isNetwork) void this.explain('HLS', reason);
        else this.fail(new WebliveError('media', `HLS: ${details}: ${reason}`, true));
      },
    });
    void this.play(this.video);
  }

  #openNative(): void {
    this.video.onerror = () => void this.explain('HLS', this.video.error?.message ?? 'failed');
    this.video.onloadedmetadata = () => Number.isFinite(this.video.duration) && this.#isOver();
    this.video.src = this.url;
    this.#keepTimer = setInterval(() => this.#keepUp(), KEEP_EVERY);
    void this.play(this.video);
  }

  /** The browser by itself stays as late as a stall has made it. */
  #keepUp(): void {
    const { video } = this;
    if (video.paused || !video.seekable.length) return;
    const options = { ...HLS_LATENCY, ...this.#latency };
    const { rate, jump } = keepUp(this.#behind(), video.playbackRate, options);
    if (jump) video.currentTime = video.seekable.end(video.seekable.length - 1) - options.target;
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  #behind(): number {
    const { seekable, currentTime } = this.video;
    return seekable.length ? seekable.end(seekable.length - 1) - currentTime : 0;
  }

  #isOver(): void {
    this.fail(new WebliveError('not-live', 'HLS: this broadcast is over', true));
  }
}

/** Milliseconds between two looks at the delay. */
const KEEP_EVERY = 1_000;
