import type Hls from 'hls.js';
import { WebliveError } from '../../src/errors';
import { Player } from '../../src/players/player';
import { elementStats, type PlaybackStats } from '../../src/stats';

/** The whole of hls.js as pages have it, which plays sound from a playlist of its own; its codec is that of the sound. */
export class OpusHlsPlayer extends Player {
  override readonly kind = 'hls';
  #engine: Hls | null = null;
  #codec: string | null = null;

  override stats(): Promise<PlaybackStats> {
    return Promise.resolve({ ...elementStats(this.video), codec: this.#codec });
  }

  protected override open(): void {
    void import('hls.js').then(({ default: Hls }) => {
      const engine = new Hls({ enableWorker: false });
      this.#engine = engine;
      engine.on(Hls.Events.BUFFER_CODECS, (_, { audio, audiovideo }) => {
        const track = audio ?? audiovideo;
        if (track) this.#codec = track.codec ?? track.levelCodec ?? null;
      });
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
