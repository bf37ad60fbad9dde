import type { VideoCodec } from '../codecs';
import { WebliveError } from '../errors';
import { log } from '../log';
import type { Client, LocalStream, StreamConfig, SystemRequirements, VideoProfileConfig } from '../trtc';
import { EVENT } from './constants';
import { Handlers } from './handlers';
import { elementOf, type Place } from './place';
import { parseRoomUrl, type RoomAddress } from './room-url';
import type { RtcFace } from './rtc-face';

/** What `createPusher` takes. */
export interface PusherOptions {
  userID: string;
  /** Pushes a screen, window or tab, which the user chooses, in place of the camera. Default false. */
  screenCapture?: boolean;
  /**
   * Addition of this library: the codec of the picture; `h264` when absent, in browsers that have it. Browsers without
   * H.264 in WebRTC show `vp8`; FLV and HLS do not play then.
   */
  videoCodec?: VideoCodec;
}

/** What {@link Pusher.setRenderView} takes. */
export interface PusherViewOptions {
  /** The element that shows the picture, or its id. Without it nothing is shown. */
  elementID?: Place;
  /** The microphone: true, `'high'` for better sound, false for none. Default true. */
  audio?: boolean | 'high';
  /** The camera: a profile, true for `720p`, false for none. Default on, in `480p_2`. `bitrate` in kbit/s. */
  video?: boolean | '480p' | '480p_2' | '720p' | '720p_2' | '1080p' | '1080p_2' | (string & {}) | VideoProfileConfig;
  microphoneID?: string;
  cameraID?: string;
  /** How the picture fills the element. Default `cover`. */
  objectFit?: 'cover' | 'contain' | 'fill';
  /** Screens: their own sound in place of the microphone. Default false. */
  systemAudio?: boolean;
  /** Screens: one of `480p`, `480p_2`, `720p`, `720p_2`, `1080p`, `1080p_2`. Default `1080p`. */
  screenProfile?: string;
}

/**
 * Sends camera and microphone, or a screen, into a room. The devices are opened by {@link setRenderView}, and sent from
 * {@link startPush} to {@link stopPush}. A hidden tab goes on sending: browsers keep cameras, microphones and screens
 * running there; only what a page paints itself stands still unless its clock is a worker, and phones may take the
 * camera away until the page is seen again.
 */
export class Pusher extends Handlers {
  readonly #rtc: RtcFace;
  readonly #userId: string;
  readonly #isScreen: boolean;
  readonly #videoCodec: VideoCodec | undefined;
  #stream: LocalStream | null = null;
  #client: JoinedClient | null = null;
  #isPushing = false;
  #wanted: { cameraID?: string; microphoneID?: string } = {};
  /** Calls take their turn: none finds another one half done. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @internal Made by `createPusher`. */
  constructor(rtc: RtcFace, options: PusherOptions) {
    super();
    if (!options || typeof options.userID !== 'string' || options.userID === '') {
      throw new WebliveError('argument', 'createPusher: userID is missing; allowed is the id of the user', false);
    }
    this.#rtc = rtc;
    this.#userId = options.userID;
    this.#isScreen = options.screenCapture === true;
    this.#videoCodec = options.videoCodec;
    if (this.#isScreen && !rtc.isScreenShareSupported()) {
      throw new WebliveError('unsupported', 'createPusher: this browser cannot share a screen', false);
    }
  }

  /** What this browser can do: `{result, detail}`. */
  checkSystemRequirements(): Promise<SystemRequirements> {
    return this.#rtc.checkSystemRequirements();
  }

  getCameraList(): Promise<MediaDeviceInfo[]> {
    return this.#rtc.getCameras();
  }

  getMicrophoneList(): Promise<MediaDeviceInfo[]> {
    return this.#rtc.getMicrophones();
  }

  /** The id of the camera in use; undefined before {@link setRenderView} and without a camera. */
  getCurrentCamera(): string | undefined {
    return this.#isScreen ? undefined : this.#stream?.getVideoTrack()?.getSettings().deviceId;
  }

  /** The id of the microphone in use; undefined before {@link setRenderView} and without one. */
  getCurrentMicrophone(): string | undefined {
    return this.#stream?.getAudioTrack()?.getSettings().deviceId;
  }

  /** Uses another camera, also while pushing; before {@link setRenderView} it is kept for then. */
  async setCurrentCamera(deviceID: string): Promise<void> {
    this.#wanted.cameraID = deviceID;
    if (this.#stream?.hasVideo() && !this.#isScreen) await this.#stream.switchDevice('video', deviceID);
  }

  /** Uses another microphone, also while pushing; before {@link setRenderView} it is kept for then. */
  async setCurrentMicrophone(deviceID: string): Promise<void> {
    this.#wanted.microphoneID = deviceID;
    if (this.#stream?.hasAudio()) await this.#stream.switchDevice('audio', deviceID);
  }

  /** Opens the devices, or asks for the screen, and shows the picture without sound. While pushing, what is sent changes. */
  setRenderView(options: PusherViewOptions): Promise<void> {
    if (!options || Object.keys(options).length === 0) {
      return Promise.reject(new WebliveError('argument', 'setRenderView: options are missing; allowed is {elementID, …}', false));
    }
    return this.#inTurn(async () => {
      const element = options.elementID ? elementOf(options.elementID) : null;
      const old = this.#stream;
      const client = this.#client;
      if (old && this.#isPushing) await client?.face.unpublish(old);
      old?.close();
      this.#stream = null;
      const stream = await this.#capture(options);
      this.#stream = stream;
      if (element) await stream.play(element, { objectFit: options.objectFit ?? 'cover', muted: true });
      if (this.#isPushing && client?.isJoined) await client.face.publish(stream);
    });
  }

  /** Goes into the room of a `room://` address as anchor, and publishes. */
  startPush(roomUrl: string): Promise<void> {
    return this.#inTurn(async () => {
      const address = parseRoomUrl(String(roomUrl));
      if (address.userId !== this.#userId) {
        throw new WebliveError('argument', `startPush: userid ${address.userId} of the address is not the pusher's ${this.#userId}`, false);
      }
      if (this.#isPushing) return;
      const stream = this.#stream;
      if (!stream) throw new WebliveError('state', 'startPush: call setRenderView first', false);
      const client = await this.#clientFor(address);
      if (!client.isJoined) {
        const { room: roomId, privateMapKey } = address;
        await client.face.join({ roomId, role: 'anchor', ...(privateMapKey !== null && { privateMapKey }) });
        client.isJoined = true;
      }
      try {
        await client.face.publish(stream);
      } catch (thrown) {
        client.isJoined = false;
        await client.face.leave().catch((left: unknown) => log.debug('pusher', 'leaving', left));
        throw thrown;
      }
      // A screen whose sharing was ended meanwhile is not to be sent.
      this.#isPushing = this.#stream === stream;
    });
  }

  /** Ends publishing, leaves the room, and closes the devices; nothing where it does not push. */
  stopPush(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isPushing) return;
      this.#isPushing = false;
      const [stream, client] = [this.#stream, this.#client];
      try {
        if (stream) await client?.face.unpublish(stream);
        await client?.face.leave();
      } finally {
        if (client) client.isJoined = false;
        stream?.close();
        if (this.#stream === stream) this.#stream = null;
      }
    });
  }

  isPushing(): boolean {
    return this.#isPushing;
  }

  /** Sends the camera again. Nothing for screens. */
  startCamera(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isScreen) return;
      const stream = this.#mustHaveStream('startCamera');
      await stream.below.open('video');
    });
  }

  /** Sends no picture, and closes the camera. Nothing for screens. */
  stopCamera(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isScreen) return;
      const stream = this.#mustHaveStream('stopCamera');
      if (stream.hasVideo()) await stream.below.shut('video');
    });
  }

  /** Unmutes. Rejects where there is no sound. Nothing for screens. */
  async startMicrophone(): Promise<void> {
    if (!this.#isScreen && !this.#stream?.unmuteAudio()) throw new WebliveError('state', 'No Audio Track!', false);
  }

  /** Mutes. Rejects where there is no sound. Nothing for screens. */
  async stopMicrophone(): Promise<void> {
    if (!this.#isScreen && !this.#stream?.muteAudio()) throw new WebliveError('state', 'No Audio Track!', false);
  }

  /** Does nothing: a pusher of `screenCapture` asks for the screen in {@link setRenderView}. */
  async startScreenCapture(): Promise<void> {}

  /** Does nothing: see {@link startScreenCapture}. */
  async stopScreenCapture(): Promise<void> {}

  /**
   * Where the broadcast plays as FLV: on the `livedomainname` of the room's address, or else on the server, under its
   * `streamid` or the one that the server has given. Empty before {@link startPush}.
   */
  getLiveStreamURL(): string {
    const client = this.#client;
    if (!client) return '';
    const { liveDomainName, server, streamId } = client.address;
    const id = streamId ?? client.face.media?.publication('main')?.stream;
    if (!id) return '';
    return `${liveDomainName === null ? server : `https://${liveDomainName}`}/live/${id}.flv`;
  }

  /** @internal Kept for pages that were written for older scripts: a Pusher receives nothing. */
  setDefaultMuteRemoteStreams(_isMuted: boolean): void {}

  async #capture(options: PusherViewOptions): Promise<LocalStream> {
    const { audio, video, systemAudio, microphoneID = this.#wanted.microphoneID, cameraID = this.#wanted.cameraID } = options;
    const isSystemAudio = this.#isScreen && systemAudio === true;
    const what: StreamConfig = {
      userId: this.#userId,
      audio: audio !== false && !isSystemAudio,
      video: video !== false && !this.#isScreen,
      ...(microphoneID && { microphoneId: microphoneID }),
      ...(cameraID && !this.#isScreen && { cameraId: cameraID }),
      ...(this.#isScreen && { screen: true, screenAudio: isSystemAudio }),
    };
    const stream = this.#rtc.createStream(what);
    this.#listenTo(stream);
    if (audio === true || audio === 'high') await stream.setAudioProfile(audio === 'high' ? 'high' : 'standard');
    if (this.#isScreen) await stream.setScreenProfile(options.screenProfile ?? '1080p');
    else if (video === true) await stream.setVideoProfile('720p');
    else if (video) await stream.setVideoProfile(video);
    try {
      await stream.initialize();
    } catch (thrown) {
      stream.close();
      throw thrown;
    }
    if (this.#isScreen) await stream.setVideoContentHint('detail');
    return stream;
  }

  #listenTo(stream: LocalStream): void {
    stream.on('screen-sharing-stopped', () => {
      if (stream !== this.#stream) return;
      this.emit(EVENT.RTC_SCREEN_CAPTURE_STOPPED);
      this.stopPush().catch((thrown: unknown) => log.warn('pusher', 'stopping after the screen', thrown));
    });
    stream.on('player-state-changed', ({ state }) => {
      if (state === 'PAUSED' && stream === this.#stream) stream.resume().catch((thrown: unknown) => log.debug('pusher', 'preview', thrown));
    });
    stream.on('error', (error) => stream === this.#stream && this.emit(EVENT.RTC_CLIENT_ERROR, error));
  }

  /** The client of the last time where it is the same user of the same app, else a new one. */
  async #clientFor(address: RoomAddress): Promise<JoinedClient> {
    const { sdkAppId, userId, userSig, streamId, server, room } = address;
    const useStringRoomId = typeof room === 'string';
    const key = JSON.stringify([sdkAppId, userId, userSig, streamId, server, useStringRoomId, room]);
    const old = this.#client;
    if (old?.key === key) {
      old.address = address;
      return old;
    }
    if (old?.isJoined) await old.face.leave();
    old?.face.destroy();
    this.#client = null;
    const face = this.#rtc.createClient({
      sdkAppId, userId, userSig, mode: 'live', useStringRoomId, autoSubscribe: false, server,
      ...(streamId !== null && { streamId }), ...(this.#videoCodec && { videoCodec: this.#videoCodec }),
    });
    const client: JoinedClient = { face, key, address, isJoined: false };
    this.#client = client;
    face.on('connection-state-changed', (change) => this.emit(EVENT.RTC_CONNECTION_STATE_CHANGED, change));
    face.on('network-quality', (quality) => this.emit(EVENT.RTC_NETWORK_QUALITY, quality));
    face.on('client-banned', (why) => {
      this.#outOf(client);
      this.emit(EVENT.RTC_CLIENT_BANNED, why);
    });
    face.on('error', (error) => {
      this.#outOf(client);
      this.emit(EVENT.RTC_CLIENT_ERROR, error);
    });
    return client;
  }

  /** The client cannot go on; the devices stay open for another {@link startPush}. */
  #outOf(client: JoinedClient): void {
    if (client !== this.#client) return;
    client.isJoined = false;
    this.#isPushing = false;
  }

  #mustHaveStream(doing: string): LocalStream {
    if (!this.#stream) throw new WebliveError('state', `${doing}: call setRenderView first`, false);
    return this.#stream;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

interface JoinedClient {
  face: Client;
  /** What it was made with. */
  key: string;
  address: RoomAddress;
  isJoined: boolean;
}
