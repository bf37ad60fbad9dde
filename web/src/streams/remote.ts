import { WebliveError } from '../errors';
import type { Publication, RoomId, TrackKind, UserId } from '../protocol/messages';
import type { Receiver } from '../rtc/receiver';
import type { Reception } from '../rtc/reception';
import type { ReceptionStats } from '../rtc/stats';
import { PlayableStream } from './playable';
import type { PlayOptions } from './view';

/** Whose stream it is. */
export interface RemoteSource {
  room: RoomId;
  user: UserId;
  track: TrackKind;
}

/** What another one publishes. It has tracks while it is received. */
export class RemoteStream extends PlayableStream {
  #reception: Reception | null = null;
  #receiver: Receiver | null = null;
  #off: (() => void) | null = null;
  /** Tracks that have ended. */
  readonly #gone = new Set<MediaStreamTrack>();
  #tracks: { audio: MediaStreamTrack | null; video: MediaStreamTrack | null } = { audio: null, video: null };

  readonly #muted = { audio: false, video: false };
  #isPaused = false;

  #publication: Publication;

  constructor(
    readonly source: RemoteSource,
    publication: Publication,
  ) {
    nextId += 1;
    super(`${source.user}_${source.track}_${nextId}`);
    this.#publication = publication;
  }

  /** What the publisher says of it. */
  get publication(): Publication {
    return this.#publication;
  }

  set publication(publication: Publication) {
    const before = [this.audioTrack, this.videoTrack];
    this.#publication = publication;
    for (const kind of ['audio', 'video'] as const) this.#look(kind);
    if (this.audioTrack !== before[0]) this.changed('audio');
    if (this.videoTrack !== before[1]) this.changed('video');
  }

  /** Null while the publisher sends no sound, though a track for it may be there. */
  override get audioTrack(): MediaStreamTrack | null {
    return this.#publication.hasAudio ? this.#tracks.audio : null;
  }

  /** Null while the publisher sends no picture, though a track for it may be there. */
  override get videoTrack(): MediaStreamTrack | null {
    return this.#publication.hasVideo ? this.#tracks.video : null;
  }

  /** Whether it is received. */
  get isReceived(): boolean {
    return this.#reception !== null;
  }

  /** Plays what comes there from now on; `receiver` helps to tell how loud it is. Null ends it. */
  receive(reception: Reception | null, receiver: Receiver | null = null): void {
    this.#receiver = receiver;
    if (reception === this.#reception) return;
    this.#off?.();
    this.#off = null;
    this.#gone.clear();
    this.#reception = reception;
    this.#pause();
    if (!reception) {
      this.#take('audio', null);
      this.#take('video', null);
      return;
    }
    const offs = [
      reception.on('track', (track) => this.#join(track)),
      reception.on('unplayable', (error) => this.emit('error', error)),
      reception.on('paused', () => this.#pause()),
      reception.on('gone', (track) => {
        this.#gone.add(track);
        this.#look(track.kind as 'audio' | 'video');
      }),
    ];
    this.#off = () => {
      for (const off of offs) off();
    };
    for (const track of reception.stream.getTracks()) this.#join(track);
    if (reception.unplayable) this.emit('error', reception.unplayable);
  }

  /** Whether its picture stands, since the path to this page is too narrow for it. The sound goes on. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The public stream id; null while it is not received. */
  get stream(): string | null {
    return this.#reception?.id ?? null;
  }

  /** What was received of it; null while nothing is. */
  async stats(): Promise<ReceptionStats | null> {
    return (await this.#reception?.stats()) ?? null;
  }

  /** Makes it silent or black here, and for nobody else; later tracks too. */
  mute(what: { audio?: boolean; video?: boolean }): void {
    Object.assign(this.#muted, what);
    for (const kind of ['audio', 'video'] as const) this.#enable(kind);
  }

  /** Drops a kind that is no longer wanted. */
  drop(kind: 'audio' | 'video'): void {
    this.#take(kind, null);
  }

  /** Resolves when a track of each of these kinds is there and connected, or no picture can come; rejects with `timeout`, or `state` where `signal` ends it. */
  arrived(kinds: readonly ('audio' | 'video')[], patience: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const isThere = () => (this.#receiver?.peer?.connectionState ?? 'connected') === 'connected' && kinds.every((kind) => {
        const track = this.#tracks[kind];
        return track ? !this.#gone.has(track) : kind === 'video' && this.#reception?.unplayable;
      });
      const settle = (then: () => void) => {
        clearTimeout(timer);
        for (const off of offs) off();
        signal?.removeEventListener('abort', onAbort);
        then();
      };
      const onAbort = () => settle(() => reject(new WebliveError('state', 'the stream has ended', false)));
      const timer = setTimeout(() => settle(() => reject(new WebliveError('timeout', `no ${kinds.join(' and ')} after ${patience} ms`, false))), patience);
      const look = () => isThere() && settle(resolve);
      const offs = [this.on('track', look), this.on('error', look), this.#receiver?.on('state', look) ?? (() => undefined)];
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted) onAbort();
      else if (isThere()) settle(resolve);
    });
  }

  /** Ends it for good. */
  close(): void {
    this.receive(null);
    this.dispose();
  }

  protected override get defaults(): Required<PlayOptions> {
    return { objectFit: this.source.track === 'aux' ? 'contain' : 'cover', mirror: false, muted: false };
  }

  protected override levelByRtp(track: MediaStreamTrack): number {
    const receiver = this.#receiver?.peer?.getReceivers().find((candidate) => candidate.track === track);
    return receiver?.getSynchronizationSources()[0]?.audioLevel ?? 0;
  }

  #pause(): void {
    const isPaused = this.#reception?.isPaused ?? false;
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    this.emit('paused', isPaused);
  }

  #join(track: MediaStreamTrack): void {
    this.#gone.clear();
    this.#take(track.kind as 'audio' | 'video', track);
  }

  /** Drops a track that is gone, unless another one is to come: its last picture stays until then. */
  #look(kind: 'audio' | 'video'): void {
    const track = this.#tracks[kind];
    const isPublished = kind === 'audio' ? this.#publication.hasAudio : this.#publication.hasVideo;
    if (track && this.#gone.has(track) && !isPublished) this.#take(kind, null);
  }

  #take(kind: 'audio' | 'video', track: MediaStreamTrack | null): void {
    if (this.#tracks[kind] === track) return;
    this.#tracks[kind] = track;
    this.#enable(kind);
    this.changed(kind);
  }

  #enable(kind: 'audio' | 'video'): void {
    const track = this.#tracks[kind];
    if (track) track.enabled = !this.#muted[kind];
  }
}

let nextId = 0;
