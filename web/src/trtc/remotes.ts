import { WebliveError } from '../errors';
import { log } from '../log';
import type { Picture, Publication } from '../protocol/messages';
import type { RoomMedia, RoomMediaEvents, Target } from '../rtc/room-media';
import { RemoteStream as Below } from '../streams';
import { ErrorCode } from './codes';
import { RemoteStream } from './remote-stream';
import { badParameter, RtcError, toRtcError } from './rtc-error';
import type { ClientEvents, SubscribeOptions } from './types';

/** What the streams of the others may tell the page. */
export type Tell = <K extends keyof ClientEvents>(event: K, value: ClientEvents[K]) => void;

interface Entry {
  readonly stream: RemoteStream;
  readonly target: Required<Target>;
  /** Ends with the stream. */
  readonly end: AbortController;
  /** What the page wants of it; null while it wants nothing. */
  wanted: { audio: boolean; video: boolean } | null;
  picture: Picture;
  /** Whether the page has decided itself. */
  isDecided: boolean;
  /** The subscription that is under way. */
  pending: Promise<void> | null;
}

/** The streams of the others in one room: which there are, and which of them are received. */
export class Remotes {
  readonly #entries = new Map<string, Entry>();

  constructor(
    readonly media: RoomMedia,
    readonly tell: Tell,
    /** Whether streams are received without being asked. */
    readonly isAutomatic: () => boolean,
  ) {}

  /** All of them. */
  get streams(): RemoteStream[] {
    return [...this.#entries.values()].map(({ stream }) => stream);
  }

  /** Those that are received. */
  get received(): RemoteStream[] {
    return this.streams.filter((stream) => stream.below.isReceived);
  }

  /** A publication began, changed or ended. */
  onPublication({ room, user, track, publication, previous }: RoomMediaEvents['publication']): void {
    const target = { room, user, track };
    const key = keyOf(target);
    const entry = this.#entries.get(key);
    if (publication === null) {
      if (entry) this.#remove(key, entry);
    } else if (!entry) {
      this.#add(key, target, publication);
    } else {
      this.#update(entry, publication, previous);
    }
  }

  /** Receives a stream. Resolves when its media has come. */
  async subscribe(stream: RemoteStream, options: SubscribeOptions = {}): Promise<void> {
    const entry = this.#find('subscribe', stream);
    const wanted = { audio: options.audio ?? true, video: options.video ?? true };
    if (!wanted.audio && !wanted.video) throw badParameter('subscribe: neither sound nor picture is wanted; call unsubscribe instead');
    entry.isDecided = true;
    await this.#subscribe(entry, wanted);
  }

  /** Receives it no longer. */
  async unsubscribe(stream: RemoteStream): Promise<void> {
    const entry = this.#find('unsubscribe', stream);
    entry.isDecided = true;
    entry.wanted = null;
    stream.below.receive(null);
    stream.connection('DISCONNECTED');
    try {
      await this.media.unsubscribe(entry.target);
    } catch (thrown) {
      throw toRtcError(thrown, 'unsubscribe');
    }
  }

  /** Receives the small or the large picture, from now on or once it is received. */
  async choose(stream: RemoteStream, picture: Picture): Promise<void> {
    const entry = this.#find('setRemoteVideoStreamType', stream);
    const before = entry.picture;
    entry.picture = picture;
    try {
      if (entry.wanted && before !== picture) await this.media.subscribe(entry.target, { ...entry.wanted, picture });
    } catch (thrown) {
      if (entry.picture === picture) entry.picture = before;
      throw toRtcError(thrown, 'setRemoteVideoStreamType');
    }
  }

  /** The receiving peer connection has changed its state. */
  connection(state: 'DISCONNECTED' | 'CONNECTING' | 'RECONNECTING' | 'CONNECTED'): void {
    for (const { stream, pending } of this.#entries.values()) if (stream.below.isReceived && !pending) stream.connection(state);
  }

  /** Ends all, without `stream-removed`: the room was left. */
  close(): void {
    for (const [key, entry] of [...this.#entries]) {
      this.#entries.delete(key);
      entry.end.abort();
      entry.stream.connection('DISCONNECTED');
      entry.stream.below.close();
    }
  }

  #add(key: string, target: Required<Target>, publication: Publication): void {
    const stream = new RemoteStream(new Below(target, publication));
    const entry: Entry = { stream, target, end: new AbortController(), wanted: null, picture: 'large', isDecided: false, pending: null };
    this.#entries.set(key, entry);
    this.tell('stream-added', { stream });
    if (target.track === 'main') this.#tellMutes(target.user, NOT_MUTED, publication);
    // A handler of `stream-added` may have chosen what it wants.
    if (!this.isAutomatic() || entry.isDecided || entry.end.signal.aborted) return;
    void this.#receiveAll(entry);
  }

  /** What nobody has asked for by hand nobody asks for again either: it is tried until it comes. */
  async #receiveAll(entry: Entry): Promise<void> {
    while (!entry.end.signal.aborted && !entry.isDecided) {
      try {
        return await this.#subscribe(entry, { audio: true, video: true });
      } catch (thrown) {
        if (entry.end.signal.aborted) return;
        log.warn('client', `${entry.target.user}: not received`, thrown);
        if ((thrown as RtcError).code !== ErrorCode.SUBSCRIPTION_TIMEOUT) return;
      }
    }
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    entry.end.abort();
    this.tell('stream-removed', { stream: entry.stream });
    entry.stream.connection('DISCONNECTED');
    entry.stream.below.close();
  }

  #update({ stream, target }: Entry, publication: Publication, previous: Publication | null): void {
    stream.below.publication = publication;
    const before = previous ?? NOT_MUTED;
    if (before.hasAudio !== publication.hasAudio || before.hasVideo !== publication.hasVideo) this.tell('stream-updated', { stream });
    if (target.track === 'main') this.#tellMutes(target.user, before, publication);
  }

  #tellMutes(userId: string, before: Pick<Publication, 'audioMuted' | 'videoMuted'>, now: Publication): void {
    if (before.audioMuted !== now.audioMuted) this.tell(now.audioMuted ? 'mute-audio' : 'unmute-audio', { userId });
    if (before.videoMuted !== now.videoMuted) this.tell(now.videoMuted ? 'mute-video' : 'unmute-video', { userId });
  }

  #subscribe(entry: Entry, wanted: { audio: boolean; video: boolean }): Promise<void> {
    const isSame = entry.wanted?.audio === wanted.audio && entry.wanted.video === wanted.video;
    if (isSame) return entry.pending ?? Promise.resolve();
    const before = entry.wanted;
    entry.wanted = wanted;
    if (!before) entry.stream.connection('CONNECTING');
    const pending: Promise<void> = this.#receive(entry, wanted)
      .catch((thrown: unknown) => {
        if (entry.wanted === wanted) {
          entry.wanted = before;
          if (!before) entry.stream.connection('DISCONNECTED');
        }
        if (entry.end.signal.aborted) throw gone('subscribe');
        throw toRtcError(thrown, 'subscribe', { timeout: ErrorCode.SUBSCRIPTION_TIMEOUT, other: ErrorCode.REMOTE_STREAM_NOT_EXIST });
      })
      .finally(() => {
        if (entry.pending === pending) entry.pending = null;
      });
    entry.pending = pending;
    return pending;
  }

  async #receive({ stream, target, picture, end }: Entry, wanted: { audio: boolean; video: boolean }): Promise<void> {
    const { below } = stream;
    const reception = await this.media.subscribe(target, { ...wanted, picture });
    if (end.signal.aborted) throw new WebliveError('state', 'the stream has ended', false);
    below.receive(reception, this.media.receiver);
    for (const kind of KINDS) if (!wanted[kind]) below.drop(kind);
    const { hasAudio, hasVideo, videoMuted } = below.publication;
    // A muted picture may have no frame to show for a long time.
    const awaited = KINDS.filter((kind) => wanted[kind] && (kind === 'audio' ? hasAudio : hasVideo && !videoMuted));
    await below.arrived(awaited, MEDIA_PATIENCE, end.signal);
    stream.connection('CONNECTED');
    this.tell('stream-subscribed', { stream });
  }

  #find(doing: string, stream: RemoteStream): Entry {
    if (!(stream instanceof RemoteStream)) throw badParameter(`${doing}: this is no remote stream`);
    const entry = this.#entries.get(keyOf(stream.below.source));
    if (entry?.stream !== stream) throw gone(doing);
    return entry;
  }
}

function gone(doing: string): RtcError {
  return new RtcError(ErrorCode.REMOTE_STREAM_NOT_EXIST, `${doing}: the stream is no longer in the room`, { advice: 'Wait for the next stream-added.' });
}

const KINDS = ['audio', 'video'] as const;

const NOT_MUTED = { hasAudio: false, hasVideo: false, audioMuted: false, videoMuted: false };

const keyOf = ({ room, user, track }: Required<Target>) => JSON.stringify([room, user, track]);

/** Milliseconds until a stream that was subscribed to must have media. */
const MEDIA_PATIENCE = 10_000;
