import type mpegts from 'mpegts.js';
import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import { codecLabel, elementStats, type PlaybackStats } from '../stats';
import { FLV_LATENCY, type LatencyOptions } from './latency';
import { fetched } from './load';
import { Player } from './player';

/** Plays HTTP-FLV by mpegts.js. */
export class FlvPlayer extends Player {
  override readonly kind = 'flv';
  readonly #latency: LatencyOptions;
  #engine: mpegts.Player | null = null;
  #bitrateBps: number | null = null;
  #recoveredAt = -Infinity;

  constructor(url: string, video: HTMLVideoElement, latency: Partial<LatencyOptions> = {}) {
    super(url, video);
    this.#latency = { ...FLV_LATENCY, ...latency };
  }

  override async stats(): Promise<PlaybackStats> {
    const stats = elementStats(this.video);
    const info: Partial<mpegts.MSEPlayerMediaInfo> | undefined = this.#engine?.mediaInfo;
    const codec = info?.videoCodec ?? info?.audioCodec;
    if (codec) stats.codec = codecLabel(codec);
    stats.bitrateBps = this.#bitrateBps;
    const edge = this.#edge();
    if (edge !== null) stats.estimatedDelay = Math.max(0, edge - this.video.currentTime) * 1000;
    return stats;
  }

  protected override open(): void {
    fetched('mpegts.js', () => import('mpegts.js')).then((library) => this.isActive && this.#open(library), (thrown: unknown) => this.fail(toWebliveError(thrown, 'FLV')));
  }

  protected override release(): void {
    const engine = this.#engine;
    this.#engine = null;
    engine?.destroy();
    this.video.removeAttribute('src');
    this.video.load();
  }

  protected override toLiveEdge(): void {
    const edge = this.#edge();
    if (edge !== null && edge - this.video.currentTime > this.#latency.max) this.video.currentTime = edge - this.#latency.target;
  }

  /** The browser has ended the download, and tells nobody. */
  protected override thaw(isPaused: boolean): void {
    if (isPaused) return this.fail(new WebliveError('network', 'FLV: the page was frozen', true));
    this.release();
    this.open();
  }

  #open(library: typeof mpegts): void {
    if (!library.isSupported()) {
      this.fail(new WebliveError('unsupported', 'FLV: this browser has no Media Source Extensions with H.264', true));
      return;
    }
    library.LoggingControl.applyConfig({ enableAll: false, enableError: false });
    // A worker of mpegts.js cannot resolve relative addresses, so none are ever passed.
    const source = { type: 'flv', isLive: true, cors: true, url: new URL(this.url, location.href).href };
    const engine = library.createPlayer(source, configFor(this.#latency));
    this.#engine = engine;
    // mpegts.js goes on after it has called: an engine that is destroyed inside its own call throws.
    const afterwards = (then: () => void) => queueMicrotask(() => engine === this.#engine && then());
    engine.on(library.Events.ERROR, (type: string, detail: string, info?: { code?: number; msg?: string }) => {
      const reason = this.video.error?.message || (info?.msg ?? detail);
      const isOfDecoder = detail === library.ErrorDetails.MEDIA_MSE_ERROR;
      afterwards(() => type === library.ErrorTypes.NETWORK_ERROR ? void this.explain('FLV', reason) : this.#onMediaError(isOfDecoder, reason));
    });
    engine.on(library.Events.LOADING_COMPLETE, () => afterwards(() => this.end()));
    engine.on(library.Events.STATISTICS_INFO, (info: { speed?: number }) => {
      // mpegts.js counts kibibytes a second.
      if (info.speed !== undefined) this.#bitrateBps = info.speed * 1024 * 8;
    });
    engine.attachMediaElement(this.video);
    engine.load();
    void this.play(this.video);
  }

  /** A decoder may fail once, as when the machine is short of something. Twice at once is a stream that does not decode. */
  #onMediaError(isOfDecoder: boolean, reason: string): void {
    const now = performance.now();
    if (!isOfDecoder || now - this.#recoveredAt < RECOVERY) return this.fail(new WebliveError('media', `FLV: ${reason}`, true));
    this.#recoveredAt = now;
    log.warn('player', `FLV: ${reason}; it begins anew`);
    this.release();
    this.open();
  }

  #edge(): number | null {
    const { buffered } = this.video;
    return buffered.length ? buffered.end(buffered.length - 1) : null;
  }
}

/**
 * Low delay first: no stash; above `liveSyncMaxLatency` seconds of buffer it plays a little faster until the target
 * is reached, above `liveBufferLatencyMaxLatency` (a hidden page, a long stall) it jumps.
 */
function configFor({ target, max, rate }: LatencyOptions): mpegts.Config {
  return {
    enableStashBuffer: false,
    liveBufferLatencyChasing: true,
    liveBufferLatencyMaxLatency: max,
    liveBufferLatencyMinRemain: Math.max(target, 0.4),
    liveSync: rate > 1,
    liveSyncMaxLatency: target + 0.25,
    liveSyncTargetLatency: target,
    liveSyncPlaybackRate: rate,
    lazyLoad: false,
    deferLoadAfterSourceOpen: false,
    autoCleanupSourceBuffer: true,
    autoCleanupMaxBackwardDuration: 30,
    autoCleanupMinBackwardDuration: 10,
  };
}

/** Milliseconds in which a player begins anew at most once. */
const RECOVERY = 30_000;
