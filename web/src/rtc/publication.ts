import { Emitter } from '../emitter';
import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { Picture, Publication as Contents, RelayAddresses, RoomId, TrackKind } from '../protocol/messages';
import type { Session } from '../signal/session';
import { type PublishOptions, SendingPeer, type SentTracks } from './sending-peer';
import type { PublicationStats } from './stats';

export type { PublishOptions, SmallPicture } from './sending-peer';

/**
 * - `connecting`: offered for the first time.
 * - `connected`: media flows.
 * - `reconnecting`: the path was lost; an ICE restart or a new peer connection is under way.
 * - `closed`: ended.
 */
export type PublicationState = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** Events of a publication. */
export interface PublicationEvents {
  state: PublicationState;
  /** The relay plays it, or no longer does (`null`). */
  relay: RelayAddresses | null;
  /** It was given up. */
  error: WebliveError;
}

/**
 * What one publishes as `main` or `aux` of a room. A lost path heals by itself, by an ICE restart, or by a new peer
 * connection, in this order; while the server cannot be reached it waits for that.
 */
export class LocalPublication extends Emitter<PublicationEvents> {
  #state: PublicationState = 'connecting';
  #sending: SendingPeer | null = null;
  #stream: string | null = null;
  #relay: RelayAddresses | null = null;
  #muted = { audio: false, video: false };
  #tracks: SentTracks;
  /** What was there when anything was: a publication without both is told as one that is muted. */
  #had: { audio: boolean; video: boolean };
  /** The last picture that was sent. */
  #lastVideo: MediaStreamTrack | null = null;
  #options: PublishOptions;
  /** The best picture that somebody takes, as the server has told. */
  #wanted: Picture = 'large';
  /** Peer connections in a row that did not hold. */
  #tries = 0;
  #connectedAt = 0;
  /** This loss has had its ICE restart. */
  #hasRestarted = false;
  /** The room has to be entered again first. */
  #isHeld = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #offs: (() => void)[];

  /** @internal Made by `RoomMedia.publish`. */
  constructor(
    readonly session: Session,
    readonly room: RoomId,
    readonly track: TrackKind,
    tracks: MediaStreamTrack[],
    options: PublishOptions,
  ) {
    super();
    this.#options = hasRoomForSmall(tracks) ? options : { ...options, small: null };
    this.#tracks = { audio: tracks.find((t) => t.kind === 'audio') ?? null, video: tracks.find((t) => t.kind === 'video') ?? null };
    this.#had = { audio: this.#tracks.audio !== null, video: this.#tracks.video !== null };
    const mine = <E extends { room: RoomId; track: TrackKind }>(event: E) => event.room === room && event.track === track;
    this.#offs = [
      session.onEvent('publisherClosed', (event) => mine(event) && this.#onClosed(event.message)),
      session.onEvent('pictureWanted', (event) => mine(event) && this.#onWanted(event.picture)),
      session.onEvent('relayStarted', (event) => mine(event) && this.#relayed(event.relay)),
      // One that goes on under another id has stopped under the old one after that.
      session.onEvent('relayStopped', (event) => mine(event) && event.stream === this.#relay?.stream && this.#relayed(null)),
      session.on('state', ({ state }) => state === 'connected' && this.#onServerBack()),
      session.on('closed', () => this.#end()),
    ];
  }

  get state(): PublicationState {
    return this.#state;
  }

  /** The public stream id; null before the server's answer. */
  get stream(): string | null {
    return this.#stream;
  }

  /** The relay's addresses; null while it does not play. */
  get relay(): RelayAddresses | null {
    return this.#relay;
  }

  /** The peer connection; null while there is none. */
  get peer(): RTCPeerConnection | null {
    return this.#sending?.peer ?? null;
  }

  /** What the picture is sent in, such as `H264`; null before the server's answer. */
  get videoCodec(): string | null {
    return this.#sending?.videoCodec ?? null;
  }

  /** What was sent so far; null while there is no peer connection. */
  async stats(): Promise<PublicationStats | null> {
    return (await this.#sending?.stats()) ?? null;
  }

  /** What the room is told of it. */
  get contents(): Contents {
    const has = { audio: this.#tracks.audio !== null, video: this.#tracks.video !== null };
    const isEmpty = !has.audio && !has.video;
    const { audio, video } = isEmpty ? this.#had : has;
    return {
      hasAudio: audio,
      hasVideo: video,
      hasSmall: video && (this.#options.small ?? null) !== null,
      audioMuted: this.#muted.audio || (audio && isEmpty),
      videoMuted: this.#muted.video || (video && isEmpty),
    };
  }

  /** @internal Offers. Resolves when the server has answered; rejects and ends where it refuses. */
  async start(): Promise<void> {
    try {
      await this.#offer();
    } catch (thrown) {
      const error = toWebliveError(thrown, 'publish');
      this.#end();
      throw error;
    }
  }

  /** @internal The room has to be entered again: nothing can be sent until {@link restart}. */
  hold(): void {
    if (this.#state === 'closed') return;
    this.#isHeld = true;
    this.#close();
    this.#setState('reconnecting');
  }

  /** @internal The room was entered again: begins anew. */
  restart(): void {
    if (this.#state === 'closed') return;
    this.#isHeld = false;
    this.#tries = 0;
    this.#renew('the room was entered again');
  }

  /**
   * Sends another track, or none, without a gap for the others. The room is told where it changes what there is;
   * without any track it is told that what there was is muted.
   */
  async replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): Promise<void> {
    const before = JSON.stringify(this.contents);
    this.#lastVideo = this.#tracks.video ?? this.#lastVideo;
    this.#tracks = { ...this.#tracks, [kind]: track };
    const has = { audio: this.#tracks.audio !== null, video: this.#tracks.video !== null };
    if (has.audio || has.video) this.#had = has;
    await this.#sending?.replaceTrack(kind, track);
    if (kind === 'video' && track) await this.#bound();
    if (before !== JSON.stringify(this.contents)) await this.#tell();
  }

  /**
   * Mutes or unmutes; what is absent stays. The tracks themselves are the caller's. Rejects, and changes nothing,
   * where a host has closed the device.
   */
  async mute(what: { audio?: boolean; video?: boolean }): Promise<void> {
    const before = this.#muted;
    this.#muted = { ...before, ...what };
    if (this.#stream === null || this.#state === 'closed') return;
    try {
      await this.session.request('muteTrack', { room: this.room, track: this.track, ...what });
    } catch (thrown) {
      const error = toWebliveError(thrown, 'mute');
      // It is told with what is published next.
      if (this.#isLater(error)) return;
      this.#muted = before;
      throw error;
    }
  }

  /** Changes bounds of the bit rate and what gives way. */
  async setBounds(bounds: Pick<PublishOptions, 'maxVideoBps' | 'maxAudioBps' | 'degradationPreference'>): Promise<void> {
    this.#options = { ...this.#options, ...bounds };
    await this.#bound();
  }

  /** @internal Ends it; the server is told. */
  async stop(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#end();
    const { room, track } = this;
    await this.session.request('unpublish', { room, track }, { timeout: 3_000 }).catch((error: WebliveError) => log.debug('publisher', error.message));
  }

  /** @internal Ends it without telling: the room has been left. */
  drop(): void {
    this.#end();
  }

  async #offer(): Promise<void> {
    this.#close();
    const sending = new SendingPeer(this.session, { room: this.room, track: this.track }, () => this.#look(sending));
    this.#sending = sending;
    const [tracks, told] = [this.#tracks, this.contents];
    const published = await sending.publish(tracks, told, this.#options);
    if (sending !== this.#sending) throw new WebliveError('state', 'publish: ended meanwhile', false);
    this.#stream = published.stream;
    this.#relayed(published.relay);
    if (sending.peer.connectionState !== 'connected') this.#arm(() => this.#recover(sending), CONNECT_PATIENCE);
    for (const kind of ['audio', 'video'] as const) if (this.#tracks[kind] !== tracks[kind]) await sending.replaceTrack(kind, this.#tracks[kind]);
    if (!this.#tracks.video && this.#lastVideo) await sending.replaceTrack('video', null, this.#lastVideo);
    if (JSON.stringify(told) !== JSON.stringify(this.contents)) await this.#tell();
  }

  #look(sending: SendingPeer): void {
    if (sending !== this.#sending || this.#state === 'closed') return;
    const state = sending.peer.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#hasRestarted = false;
      sending.hasConnected = true;
      this.#connectedAt = performance.now();
      this.#setState('connected');
      void this.#bound();
    } else if (state === 'failed') {
      this.#recover(sending);
    } else if (state === 'disconnected') {
      this.session.probe();
      this.#arm(() => this.#recover(sending), DISCONNECTED_GRACE);
    }
  }

  /** Restarts ICE where that was not tried, else publishes anew; nothing while the server cannot be reached. */
  #recover(sending: SendingPeer): void {
    if (sending !== this.#sending || this.#state === 'closed' || sending.peer.connectionState === 'connected') return;
    if (sending.hasConnected) this.#setState('reconnecting');
    if (this.session.state !== 'connected') return;
    if (!sending.hasConnected || this.#hasRestarted) return this.#renew('no connection for media');
    log.info('publisher', `connection ${sending.peer.connectionState}: restarting ICE`);
    this.#hasRestarted = true;
    this.#arm(() => this.#recover(sending), RESTART_PATIENCE);
    sending.restartIce().then(
      () => sending === this.#sending && sending.peer.connectionState !== 'connected' && this.#arm(() => this.#recover(sending), RESTART_PATIENCE),
      (thrown: unknown) => {
        if (sending === this.#sending && this.#state !== 'closed') this.#renew(toWebliveError(thrown, 'ICE restart').message);
      },
    );
  }

  #onServerBack(): void {
    if (this.#state === 'closed' || this.#isHeld) return;
    const sending = this.#sending;
    if (!sending) return void (this.#state === 'reconnecting' && this.#publish());
    if (sending.peer.connectionState === 'connected') return;
    if (sending.isAsking || !sending.hasConnected) return this.#arm(() => this.#recover(sending), CONNECT_PATIENCE);
    this.#hasRestarted = false;
    this.#recover(sending);
  }

  #onClosed(message: string): void {
    // What is being published meets a server that has forgotten the old connection.
    if (this.#isHeld || this.#state === 'closed' || (this.#sending?.isAsking && this.#sending.peer.connectionState === 'new')) return;
    this.#renew(message);
  }

  /** Another peer connection begins with what was told last, and is told once it is live. */
  #onWanted(picture: Picture): void {
    this.#wanted = picture;
    void this.#bound();
  }

  /** Begins with a new peer connection: at once the first time, then with pauses, a few times. */
  #renew(why: string): void {
    if (this.#state === 'closed' || this.#isHeld) return;
    this.#close();
    this.#setState('reconnecting');
    this.#tries += 1;
    if (this.#tries > MAX_TRIES) return this.#giveUp(new WebliveError('connection', `publishing has ended: ${why}`, true));
    log.info('publisher', `${why}: publishing anew`);
    if (this.#tries === 1) this.#publish();
    else this.#arm(() => this.#publish(), RENEW_PAUSE * (this.#tries - 1));
  }

  #publish(): void {
    clearTimeout(this.#timer);
    if (this.session.state !== 'connected') return;
    const offered = this.#offer();
    const sending = this.#sending;
    offered.catch((thrown: unknown) => {
      if (sending !== this.#sending || this.#state === 'closed') return;
      const error = toWebliveError(thrown, 'publish');
      if (PASSING.has(error.type) || error.reason === 'publicationChanged') this.#renew(error.message);
      else this.#giveUp(error);
    });
  }

  #giveUp(error: WebliveError): void {
    this.#end();
    this.emit('error', error);
  }

  #bound(): Promise<void> {
    return this.#sending?.bound(this.#tracks.video, this.#options, this.#wanted) ?? Promise.resolve();
  }

  async #tell(): Promise<void> {
    if (this.#stream === null || this.#state === 'closed') return;
    try {
      await this.session.request('updatePublication', { room: this.room, track: this.track, publication: this.contents });
    } catch (thrown) {
      const error = toWebliveError(thrown, 'update');
      if (!this.#isLater(error)) throw error;
    }
  }

  /** Whether the server will hear of it with the next offer anyhow. */
  #isLater(error: WebliveError): boolean {
    const isComing = this.#state === 'reconnecting' || this.#state === 'connecting';
    return isComing && (error.type === 'network' || error.reason === 'notPublished' || error.reason === 'notEntered');
  }

  #relayed(relay: RelayAddresses | null): void {
    if (relay?.stream === this.#relay?.stream) return;
    this.#relay = relay;
    this.emit('relay', relay);
  }

  #arm(then: () => void, after: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, after);
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#hasRestarted = false;
    const sending = this.#sending;
    this.#sending = null;
    sending?.close();
  }

  #end(): void {
    if (this.#state === 'closed') return;
    this.#close();
    for (const off of this.#offs) off();
    this.#setState('closed');
  }

  #setState(state: PublicationState): void {
    if (this.#state === state) return;
    if (this.#state === 'connected' && performance.now() - this.#connectedAt >= STABLE) this.#tries = 0;
    this.#state = state;
    this.emit('state', state);
  }
}

/** Of less, Chromium sends one layer alone, and that is the small one. */
const LEAST_WITH_SMALL = 480 * 270;

function hasRoomForSmall(tracks: readonly MediaStreamTrack[]): boolean {
  const { width, height } = tracks.find(({ kind }) => kind === 'video')?.getSettings() ?? {};
  return !width || !height || width * height >= LEAST_WITH_SMALL;
}

const PASSING: ReadonlySet<string> = new Set(['network', 'timeout', 'busy']);

/** ICE reports short losses as "disconnected" and often heals by itself; milliseconds. */
const DISCONNECTED_GRACE = 1_500;

/** Milliseconds for the first connection. */
const CONNECT_PATIENCE = 8_000;

/** Milliseconds for one ICE restart. */
const RESTART_PATIENCE = 4_000;

/** Milliseconds before publishing is tried anew, times the number of tries that failed. */
const RENEW_PAUSE = 1_000;

/** A connection that held for so many milliseconds was a success. */
const STABLE = 5_000;

/** Peer connections in a row before publishing is given up; with the patience for each, about a minute. */
const MAX_TRIES = 6;
