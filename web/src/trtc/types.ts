import type { VideoCodec } from '../codecs';
import type { RemovalReason } from '../protocol/messages';
import type { NetworkQuality } from '../rtc/room-media';
import type { RemoteStream } from './remote-stream';
import type { RtcError } from './rtc-error';
import type { Stream } from './stream';

/** What `createClient` takes. Members that are not listed are ignored. */
export interface ClientConfig {
  /** The app; not looked at where the server runs open. */
  sdkAppId: number;
  userId: string;
  /** Signed by the page's own back end. */
  userSig: string;
  /** `rtc`: everybody publishes. `live`: anchors publish, the audience watches. */
  mode: 'rtc' | 'live';
  /** Rooms have names in place of numbers. Default false. */
  useStringRoomId?: boolean;
  /** Receive what comes without being asked. Default true. */
  autoSubscribe?: boolean;
  /** Ask for a click by a small dialog where the browser refuses to play sound. Default true. */
  enableAutoPlayDialog?: boolean;
  /** The public stream id of what is published as main, in place of the server's own: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  streamId?: string;
  /** Taken for compatibility: this server does not record by request of a page. */
  userDefineRecordId?: string;
  /** Taken for compatibility. */
  userDefinePushArgs?: string;
  /** Taken for compatibility: what is relayed follows from what is published. */
  pureAudioPushMode?: 1 | 2;
  /** Send and receive SEI messages. Default false. */
  enableSEI?: boolean;
  /** Taken for compatibility. */
  frameWorkType?: number;
  /**
   * Addition: the codec of what is published; `h264` when absent, in browsers that have it. Browsers without H.264 in
   * WebRTC show `vp8`; FLV and HLS do not play then.
   */
  videoCodec?: VideoCodec;
  /** Addition: the server, `https://host[:port]`; the script's own origin when absent. */
  server?: string;
}

/** What `join` takes. */
export interface JoinConfig {
  /** 1 to 4294967294; with `useStringRoomId` a text of 1 to 64 characters. */
  roomId: number | string;
  /** In live mode; `anchor` when absent. */
  role?: 'anchor' | 'audience';
  privateMapKey?: string;
}

/** What `createStream` takes. */
export interface StreamConfig {
  userId?: string;
  /** The microphone. */
  audio?: boolean;
  /** The camera. */
  video?: boolean;
  /** Tracks of one's own, in place of devices. */
  audioSource?: MediaStreamTrack;
  videoSource?: MediaStreamTrack;
  microphoneId?: string;
  cameraId?: string;
  facingMode?: 'user' | 'environment';
  /** A screen, window or tab, which the user chooses. */
  screen?: boolean;
  /** Its own sound; excludes `audio`. */
  screenAudio?: boolean;
  /** Shows the picture as a mirror does; better said in `play`. */
  mirror?: boolean;
}

/** A shape of the picture; `bitrate` in kbit/s. */
export interface VideoProfileConfig {
  width: number;
  height: number;
  frameRate: number;
  bitrate: number;
}

/** The shape of the small picture; `bitrate` in kbit/s. */
export type SmallStreamProfile = VideoProfileConfig;

/** What of a stream is received. */
export interface SubscribeOptions {
  audio?: boolean;
  video?: boolean;
}

/** What `startPublishCDNStream` takes. */
export interface PublishCDNOptions {
  /** The public stream id; the server's own when absent. */
  streamId?: string;
  /** Where it is pushed besides: `rtmp://` or `rtmps://`, to a host that the server's operator has named. */
  url?: string;
  /** Said by pages that push, and not needed. */
  appId?: number;
  bizId?: number;
}

/** One picture of a mix. */
export interface MixUser {
  userId: string;
  roomId?: number | string;
  pureAudio?: boolean;
  width?: number;
  height?: number;
  locationX?: number;
  locationY?: number;
  zOrder?: number;
  streamType?: 'main' | 'auxiliary';
  renderMode?: 0 | 1 | 2;
}

/** What `startMixTranscode` takes. */
export interface MixTranscodeConfig {
  mode?: 'manual' | 'preset-layout';
  streamId?: string;
  videoWidth?: number;
  videoHeight?: number;
  videoBitrate?: number;
  videoFramerate?: number;
  videoGOP?: number;
  audioSampleRate?: number;
  audioBitrate?: number;
  audioChannels?: 1 | 2;
  backgroundColor?: number;
  backgroundImage?: string;
  mixUsers: MixUser[];
}

/** A TURN server; several may be given. */
export interface TurnServer {
  /** `turn:host:port`, `turns:host:port`, or `host:port`. */
  url: string;
  username?: string;
  credential?: string;
  credentialType?: 'password';
}

/** Addresses of a proxy; the signalling goes by `websocketProxy` or `unifiedProxy`. */
export interface ProxyServers {
  websocketProxy?: string;
  loggerProxy?: string;
  scheduleProxy?: string;
  unifiedProxy?: string;
}

/** How one's own connection is. */
export type ClientConnectionState = 'DISCONNECTED' | 'CONNECTING' | 'RECONNECTING' | 'CONNECTED';

/** Whether somebody publishes sound and picture, and mutes them. */
export interface RemoteMutedState {
  userId: string;
  hasAudio: boolean;
  hasVideo: boolean;
  hasSmall: boolean;
  audioMuted: boolean;
  videoMuted: boolean;
}

/** Times in milliseconds. */
export interface TransportStats {
  rtt: number;
  downlinksRTT: Record<string, number>;
}

export interface LocalAudioStats {
  bytesSent: number;
  packetsSent: number;
}

export interface LocalVideoStats extends LocalAudioStats {
  framesEncoded: number;
  framesSent: number;
  frameWidth: number;
  frameHeight: number;
}

export interface RemoteAudioStats {
  bytesReceived: number;
  packetsReceived: number;
  packetsLost: number;
}

export interface RemoteVideoStats extends RemoteAudioStats {
  framesDecoded: number;
  frameWidth: number;
  frameHeight: number;
}

/** How loud a stream is: `audioVolume` from 0 to 100. */
export interface AudioVolume {
  userId: string;
  audioVolume: number;
  stream: Stream;
}

/** Events of a client. */
export interface ClientEvents {
  'stream-added': { stream: RemoteStream };
  'stream-removed': { stream: RemoteStream };
  'stream-updated': { stream: RemoteStream; mixUserList?: { userId: string; hasAudio: boolean; hasVideo: boolean; hasAuxiliary: boolean }[] };
  'stream-subscribed': { stream: RemoteStream };
  'connection-state-changed': { prevState: ClientConnectionState; state: ClientConnectionState };
  'peer-join': { userId: string };
  'peer-leave': { userId: string };
  'mute-audio': { userId: string };
  'unmute-audio': { userId: string };
  'mute-video': { userId: string };
  'unmute-video': { userId: string };
  'client-banned': { reason: RemovalReason; message: string };
  'network-quality': NetworkQuality;
  'audio-volume': { result: AudioVolume[] };
  'sei-message': { userId: string; data: ArrayBuffer; seiPayloadType: number; isFromAuxiliary: boolean };
  error: RtcError;
}

/** Events of a stream. */
export interface StreamEventTypes {
  'player-state-changed': { type: 'audio' | 'video'; state: 'PLAYING' | 'PAUSED' | 'STOPPED'; reason: 'playing' | 'mute' | 'unmute' | 'ended' | 'pause' };
  'screen-sharing-stopped': undefined;
  'connection-state-changed': { prevState: ClientConnectionState; state: ClientConnectionState };
  /** Which of the two was unplugged, and what is in use now; an id is undefined where there is no such device. */
  'device-auto-recovered': { isCamera: boolean; isMicrophone: boolean; cameraId: string | undefined; microphoneId: string | undefined };
  error: RtcError;
}
