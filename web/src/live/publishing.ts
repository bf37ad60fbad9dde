import { toWebliveError } from '../errors';
import { log } from '../log';
import type { LocalPublication, PublishOptions } from '../rtc/publication';
import { type LocalStream, publishStream } from '../streams';
import type { LiveCore, LiveRoom } from './core';
import type { TrackKind } from '../protocol/messages';

/**
 * Keeps what is published in step with what is open: as soon as the role allows it a stream that has tracks is
 * published, and one that has none any more is ended.
 */
export class Publishing {
  readonly #core: LiveCore;
  readonly #track: TrackKind;
  #stream: LocalStream | null = null;
  #published: { stream: LocalStream; publication: LocalPublication } | null = null;
  #off: (() => void) | null = null;
  #work: Promise<void> = Promise.resolve();
  #isWaiting = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** How it is published: a stream id of one's own, a codec. */
  options: PublishOptions = {};

  constructor(core: LiveCore, track: TrackKind) {
    this.#core = core;
    this.#track = track;
    core.on('entered', ({ media }) => {
      media.on('role', () => this.sync());
      this.sync();
    });
    core.on('left', () => {
      clearTimeout(this.#retry);
      this.#published = null;
    });
  }

  /** The publication; null while there is none. */
  get publication(): LocalPublication | null {
    return this.#published?.publication ?? null;
  }

  /** Publishes another stream from now on, or none. */
  set stream(stream: LocalStream | null) {
    this.#off?.();
    this.#stream = stream;
    this.#off = stream?.on('track', () => this.sync()) ?? null;
    this.sync();
  }

  /** Looks whether something has to begin or to end. */
  sync(): void {
    // One look after the present one sees everything that has happened.
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#work = this.#work.then(() => {
      this.#isWaiting = false;
      return this.#look();
    });
  }

  /** Resolves when what is open now is published, or was refused. */
  async settled(): Promise<void> {
    await this.#work;
  }

  async #look(): Promise<void> {
    const live = this.#core.room;
    if (!live) return;
    const stream = this.#stream;
    const published = this.#published;
    const isWanted = stream !== null && live.media.role === 'anchor' && stream.sentTracks.length > 0;
    if (published && (!isWanted || published.stream !== stream || published.publication.state === 'closed')) {
      this.#published = null;
      if (published.publication.state !== 'closed') await live.media.unpublish(this.#track);
    }
    if (isWanted && !this.#published) await this.#publish(live, stream);
  }

  async #publish(live: LiveRoom, stream: LocalStream): Promise<void> {
    clearTimeout(this.#retry);
    const sent = { audio: stream.sent('audio'), video: stream.sent('video') };
    try {
      const publication = await publishStream(live.media, this.#track, stream, this.options);
      if (this.#core.room !== live) return;
      this.#published = { stream, publication };
      publication.on('state', (state) => state === 'closed' && this.#published?.publication === publication && this.sync());
      publication.on('error', (error) => {
        log.warn('live', error.message);
        this.#tryLater(live);
      });
      // A track may have come or gone while the server was asked.
      for (const kind of ['audio', 'video'] as const) {
        if (stream.sent(kind) !== sent[kind]) await publication.replaceTrack(kind, stream.sent(kind));
      }
      this.sync();
    } catch (thrown) {
      const error = toWebliveError(thrown, 'publish');
      log.warn('live', error.message);
      if (error.reason === 'audienceMayNotPublish' || this.#core.room !== live) return;
      this.#tryLater(live);
    }
  }

  #tryLater(live: LiveRoom): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#core.room === live && this.sync(), RETRY_PAUSE);
  }
}

/** Milliseconds after which a publication that was refused or lost is tried again. */
const RETRY_PAUSE = 3_000;
