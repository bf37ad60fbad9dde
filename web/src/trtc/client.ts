import { toWebliveError, WebliveError, withFatal } from '../errors';
import { log } from '../log';
import type { Role } from '../protocol/messages';
import type { LocalPublication, PublicationState, SmallPicture } from '../rtc/publication';
import { RoomMedia } from '../rtc/room-media';
import { originOf, server } from '../server';
import { type Lease, sessions } from '../signal/pool';
import type { ConnectionState } from '../signal/session';
import { publishStream } from '../streams';
import { AutoplayDialog } from './autoplay-dialog';
import { checkClientConfig, checkMix, checkRoom, checkSmallProfile, mustHaveWebRtc } from './checks';
import { ErrorCode } from './codes';
import { Listeners } from './listeners';
import { LocalStream } from './local-stream';
import type { RemoteStream } from './remote-stream';
import { Remotes } from './remotes';
import { badOperation, badParameter, RtcError, toRtcError } from './rtc-error';
import { isSeiSupported, SeiChannel } from './sei';
import { localAudioStats, localVideoStats, remoteAudioStats, remoteVideoStats, transportStats } from './stats';
import type {
  ClientConfig, ClientConnectionState, ClientEvents, JoinConfig, LocalAudioStats, LocalVideoStats, MixTranscodeConfig, ProxyServers, PublishCDNOptions,
  RemoteAudioStats, RemoteMutedState, RemoteVideoStats, SmallStreamProfile, SubscribeOptions, TransportStats, TurnServer,
} from './types';
import { VolumeTeller } from './volumes';

type Kind = 'main' | 'aux';

interface Published {
  stream: LocalStream;
  publication: LocalPublication;
}

interface Joined {
  lease: Lease;
  media: RoomMedia;
  remotes: Remotes;
  offs: (() => void)[];
}

/** A user's part in a room: what it publishes and what it receives. Made by `createClient`. */
export class Client {
  readonly #config: ClientConfig;
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #published = new Map<Kind, Published>();
  readonly #volumes = new VolumeTeller(() => this.#heardStreams(), (result) => this.#tell('audio-volume', { result }));
  #joined: Joined | null = null;
  /** The room that is being entered. */
  #joining: RoomMedia | null = null;
  #isDestroyed = false;
  /** What is told only when `join` has resolved. */
  #held: (() => void)[] | null = null;
  #isAutomatic: boolean;
  #isSmallOn = false;
  #sei: SeiChannel | null = null;
  #small: SmallPicture = { width: 160, height: 120, framesPerSecond: 15, bitrateBps: 100_000 };
  #server: string | null = null;
  #iceServers: RTCIceServer[] = [];

  /** @internal */
  constructor(config: ClientConfig) {
    checkClientConfig(config);
    this.#config = { ...config };
    this.#isAutomatic = config.autoSubscribe ?? true;
    if (config.server !== undefined) this.#server = originOf(config.server);
  }

  /** Addition: the room's media, for what this interface has no word for; null outside of a room. */
  get media(): RoomMedia | null {
    return this.#joined?.media ?? null;
  }

  /** Registers a handler; `context` becomes its `this`. */
  on<K extends keyof ClientEvents>(event: K, handler: (event: ClientEvents[K]) => void, context?: unknown): this {
    this.#listeners.on(event, handler, context);
    return this;
  }

  /** Removes a handler; all of an event without one; all of all events for `'*'`. */
  off<K extends keyof ClientEvents>(event: K | '*', handler?: (event: ClientEvents[K]) => void): this {
    this.#listeners.off(event, handler);
    return this;
  }

  /**
   * Enters a room. Rejects with `JOIN_ROOM_FAILED` where the server refuses, `SIGNAL_CHANNEL_SETUP_FAILED` where it
   * cannot be reached, `API_CALL_TIMEOUT` after 10 s without an answer, and `API_CALL_ABORTED` where {@link leave} is
   * called meanwhile.
   */
  async join(config: JoinConfig): Promise<void> {
    mustHaveWebRtc();
    const room = checkRoom(config, this.#config.useStringRoomId === true);
    this.#mustLive('join');
    if (this.#joined || this.#joining) throw badOperation('join: in a room already; call leave first');
    const { sdkAppId, userId, userSig, mode } = this.#config;
    const lease = sessions.acquire({ server: this.#server ?? server(), app: sdkAppId, user: userId, userSig });
    if (this.#iceServers.length > 0) lease.session.setIceServers(this.#iceServers);
    const media = new RoomMedia(lease.session, room);
    this.#joining = media;
    const joined = this.#listen(lease, media);
    const held: (() => void)[] = [];
    this.#held = held;
    try {
      const role: Role = mode === 'live' ? (config.role ?? 'anchor') : 'anchor';
      await media.enter({ scene: mode, role, ...(config.privateMapKey !== undefined && { privateMapKey: config.privateMapKey }) });
    } catch (thrown) {
      if (this.#held === held) this.#held = null;
      const isWanted = this.#joining === media;
      if (isWanted) this.#joining = null;
      await this.#release(joined);
      if (!isWanted) throw new RtcError(ErrorCode.API_CALL_ABORTED, 'join: leave was called meanwhile');
      throw toRtcError(thrown, 'join', { always: ErrorCode.JOIN_ROOM_FAILED });
    }
    this.#joining = null;
    this.#joined = joined;
    if (this.#config.enableSEI && isSeiSupported()) this.#sei = this.#listenSei(joined);
    this.#volumes.in(media);
    // Whoever awaits `join` runs before the first events of the room.
    setTimeout(() => this.#held === held && this.#tellHeld(), 0);
  }

  /** Leaves the room; what is published ends, and streams of others are gone. A `join` that is under way rejects. */
  async leave(): Promise<void> {
    const joining = this.#joining;
    this.#joining = null;
    if (joining) return joining.leave();
    const joined = this.#joined;
    if (!joined) return log.warn('client', 'leave: in no room');
    this.#out();
    await joined.media.leave();
    await this.#release(joined);
  }

  /** Ends the client; leave the room before. */
  destroy(): void {
    if (this.#joined || this.#joining) throw badOperation('destroy: call leave first');
    this.#isDestroyed = true;
    this.#volumes.close();
    this.#listeners.off('*');
  }

  /** Publishes a stream; `isAuxiliary` beside the camera, as the screen. Resolves when media flows. */
  async publish(stream: LocalStream, options: { isAuxiliary?: boolean } = {}): Promise<void> {
    const { media } = this.#mustBeIn('publish');
    if (!(stream instanceof LocalStream)) throw badParameter('publish: this is no local stream; make one by createStream');
    if (!stream.below.isStarted) throw badOperation('publish: call initialize of the stream first');
    if (this.#config.mode === 'live' && media.role === 'audience') throw badOperation("publish: the audience does not publish; call switchRole('anchor') first");
    const kind: Kind = options.isAuxiliary ? 'aux' : 'main';
    if (this.#published.has(kind)) throw badOperation(`publish: there is ${kind === 'main' ? 'a stream' : 'an auxiliary stream'} already; unpublish it first`);
    const { streamId, videoCodec } = this.#config;
    let publication: LocalPublication | null = null;
    stream.connection('CONNECTING');
    try {
      publication = await publishStream(media, kind, stream.below, {
        ...(kind === 'main' && streamId && { streamId }),
        ...(videoCodec && { videoCodec }),
        ...(kind === 'main' && this.#isSmallOn && { small: this.#small }),
        ...(kind === 'main' && this.#sei && { onSender: this.#sei.onSender }),
      });
      this.#published.set(kind, { stream, publication });
      this.#follow(kind, stream, publication);
      await connected(publication);
    } catch (thrown) {
      if (publication) {
        this.#published.delete(kind);
        await media.unpublish(kind).catch((error: unknown) => log.debug('client', 'unpublish', error));
      }
      stream.connection('DISCONNECTED');
      // What no server has said comes from the browser: it could not make an offer of what there is, or not take the answer.
      const isOffer = toWebliveError(thrown, 'publish').type === 'media';
      throw toRtcError(thrown, 'publish', { other: isOffer ? ErrorCode.CREATE_OFFER_FAILED : ErrorCode.UPLINK_RECONNECTION_FAILED });
    }
    publication.on('error', (error) => this.#tell('error', toRtcError(withFatal(error, true), 'publish', { other: ErrorCode.UPLINK_RECONNECTION_FAILED })));
  }

  /** Publishes a stream no longer; it stays open on this page. */
  async unpublish(stream: LocalStream): Promise<void> {
    const { media } = this.#mustBeIn('unpublish');
    const kind = this.#kindOf(stream);
    if (!kind) throw badOperation('unpublish: this stream is not published');
    this.#published.delete(kind);
    try {
      await media.unpublish(kind);
    } catch (thrown) {
      throw toRtcError(thrown, 'unpublish');
    }
  }

  /** Receives a stream of `stream-added`: sound, picture or both. Resolves when its media has come. */
  async subscribe(stream: RemoteStream, options: SubscribeOptions = {}): Promise<void> {
    await this.#mustBeIn('subscribe').remotes.subscribe(stream, options);
  }

  /** Receives a stream no longer. */
  async unsubscribe(stream: RemoteStream): Promise<void> {
    await this.#mustBeIn('unsubscribe').remotes.unsubscribe(stream);
  }

  /** Becomes anchor or audience; only in live mode. As audience one publishes nothing. */
  async switchRole(role: 'anchor' | 'audience', options: { privateMapKey?: string } = {}): Promise<void> {
    const { media } = this.#mustBeIn('switchRole');
    if (role !== 'anchor' && role !== 'audience') throw badParameter(`switchRole: ${JSON.stringify(role)}; allowed are 'anchor' and 'audience'`);
    if (this.#config.mode !== 'live') throw badOperation("switchRole: there are roles in mode 'live' only");
    if (media.role === role) return;
    try {
      if (options.privateMapKey !== undefined) await media.updatePrivateMapKey(options.privateMapKey);
      await media.switchRole(role);
    } catch (thrown) {
      throw toRtcError(thrown, 'switchRole', { always: ErrorCode.SWITCH_ROLE_FAILED });
    }
  }

  /** Of all other anchors in the room, whether they publish and mute. */
  getRemoteMutedState(): RemoteMutedState[] {
    return [...(this.media?.anchors.values() ?? [])].map(({ user, tracks: { main } }) => ({
      userId: user,
      hasAudio: main?.hasAudio ?? false, hasVideo: main?.hasVideo ?? false, hasSmall: main?.hasSmall ?? false,
      audioMuted: main?.audioMuted ?? false, videoMuted: main?.videoMuted ?? false,
    }));
  }

  async getTransportStats(): Promise<TransportStats> {
    const { media, remotes } = this.#mustBeIn('getTransportStats');
    return transportStats(media, remotes.received);
  }

  async getLocalAudioStats(): Promise<Record<string, LocalAudioStats>> {
    return localAudioStats(this.#mustBeIn('getLocalAudioStats').media, this.#config.userId);
  }

  async getLocalVideoStats(): Promise<Record<string, LocalVideoStats>> {
    return localVideoStats(this.#mustBeIn('getLocalVideoStats').media, this.#config.userId);
  }

  async getRemoteAudioStats(): Promise<Record<string, RemoteAudioStats>> {
    const { remotes } = this.#mustBeIn('getRemoteAudioStats');
    return remoteAudioStats(remotes.received.filter((stream) => stream.getType() === 'main'));
  }

  /** Of the cameras, or of the shared screens. */
  async getRemoteVideoStats(type: 'main' | 'auxiliary' = 'main'): Promise<Record<string, RemoteVideoStats>> {
    const { remotes } = this.#mustBeIn('getRemoteVideoStats');
    return remoteVideoStats(remotes.received.filter((stream) => stream.getType() === type));
  }

  /** Sends a small picture too, in what is published from now on. */
  async enableSmallStream(): Promise<void> {
    if (this.#published.has('main')) throw badOperation('enableSmallStream: call it before publish');
    this.#isSmallOn = true;
  }

  async disableSmallStream(): Promise<void> {
    if (this.#published.has('main')) throw badOperation('disableSmallStream: call unpublish first');
    this.#isSmallOn = false;
  }

  /** The shape of the small picture; 160x120, 15 fps, 100 kbit/s unless told otherwise. */
  async setSmallStreamProfile(profile: SmallStreamProfile): Promise<void> {
    checkSmallProfile(profile);
    const { width, height, bitrate, frameRate } = profile;
    this.#small = { width, height, framesPerSecond: frameRate, bitrateBps: bitrate * 1000 };
  }

  /** Receives the large (`big`) or the small picture of a stream. */
  async setRemoteVideoStreamType(stream: RemoteStream, type: 'big' | 'small'): Promise<void> {
    const { remotes } = this.#mustBeIn('setRemoteVideoStreamType');
    if (type !== 'big' && type !== 'small') throw badParameter(`setRemoteVideoStreamType: ${JSON.stringify(type)}; allowed are 'big' and 'small'`);
    if (type === 'small' && !stream.below.publication.hasSmall) throw badOperation(`setRemoteVideoStreamType: ${stream.getUserId()} sends no small picture`);
    await remotes.choose(stream, type === 'small' ? 'small' : 'large');
  }

  /** Tells by `audio-volume` every `interval` milliseconds how loud each stream is; 0 or less ends it. */
  enableAudioVolumeEvaluation(interval = 2000, inBackground = false): void {
    if (!Number.isFinite(interval)) throw badParameter(`enableAudioVolumeEvaluation: ${String(interval)}; allowed is a number of milliseconds`);
    this.#volumes.set(interval, inBackground);
  }

  /**
   * Has the server offer what is published as main over FLV and HLS too, under a stream id of one's own if given.
   * Rejects with `NOT_SUPPORTED_H264` where this browser sends VP8, which these cannot carry. With a `url` it is pushed
   * there by RTMP besides, where the server's operator lets pages do so; that ends with {@link stopPublishCDNStream}.
   */
  async startPublishCDNStream(options: PublishCDNOptions = {}): Promise<void> {
    const { media } = this.#mustBeIn('startPublishCDNStream');
    const publication = media.publication('main');
    if (!publication) throw badOperation('startPublishCDNStream: call publish first');
    const { streamId, url } = options;
    if (streamId !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(streamId)) throw badParameter(`startPublishCDNStream: streamId ${JSON.stringify(streamId)}; allowed are 1 to 64 of A-Z a-z 0-9 _ -`);
    const codec = (await publication.stats())?.video?.codec;
    if (codec && /vp8/i.test(codec)) {
      throw new RtcError(ErrorCode.NOT_SUPPORTED_H264, `startPublishCDNStream: FLV and HLS do not carry ${codec}`, { advice: 'Publish from a browser that sends H.264, or watch over WebRTC.' });
    }
    const before = publication.relay?.stream;
    const here = { room: media.room, track: 'main' } as const;
    const relayAs = (name?: string) => media.session.request('startRelay', { ...here, ...(name !== undefined && { streamId: name }) }, { timeout: CDN_PATIENCE });
    try {
      await relayAs(streamId);
      if (url === undefined) return;
      try {
        await media.session.request('startPush', { ...here, url }, { timeout: CDN_PATIENCE });
      } catch (thrown) {
        // Who is told that it failed finds all as it was.
        if (before === undefined) await media.session.request('stopRelay', here, { timeout: CDN_PATIENCE }).catch(() => undefined);
        else if (streamId !== undefined) await relayAs(before).catch(() => undefined);
        throw thrown;
      }
    } catch (thrown) {
      throw toRtcError(thrown, 'startPublishCDNStream', { always: ErrorCode.START_PUBLISH_CDN_FAILED });
    }
  }

  async stopPublishCDNStream(): Promise<void> {
    const { media } = this.#mustBeIn('stopPublishCDNStream');
    try {
      await media.session.request('stopRelay', { room: media.room, track: 'main' }, { timeout: CDN_PATIENCE });
    } catch (thrown) {
      throw toRtcError(thrown, 'stopPublishCDNStream', { always: ErrorCode.STOP_PUBLISH_CDN_FAILED });
    }
  }

  /** Rejects with `START_MIX_TRANSCODE_FAILED`, because this server mixes no pictures. */
  async startMixTranscode(config: MixTranscodeConfig): Promise<void> {
    this.#mustBeIn('startMixTranscode');
    checkMix(config, this.#config.userId);
    throw notOffered(ErrorCode.START_MIX_TRANSCODE_FAILED, 'startMixTranscode: this server does not mix; show the streams beside each other in the page');
  }

  /** Rejects with `STOP_MIX_TRANSCODE_FAILED`: there is no mix to be stopped. */
  async stopMixTranscode(): Promise<void> {
    this.#mustBeIn('stopMixTranscode');
    throw notOffered(ErrorCode.STOP_MIX_TRANSCODE_FAILED, 'stopMixTranscode: this server does not mix, so there is nothing to stop');
  }

  /** Sends data in the picture of the camera: it arrives with the picture that is shown then, or is lost with it. Needs `enableSEI` and H.264. */
  sendSEIMessage(data: ArrayBuffer, options: { seiPayloadType?: 5 | 243 } = {}): void {
    this.#mustBeIn('sendSEIMessage');
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0 || data.byteLength > MAX_SEI) throw badParameter(`sendSEIMessage: allowed is an ArrayBuffer of 1 to ${MAX_SEI} bytes`);
    const { seiPayloadType = 243 } = options;
    if (seiPayloadType !== 5 && seiPayloadType !== 243) throw badParameter(`sendSEIMessage: seiPayloadType ${String(seiPayloadType)}; allowed are 5 and 243`);
    if (!this.#config.enableSEI) throw badOperation('sendSEIMessage: call createClient with enableSEI: true');
    const main = this.#published.get('main');
    if (!main) throw badOperation('sendSEIMessage: call publish first');
    const { videoCodec } = main.publication;
    const isOther = videoCodec && videoCodec !== 'H264';
    if (!this.#sei || isOther) {
      throw new RtcError(ErrorCode.NOT_SUPPORTED, `sendSEIMessage: ${isOther ? `the picture is sent as ${videoCodec}; allowed is H264` : 'this browser gives no access to encoded pictures'}`, { advice: 'Send a custom message of the chat instead.' });
    }
    this.#sei.send({ payloadType: seiPayloadType, data: new Uint8Array(data) });
  }

  /** The server's address behind a proxy of one's own, `wss://host[:port]`; call it before `join`. */
  setProxyServer(proxy: string | ProxyServers): void {
    if (this.#joined || this.#joining) throw badOperation('setProxyServer: call it before join');
    const address = typeof proxy === 'string' ? proxy : (proxy?.websocketProxy ?? proxy?.unifiedProxy);
    if (address === undefined) return;
    try {
      this.#server = originOf(address);
    } catch (thrown) {
      throw toRtcError(thrown, 'setProxyServer');
    }
  }

  /** TURN servers beside those of the server; call it before `join`. An empty list takes them back. */
  setTurnServer(servers: TurnServer | TurnServer[]): void {
    if (this.#joined || this.#joining) throw badOperation('setTurnServer: call it before join');
    this.#iceServers = (Array.isArray(servers) ? servers : [servers]).map((turn) => {
      if (typeof turn?.url !== 'string' || turn.url === '') throw badParameter('setTurnServer: url is missing; allowed is turn:host:port');
      const { url, username, credential } = turn;
      return { urls: /^(turns?|stun):/.test(url) ? url : `turn:${url}`, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) };
    });
  }

  /** `updatePrivateMapKey` with `{privateMapKey}` brings a new token; nothing else is known. */
  async callExperimentalAPI(name: string, options: { privateMapKey?: string } = {}): Promise<void> {
    if (name !== 'updatePrivateMapKey') throw new RtcError(ErrorCode.NOT_SUPPORTED, `callExperimentalAPI: ${JSON.stringify(name)}; allowed is 'updatePrivateMapKey'`);
    const { media } = this.#mustBeIn('callExperimentalAPI');
    if (typeof options.privateMapKey !== 'string') throw badParameter('callExperimentalAPI: privateMapKey is missing');
    try {
      await media.updatePrivateMapKey(options.privateMapKey);
    } catch (thrown) {
      throw toRtcError(thrown, 'callExperimentalAPI');
    }
  }

  /** An older way to say `autoSubscribe: false`. */
  setDefaultMuteRemoteStreams(isMuted: boolean): void {
    this.#isAutomatic = !isMuted;
  }

  #listenSei({ media, remotes, offs }: Joined): SeiChannel {
    const sei = new SeiChannel(media.receiver, ({ payloadType, data }, id) => {
      const stream = remotes.received.find(({ below }) => below.stream === id);
      if (!stream) return;
      this.#tell('sei-message', {
        userId: stream.getUserId(), data: data.slice().buffer, seiPayloadType: payloadType, isFromAuxiliary: stream.getType() === 'auxiliary',
      });
    });
    offs.push(() => sei.close());
    return sei;
  }

  #listen(lease: Lease, media: RoomMedia): Joined {
    const remotes = new Remotes(media, this.#tell, () => this.#isAutomatic);
    const joined: Joined = { lease, media, remotes, offs: [] };
    joined.offs = [
      media.on('state', ({ previous, state }) => this.#listeners.emit('connection-state-changed', { prevState: STATES[previous], state: STATES[state] })),
      media.on('anchorEntered', ({ user }) => this.#tell('peer-join', { userId: user })),
      media.on('anchorLeft', ({ user }) => this.#tell('peer-leave', { userId: user })),
      media.on('publication', (event) => this.#later(() => remotes.onPublication(event))),
      media.on('quality', (quality) => this.#tell('network-quality', quality)),
      media.on('volumes', (volumes) => this.#volumes.heard(volumes)),
      media.on('removed', ({ reason, message }) => {
        this.#lost(joined);
        this.#tell('client-banned', { reason, message });
      }),
      media.on('error', (error) => {
        this.#lost(joined);
        this.#tell('error', toRtcError(withFatal(error, true), 'room', { always: ErrorCode.SIGNAL_CHANNEL_RECONNECTION_FAILED }));
      }),
      media.on('receivingFailed', (error) => this.#tell('error', toRtcError(error, 'receiving', { always: ErrorCode.DOWNLINK_RECONNECTION_FAILED }))),
      media.receiver.on('state', (state) => remotes.connection(PEER_STATES[state] ?? 'DISCONNECTED')),
    ];
    return joined;
  }

  /** Follows what becomes of a publication. */
  #follow(kind: Kind, stream: LocalStream, publication: LocalPublication): void {
    stream.connection(PUBLICATION_STATES[publication.state]);
    publication.on('state', (state) => {
      stream.connection(PUBLICATION_STATES[state]);
      if (state === 'closed' && this.#published.get(kind)?.publication === publication) this.#published.delete(kind);
    });
  }

  readonly #tell = <K extends keyof ClientEvents>(event: K, value: ClientEvents[K]): void => this.#later(() => {
    if (event === 'stream-added') this.#watchAutoplay((value as ClientEvents['stream-added']).stream);
    if (event === 'stream-removed') DIALOG.forget((value as ClientEvents['stream-removed']).stream);
    this.#listeners.emit(event, value);
  });

  /** Waits until `join` has resolved. */
  #later(tell: () => void): void {
    if (this.#held) this.#held.push(tell);
    else tell();
  }

  #tellHeld(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const tell of held) tell();
  }

  #watchAutoplay(stream: RemoteStream): void {
    if (this.#config.enableAutoPlayDialog === false) return;
    stream.on('error', (error) => error.getCode() === ErrorCode.PLAY_NOT_ALLOWED && DIALOG.ask(stream));
    stream.on('player-state-changed', ({ type, state }) => type === 'audio' && state === 'PLAYING' && DIALOG.forget(stream));
  }

  #heardStreams(): (LocalStream | RemoteStream)[] {
    const local = [...this.#published.values()].map(({ stream }) => stream);
    return [...local, ...(this.#joined?.remotes.received ?? [])].filter((stream) => stream.hasAudio());
  }

  #kindOf(stream: LocalStream): Kind | null {
    for (const [kind, published] of this.#published) if (published.stream === stream) return kind;
    return null;
  }

  /** The room is over, by somebody else. */
  #lost(joined: Joined): void {
    if (this.#joined === joined) this.#out();
    this.#release(joined).catch((thrown: unknown) => log.debug('client', 'release', thrown));
  }

  #out(): void {
    const joined = this.#joined;
    this.#joined = null;
    this.#held = null;
    this.#published.clear();
    this.#volumes.in(null);
    for (const stream of joined?.remotes.streams ?? []) DIALOG.forget(stream);
    joined?.remotes.close();
    this.#sei = null;
  }

  async #release(joined: Joined): Promise<void> {
    for (const off of joined.offs.splice(0)) off();
    await joined.lease.release();
  }

  #mustLive(doing: string): void {
    if (this.#isDestroyed) throw badOperation(`${doing}: the client was destroyed; make another one`);
  }

  #mustBeIn(doing: string): Joined {
    this.#mustLive(doing);
    if (!this.#joined) throw badOperation(`${doing}: call join first`);
    return this.#joined;
  }
}

/** Resolves when media flows; rejects where that does not come to be. */
function connected(publication: LocalPublication): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      clearTimeout(timer);
      for (const off of offs) off();
      then();
    };
    const look = (state: PublicationState) => {
      if (state === 'connected') settle(resolve);
      else if (state === 'closed') settle(() => reject(new RtcError(ErrorCode.API_CALL_ABORTED, 'publish: ended before media flowed')));
    };
    const timer = setTimeout(() => settle(() => reject(new WebliveError('timeout', `publish: no media after ${PUBLISH_PATIENCE} ms`, false))), PUBLISH_PATIENCE);
    const offs = [publication.on('error', (error) => settle(() => reject(error))), publication.on('state', look)];
    look(publication.state);
  });
}

function notOffered(code: (typeof ErrorCode)[keyof typeof ErrorCode], message: string): RtcError {
  return new RtcError(code, message, { advice: 'Do without it: this server does not offer it.' });
}

const DIALOG = new AutoplayDialog();

const STATES: Record<ConnectionState, ClientConnectionState> = {
  closed: 'DISCONNECTED', connecting: 'CONNECTING', reconnecting: 'RECONNECTING', connected: 'CONNECTED',
};

const PUBLICATION_STATES: Record<PublicationState, ClientConnectionState> = STATES;

const PEER_STATES: Partial<Record<RTCPeerConnectionState, ClientConnectionState>> = {
  connecting: 'CONNECTING', connected: 'CONNECTED', disconnected: 'RECONNECTING', failed: 'RECONNECTING',
};

/** Milliseconds until what is published must flow. */
const PUBLISH_PATIENCE = 15_000;

/** Milliseconds for an answer about the relay. */
const CDN_PATIENCE = 5_000;

/** Bytes of one SEI message. */
const MAX_SEI = 1_000;
