import { preferVideoCodec, type VideoCodec } from '../codecs';
import { Emitter } from '../emitter';
import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { Publication as Contents, RelayAddresses, RoomId, TrackKind } from '../protocol/messages';
import { restartedAnswer, writeFragment } from '../sdpfrag';
import type { Session } from '../signal/session';
import { type PublicationStats, publicationStats } from './stats';
import { trickle } from './trickle';

/** A small picture that is sent beside the large one. */
export interface SmallPicture {
  width: number;
  height: number;
  bitrateBps: number;
  framesPerSecond: number;
}

/** How something is published. */
export interface PublishOptions {
  /** A stream id of one's own for the relay's addresses: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  streamId?: string;
  /** The codec to put first. H.264 (the default) is the one that FLV and HLS viewers can play. */
  videoCodec?: VideoCodec;
  /** Upper bounds in bits per second. */
  maxVideoBps?: number;
  maxAudioBps?: number;
  /** Send a small picture too. */
  small?: SmallPicture | null;
  /** What gives way when bandwidth or CPU is short. */
  degradationPreference?: RTCDegradationPreference;
}

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

/** What one publishes as `main` or `aux` of a room: one peer connection, replaced when it is lost for good. */
export class LocalPublication extends Emitter<PublicationEvents> {
  #state: PublicationState = 'connecting';
  #peer: RTCPeerConnection | null = null;
  #answer = '';
  #etag: string | null = null;
  #stream: string | null = null;
  #relay: RelayAddresses | null = null;
  #audioMuted = false;
  #videoMuted = false;
  #tracks: { audio: MediaStreamTrack | null; video: MediaStreamTrack | null };
  #options: PublishOptions;
  #failures = 0;
  #generation = 0;
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
    this.#options = options;
    this.#tracks = { audio: tracks.find((t) => t.kind === 'audio') ?? null, video: tracks.find((t) => t.kind === 'video') ?? null };
    const mine = <E extends { room: RoomId; track: TrackKind }>(event: E) => event.room === room && event.track === track;
    this.#offs = [
      session.onEvent('publisherClosed', (event) => mine(event) && this.#renew(event.message)),
      session.onEvent('relayStarted', (event) => mine(event) && this.#relayed(event.relay)),
      session.onEvent('relayStopped', (event) => mine(event) && this.#relayed(null)),
      session.on('state', ({ state }) => state === 'connected' && this.#peer && this.#look(this.#peer)),
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

  /** The peer connection, for statistics; null while there is none. */
  get peer(): RTCPeerConnection | null {
    return this.#peer;
  }

  /** What was sent so far; null while there is no peer connection. */
  async stats(): Promise<PublicationStats | null> {
    const report = await this.#peer?.getStats();
    return report ? publicationStats(report, SMALL) : null;
  }

  /** What the room is told of it. */
  get contents(): Contents {
    const { audio, video } = this.#tracks;
    return {
      hasAudio: audio !== null,
      hasVideo: video !== null,
      hasSmall: video !== null && (this.#options.small ?? null) !== null,
      audioMuted: this.#audioMuted,
      videoMuted: this.#videoMuted,
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

  /** @internal The room was entered again: everything begins anew. */
  restart(): void {
    if (this.#state !== 'closed') this.#renew('the room was entered again');
  }

  /** Sends another track, or none, without a gap for the others. The room is told where it changes what there is. */
  async replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): Promise<void> {
    const before = this.#tracks[kind];
    this.#tracks[kind] = track;
    await this.#sender(kind)?.replaceTrack(track);
    if (kind === 'video' && track) await this.#bound();
    if ((before === null) !== (track === null)) await this.#tell();
  }

  /** Mutes or unmutes; what is absent stays. The tracks themselves are the caller's. */
  async mute(what: { audio?: boolean; video?: boolean }): Promise<void> {
    this.#audioMuted = what.audio ?? this.#audioMuted;
    this.#videoMuted = what.video ?? this.#videoMuted;
    if (this.#stream !== null) await this.session.request('muteTrack', { room: this.room, track: this.track, ...what });
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
    await this.session.request('unpublish', { room: this.room, track: this.track }, { timeout: 3_000 }).catch(() => undefined);
  }

  /** @internal Ends it without telling: the room has been left. */
  drop(): void {
    this.#end();
  }

  async #offer(): Promise<void> {
    const generation = ++this.#generation;
    this.#close();
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.session.login?.iceServers ?? [] });
    this.#peer = peer;
    const { audio, video } = this.#tracks;
    const stream = new MediaStream();
    // Both are offered always, so that a camera or microphone that comes later needs no new offer.
    peer.addTransceiver(audio ?? 'audio', { direction: 'sendonly', streams: [stream] });
    const transceiver = peer.addTransceiver(video ?? 'video', { direction: 'sendonly', streams: [stream], sendEncodings: this.#encodings() });
    preferVideoCodec(transceiver, this.#options.videoCodec ?? 'h264', false);
    const offer = await peer.createOffer();
    const { room, track } = this;
    const { streamId } = this.#options;
    const published = await this.session.request('publish', {
      room, track, publication: this.contents, offer: offer.sdp ?? '', ...(streamId !== undefined && { streamId }),
    });
    if (generation !== this.#generation || this.#state === 'closed') throw new WebliveError('state', 'publish: ended meanwhile', false);
    this.#answer = published.answer;
    this.#etag = published.etag;
    this.#stream = published.stream;
    this.#relayed(published.relay);
    trickle(peer, (fragment) => this.session.request('patchPublisher', { room, track, fragment, ...(this.#etag !== null && { ifMatch: this.#etag }) }));
    peer.addEventListener('connectionstatechange', () => this.#look(peer));
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: 'answer', sdp: published.answer });
    this.#arm(() => this.#renew('no connection for media'), CONNECT_PATIENCE);
  }

  #look(peer: RTCPeerConnection): void {
    if (peer !== this.#peer || this.#state === 'closed') return;
    const state = peer.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.#setState('connected');
      void this.#bound();
    } else if (state === 'failed') {
      void this.#restartIce(peer);
    } else if (state === 'disconnected') {
      this.#arm(() => void this.#restartIce(peer), DISCONNECTED_GRACE);
    }
  }

  /** Restarts ICE, as soon as the server can be reached; where that does not help, publishes anew. */
  async #restartIce(peer: RTCPeerConnection): Promise<void> {
    if (peer !== this.#peer || peer.connectionState === 'connected' || this.session.state !== 'connected') return;
    this.#setState('reconnecting');
    this.#failures += 1;
    if (this.#failures > 1) return this.#renew('an ICE restart did not help');
    log.info('publisher', `connection ${peer.connectionState}: restarting ICE`);
    try {
      const offer = await peer.createOffer({ iceRestart: true });
      await peer.setLocalDescription(offer);
      const { room, track } = this;
      const patched = await this.session.request('patchPublisher', { room, track, fragment: writeFragment(offer.sdp ?? '', [], false), ifMatch: '*' });
      if (peer !== this.#peer) return;
      this.#etag = patched.etag;
      await peer.setRemoteDescription({ type: 'answer', sdp: restartedAnswer(this.#answer, patched.fragment ?? '') });
      this.#arm(() => void this.#restartIce(peer), RESTART_PATIENCE);
    } catch (thrown) {
      if (peer === this.#peer) this.#renew(toWebliveError(thrown, 'ICE restart').message);
    }
  }

  /** Begins with a new peer connection, a few times. */
  #renew(why: string): void {
    if (this.#state === 'closed') return;
    this.#setState('reconnecting');
    this.#close();
    this.#failures += 1;
    if (this.#failures > MAX_FAILURES) {
      this.#end();
      this.emit('error', new WebliveError('connection', `publishing has ended: ${why}`, true));
      return;
    }
    log.info('publisher', `${why}: publishing anew`);
    this.#offer().catch((thrown: unknown) => {
      if (this.#state === 'closed') return;
      const error = toWebliveError(thrown, 'publish');
      if (error.type === 'state') return;
      const isPassing = error.type === 'network' || error.type === 'timeout' || error.type === 'busy' || error.reason === 'publicationChanged';
      if (isPassing) return this.#arm(() => this.#renew(error.message), RENEW_PAUSE * this.#failures);
      this.#end();
      this.emit('error', error);
    });
  }

  #encodings(): RTCRtpEncodingParameters[] {
    const { small, maxVideoBps } = this.#options;
    const large: RTCRtpEncodingParameters = { ...(maxVideoBps !== undefined && { maxBitrate: maxVideoBps }) };
    if (!small) return [large];
    const height = this.#tracks.video?.getSettings().height ?? 480;
    return [
      { rid: SMALL, scaleResolutionDownBy: Math.max(1, height / small.height), maxBitrate: small.bitrateBps, maxFramerate: small.framesPerSecond },
      { rid: LARGE, ...large },
    ];
  }

  async #bound(): Promise<void> {
    const { maxVideoBps, maxAudioBps, degradationPreference } = this.#options;
    for (const sender of this.#peer?.getSenders() ?? []) {
      const isVideo = sender === this.#sender('video');
      const bound = isVideo ? maxVideoBps : maxAudioBps;
      const parameters = sender.getParameters();
      const encoding = parameters.encodings?.at(-1);
      if (encoding && bound !== undefined) encoding.maxBitrate = bound;
      if (isVideo && degradationPreference !== undefined) parameters.degradationPreference = degradationPreference;
      // Bounds are a wish: a browser that refuses them still publishes.
      await sender.setParameters(parameters).catch(() => undefined);
    }
  }

  #sender(kind: 'audio' | 'video'): RTCRtpSender | undefined {
    return this.#peer?.getTransceivers()[kind === 'audio' ? 0 : 1]?.sender;
  }

  async #tell(): Promise<void> {
    if (this.#stream === null || this.#state === 'closed') return;
    await this.session.request('updatePublication', { room: this.room, track: this.track, publication: this.contents });
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
    const peer = this.#peer;
    this.#peer = null;
    peer?.close();
  }

  #end(): void {
    if (this.#state === 'closed') return;
    this.#generation += 1;
    this.#close();
    for (const off of this.#offs) off();
    this.#setState('closed');
  }

  #setState(state: PublicationState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('state', state);
  }
}

/** The rids of the two pictures (RFC 8851). */
const [SMALL, LARGE] = ['l', 'h'];

/** ICE reports short losses as "disconnected" and often heals by itself; milliseconds. */
const DISCONNECTED_GRACE = 1_500;

/** Milliseconds for the first connection. */
const CONNECT_PATIENCE = 8_000;

/** Milliseconds for one ICE restart. */
const RESTART_PATIENCE = 4_000;

/** Milliseconds before publishing is tried anew, times the number of tries. */
const RENEW_PAUSE = 1_000;

/** Tries without a connection before publishing is given up. */
const MAX_FAILURES = 6;
