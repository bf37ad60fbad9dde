import Hls, { type ErrorData } from 'hls.js/light';
import workerUrl from 'hls.js/dist/hls.worker.js?url';
import { errorFromResponse, toWebliveError, WebliveError } from '../errors';
import { codecLabel, elementStats, Rate, type PlaybackStats } from '../stats';
import { Player } from './player';

/**
 * Plays HLS by hls.js wherever Media Source Extensions exist, also where the browser would play HLS itself:
 * only so is the delay known and bounded. Without them (iPhone before iOS 17) the browser plays.
 */
export class HlsPlayer extends Player {
  override readonly kind = 'hls';
  readonly #rate = new Rate();
  #engine: Hls | null = null;
  #bytes = 0;
  #seconds = 0;
  #codec: string | null = null;
  #mediaErrors = 0;

  override async stats(): Promise<PlaybackStats> {
    const stats = elementStats(this.video);
    stats.codec = this.#codec;
    stats.bitrateBps = this.#seconds > 0 ? (this.#bytes * 8) / this.#seconds : null;
    stats.framesPerSecond = this.#rate.update(stats.framesDecoded, performance.now());
    const latency = this.#engine?.latency ?? 0;
    if (latency > 0) stats.estimatedDelay = latency * 1000;
    return stats;
  }

  protected override open(): void {
    if (Hls.isSupported()) this.#openEngine();
    else if (this.video.canPlayType('application/vnd.apple.mpegurl')) this.#openNative();
    else this.fail(new WebliveError('unsupported', 'this browser plays no HLS', true));
  }

  protected override release(): void {
    this.#engine?.destroy();
    this.#engine = null;
    this.video.onerror = null;
    this.video.onloadedmetadata = null;
    this.video.removeAttribute('src');
    this.video.load();
  }

  #openEngine(): void {
    const engine = new Hls({
      workerPath: workerUrl,
      liveSyncDurationCount: 2,
      liveMaxLatencyDurationCount: 5,
      maxLiveSyncPlaybackRate: 1.15,
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
    engine.on(Hls.Events.ERROR, (_, data) => void this.#onError(data));
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
    this.play();
  }

  #openNative(): void {
    this.video.onerror = () => void this.#explain(this.video.error?.message ?? 'playback failed');
    this.video.onloadedmetadata = () => Number.isFinite(this.video.duration) && this.#isOver();
    this.video.src = this.url;
    this.play();
  }

  #isOver(): void {
    this.fail(new WebliveError('not-live', 'HLS: this broadcast is over', true));
  }

  #count(bytes: number, seconds: number): void {
    // A sliding mean over about the last three segments.
    this.#bytes = this.#bytes * 0.66 + bytes;
    this.#seconds = this.#seconds * 0.66 + seconds;
  }

  async #onError(data: ErrorData): Promise<void> {
    if (!data.fatal || !this.#engine) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mediaErrors < 2) {
      this.#mediaErrors += 1;
      this.#engine.recoverMediaError();
      this.play();
    } else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
      await this.#explain(data.error.message);
    } else {
      this.fail(new WebliveError('media', `HLS: ${data.details}: ${data.error.message}`, true));
    }
  }

  /** hls.js gives the status but not the body of an error answer, so the playlist is asked for again. */
  async #explain(text: string): Promise<void> {
    try {
      const response = await fetch(this.url);
      this.fail(response.ok ? new WebliveError('network', `HLS: ${text}`, true) : await errorFromResponse(response, 'HLS'));
    } catch (thrown) {
      this.fail(toWebliveError(thrown, 'HLS'));
    }
  }
}
