import type Hls from 'hls.js';
import type { ErrorData } from 'hls.js';
import { errorFromResponse, toWebliveError, WebliveError } from '../errors';
import { codecLabel, elementStats, Rate, type PlaybackStats } from '../stats';
import { HLS_LATENCY, keepUp, type LatencyOptions } from './latency';
import { fetched } from './load';
import { Player } from './player';

type HlsJs = typeof Hls;

/**
 * Plays HLS by hls.js wherever Media Source Extensions exist, also where the browser would play HLS itself:
 * only so is the delay known and bounded. Without them (iPhone before iOS 17) the browser plays.
 */
export class HlsPlayer extends Player {
  override readonly kind = 'hls';
  readonly #rate = new Rate();
  readonly #latency: Partial<LatencyOptions>;
  #engine: Hls | null = null;
  #keepTimer: ReturnType<typeof setInterval> | undefined;
  #bytes = 0;
  #seconds = 0;
  #codec: string | null = null;
  #mediaErrors = 0;

  constructor(url: string, video: HTMLVideoElement, latency: Partial<LatencyOptions> = {}) {
    super(url, video);
    this.#latency = latency;
  }

  override async stats(): Promise<PlaybackStats> {
    const stats = elementStats(this.video);
    stats.codec = this.#codec;
    stats.bitrateBps = this.#seconds > 0 ? (this.#bytes * 8) / this.#seconds : null;
    stats.framesPerSecond = this.#rate.update(stats.framesDecoded, performance.now());
    const latency = this.#engine ? this.#engine.latency : this.#behind();
    if (latency > 0) stats.estimatedDelay = latency * 1000;
    return stats;
  }

  protected override open(): void {
    const hasMediaSource = 'MediaSource' in globalThis || 'ManagedMediaSource' in globalThis;
    if (!hasMediaSource && this.video.canPlayType('application/vnd.apple.mpegurl')) return this.#openNative();
    fetched('hls.js', () => import('hls.js/light')).then((Hls) => this.isActive && this.#openEngine(Hls), (thrown: unknown) => this.fail(toWebliveError(thrown, 'HLS')));
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

  #openEngine(Hls: HlsJs): void {
    if (!Hls.isSupported()) {
      this.fail(new WebliveError('unsupported', 'HLS: this browser has no Media Source Extensions with H.264', true));
      return;
    }
    const { target, max, rate } = this.#latency;
    // As close to the end as the playlist says (PART-HOLD-BACK, HOLD-BACK), or seconds: hls.js does not take a mixture.
    const delay = target === undefined
      ? {}
      : { liveSyncDuration: target, liveMaxLatencyDuration: Math.max(max ?? HLS_LATENCY.max, target + 1) };
    const engine = new Hls({
      // Fragmented MP4 needs next to no work, and a worker would have to be fetched first.
      enableWorker: false,
      ...delay,
      maxLiveSyncPlaybackRate: rate ?? HLS_LATENCY.rate,
      backBufferLength: 30,
      // A broadcast that has just begun has no Media Segment yet.
      manifestLoadPolicy: {
        default: {
          maxTimeToFirstByteMs: 10_000,
          maxLoadTimeMs: 20_000,
          timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
          errorRetry: { maxNumRetry: 0, retryDelayMs: 1000, maxRetryDelayMs: 8000 },
        },
      },
    });
    this.#engine = engine;
    engine.on(Hls.Events.ERROR, (_, data) => void this.#onError(Hls, data));
    // A playlist that has ended before it was opened is what the server still keeps of a broadcast that is over.
    engine.once(Hls.Events.LEVEL_LOADED, (_, { details }) => details.live || this.#isOver());
    engine.on(Hls.Events.FRAG_LOADED, (_, { frag }) => this.#count(frag.stats.total, frag.duration));
    engine.on(Hls.Events.BUFFER_CODECS, (_, tracks) => {
      const track = tracks.video ?? tracks.audiovideo ?? tracks.audio;
      const codecs = (track?.codec ?? track?.levelCodec ?? '').split(',');
      const codec = codecs.find((name) => !name.trim().startsWith('mp4a')) ?? codecs[0];
      if (codec) this.#codec = codecLabel(codec.trim());
    });
    engine.attachMedia(this.video);
    engine.loadSource(new URL(this.url, location.href).href);
    void this.play(this.video);
  }

  #openNative(): void {
    this.video.onerror = () => void this.#explain(this.video.error?.message ?? 'playback failed');
    this.video.onloadedmetadata = () => Number.isFinite(this.video.duration) && this.#isOver();
    this.video.src = this.url;
    this.#keepTimer = setInterval(() => this.#keepUp(), KEEP_EVERY);
    void this.play(this.video);
  }

  /** The browser by itself stays as late as a stall has made it. */
  #keepUp(): void {
    const { video } = this;
    if (video.paused || video.seekable.length === 0) return;
    const options = { ...HLS_LATENCY, ...this.#latency };
    const { rate, jump } = keepUp(this.#behind(), video.playbackRate, options);
    if (jump) video.currentTime = video.seekable.end(video.seekable.length - 1) - options.target;
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  #behind(): number {
    const { seekable, currentTime } = this.video;
    return seekable.length > 0 ? seekable.end(seekable.length - 1) - currentTime : 0;
  }

  #isOver(): void {
    this.fail(new WebliveError('not-live', 'HLS: this broadcast is over', true));
  }

  #count(bytes: number, seconds: number): void {
    // A sliding mean over about the last three segments.
    this.#bytes = this.#bytes * 0.66 + bytes;
    this.#seconds = this.#seconds * 0.66 + seconds;
  }

  async #onError(Hls: HlsJs, data: ErrorData): Promise<void> {
    if (!data.fatal || !this.#engine) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mediaErrors < 2) {
      this.#mediaErrors += 1;
      this.#engine.recoverMediaError();
      void this.play(this.video);
    } else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
      await this.#explain(data.error.message);
    } else {
      this.fail(new WebliveError('media', `HLS: ${data.details}: ${data.error.message}`, true));
    }
  }

  /** hls.js gives the status but not the body of an error answer, so the playlist is asked for again. */
  async #explain(text: string): Promise<void> {
    const fallback = new WebliveError('network', `HLS: ${text}`, true);
    try {
      const response = await fetch(this.url, { signal: AbortSignal.timeout(EXPLAIN_PATIENCE) });
      this.fail(response.ok ? fallback : await errorFromResponse(response, 'HLS'));
    } catch (thrown) {
      this.fail(thrown instanceof DOMException ? fallback : toWebliveError(thrown, 'HLS'));
    }
  }
}

/** Milliseconds between two looks at the delay. */
const KEEP_EVERY = 1_000;

/** Milliseconds in which the server says why it refused. */
const EXPLAIN_PATIENCE = 5_000;
