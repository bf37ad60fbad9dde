import type Hls from 'hls.js';
import { WebliveError } from '../../src/errors';
import { Player } from '../../src/players/player';
import { elementStats, type PlaybackStats } from '../../src/stats';

/** hls.js as pages have it that know nothing of Low-Latency HLS: by segments. */
export class PlainHlsPlayer extends Player {
  override readonly kind = 'hls';
  #engine: Hls | null = null;

  override stats(): Promise<PlaybackStats> {
    return Promise.resolve(elementStats(this.video));
  }

  protected override open(): void {
    // Fetched when it is needed, as by the SDK, whose own fetch would else be none here.
    void import('hls.js/light').then(({ default: Hls }) => {
      const engine = new Hls({ enableWorker: false, lowLatencyMode: false });
      this.#engine = engine;
      engine.on(Hls.Events.ERROR, (_, { fatal, details, error }) => fatal && this.fail(new WebliveError('media', `${details}: ${error.message}`, true)));
      engine.attachMedia(this.video);
      engine.loadSource(this.url);
      void this.play(this.video);
    });
  }

  protected override release(): void {
    this.#engine?.destroy();
  }
}
