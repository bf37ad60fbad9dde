import { log } from '../log';
import { Rate } from '../stats';
import type { LiveCore } from './core';
import type { Stage } from './stage';
import { Cell, type Store } from './store';
import type { AVStatistics } from './types';

/** What is sent and received of each user, looked at each second while somebody wants to know. */
export class Statistics {
  readonly #core: LiveCore;
  readonly #stage: Stage;
  readonly #cell = new Cell<AVStatistics[]>([], (isWanted) => this.#watch(isWanted));
  readonly #rates = new Map<string, { video: Rate; audio: Rate }>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isReading = false;

  constructor(core: LiveCore, stage: Stage) {
    this.#core = core;
    this.#stage = stage;
    core.on('left', () => {
      this.#rates.clear();
      this.#cell.set([]);
    });
  }

  get store(): Store<AVStatistics[]> {
    return this.#cell;
  }

  #watch(isWanted: boolean): void {
    clearInterval(this.#timer);
    if (!isWanted) return;
    this.#timer = setInterval(() => {
      if (this.#isReading) return;
      this.#isReading = true;
      this.#read().catch((thrown: unknown) => log.debug('live', 'statistics', thrown)).finally(() => (this.#isReading = false));
    }, INTERVAL);
  }

  async #read(): Promise<void> {
    const live = this.#core.room;
    if (!live) return;
    const all: AVStatistics[] = [];
    const sent = await live.media.publication('main')?.stats();
    if (sent) all.push(this.#entry('', '', sent.at, sent.video, sent.audio));
    for (const [key, stream] of this.#stage.streams) {
      if (stream.source.track !== 'main' || !stream.isReceived) continue;
      const received = await stream.stats();
      if (received) all.push(this.#entry(stream.source.user, key, received.at, received.video, received.audio));
    }
    if (this.#core.room === live && this.#cell.isWanted) this.#cell.set(all);
  }

  #entry(userID: string, key: string, at: number, video: Video | null, audio: Audio | null): AVStatistics {
    let rates = this.#rates.get(key);
    if (!rates) this.#rates.set(key, (rates = { video: new Rate(), audio: new Rate() }));
    // People who come and go for hours leave nothing behind.
    if (this.#rates.size > MAX_RATES) this.#rates.delete(this.#rates.keys().next().value!);
    const kbps = (rate: Rate, bytes: number | undefined) => Math.round(((rate.update(bytes ?? 0, at) ?? 0) * 8) / 1000);
    return {
      userID,
      videoBitrate: kbps(rates.video, video?.bytes),
      videoWidth: video?.width ?? 0,
      videoHeight: video?.height ?? 0,
      frameRate: Math.round(video?.framesPerSecond ?? 0),
      audioSampleRate: audio?.sampleRate ?? 0,
      audioBitrate: kbps(rates.audio, audio?.bytes),
    };
  }
}

interface Video {
  bytes: number;
  width: number;
  height: number;
  framesPerSecond: number | null;
}

interface Audio {
  bytes: number;
  sampleRate: number | null;
}

/** Milliseconds between two looks. */
const INTERVAL = 1_000;

/** More than a room has anchors. */
const MAX_RATES = 200;
