import mpegts from 'mpegts.js';
import { errorFromResponse, toWebliveError, WebliveError } from '../errors';
import { codecLabel, elementStats, type PlaybackStats } from '../stats';
import { Player } from './player';

/** Plays HTTP-FLV by mpegts.js. */
export class FlvPlayer extends Player {
  override readonly kind = 'flv';
  #engine: mpegts.Player | null = null;
  #bitrateBps: number | null = null;

  override async stats(): Promise<PlaybackStats> {
    const { buffered, currentTime } = this.video;
    const stats = elementStats(this.video);
    const info: Partial<mpegts.MSEPlayerMediaInfo> | undefined = this.#engine?.mediaInfo;
    const codec = info?.videoCodec ?? info?.audioCodec;
    if (codec) stats.codec = codecLabel(codec);
    stats.bitrateBps = this.#bitrateBps;
    if (buffered.length > 0) stats.estimatedDelay = Math.max(0, buffered.end(buffered.length - 1) - currentTime) * 1000;
    return stats;
  }

  protected override open(): void {
    if (!mpegts.isSupported()) {
      this.fail(new WebliveError('unsupported', 'this browser has no Media Source Extensions with H.264', true));
      return;
    }
    mpegts.LoggingControl.applyConfig({ enableAll: false, enableError: false });
    // A worker of mpegts.js cannot resolve relative addresses, so none are ever passed.
    const source = { type: 'flv', isLive: true, cors: true, url: new URL(this.url, location.href).href };
    const engine = mpegts.createPlayer(source, LIVE);
    this.#engine = engine;
    // mpegts.js goes on after it has called: an engine that is destroyed inside its own call throws.
    const afterwards = (then: () => void) => queueMicrotask(() => engine === this.#engine && then());
    engine.on(mpegts.Events.ERROR, (type: string, detail: string, info?: { code?: number; msg?: string }) => {
      afterwards(() => void this.#explain(type, detail, info?.msg));
    });
    engine.on(mpegts.Events.LOADING_COMPLETE, () => afterwards(() => this.end()));
    engine.on(mpegts.Events.STATISTICS_INFO, (info: { speed?: number }) => {
      // mpegts.js counts kibibytes a second.
      if (info.speed !== undefined) this.#bitrateBps = info.speed * 1024 * 8;
    });
    engine.attachMediaElement(this.video);
    engine.load();
    this.play();
  }

  protected override release(): void {
    const engine = this.#engine;
    this.#engine = null;
    engine?.destroy();
    this.video.removeAttribute('src');
    this.video.load();
  }

  /** mpegts.js keeps the body of an error answer to itself, so it is asked for again. */
  async #explain(type: string, detail: string, text: string | undefined): Promise<void> {
    const fallback = new WebliveError(type === mpegts.ErrorTypes.NETWORK_ERROR ? 'network' : 'media', `FLV: ${text ?? detail}`, true);
    if (type !== mpegts.ErrorTypes.NETWORK_ERROR) return this.fail(fallback);
    const abort = new AbortController();
    try {
      const response = await fetch(this.url, { signal: abort.signal });
      this.fail(response.ok ? fallback : await errorFromResponse(response, 'FLV'));
    } catch (thrown) {
      this.fail(toWebliveError(thrown, 'FLV'));
    } finally {
      abort.abort();
    }
  }
}

/**
 * Low delay first: no stash; above `liveSyncMaxLatency` seconds of buffer it plays a little faster until the target
 * is reached, above `liveBufferLatencyMaxLatency` (a hidden page, a long stall) it jumps.
 */
const LIVE: mpegts.Config = {
  enableStashBuffer: false,
  liveBufferLatencyChasing: true,
  liveBufferLatencyMaxLatency: 1.5,
  liveBufferLatencyMinRemain: 0.4,
  liveSync: true,
  liveSyncMaxLatency: 0.6,
  liveSyncTargetLatency: 0.35,
  liveSyncPlaybackRate: 1.1,
  lazyLoad: false,
  deferLoadAfterSourceOpen: false,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 10,
};
