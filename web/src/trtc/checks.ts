import { TYPES } from '../errors/advice';
import type { RoomId } from '../protocol/messages';
import type { ClientConfig, JoinConfig, MixTranscodeConfig, SmallStreamProfile, StreamConfig } from './types';
import { badParameter, RtcError } from './rtc-error';
import { ErrorCode } from './codes';

/** Checks what `createClient` got; unknown members are ignored. Throws `INVALID_PARAMETER`. */
export function checkClientConfig(config: ClientConfig): void {
  mustBeObject('createClient', config);
  const { sdkAppId, userId, userSig, mode, streamId, userDefineRecordId, userDefinePushArgs, pureAudioPushMode, videoCodec } = config;
  if (!Number.isInteger(sdkAppId) || sdkAppId < 0 || sdkAppId > MAX_U32) throw badParameter(`createClient: sdkAppId ${show(sdkAppId)}; allowed is a whole number`);
  if (typeof userId !== 'string' || userId === '') throw badParameter(`createClient: userId ${show(userId)}; allowed is a text of 1 to 32 bytes`);
  if (typeof userSig !== 'string') throw badParameter(`createClient: userSig is ${typeof userSig}; allowed is a text`);
  if (mode !== 'rtc' && mode !== 'live') throw badParameter(`createClient: mode ${show(mode)}; allowed are 'rtc' and 'live'`);
  if (isSet(streamId) && !/^[A-Za-z0-9_-]{1,64}$/.test(String(streamId))) throw badParameter(`createClient: streamId ${show(streamId)}; allowed are 1 to 64 of A-Z a-z 0-9 _ -`);
  if (isSet(userDefineRecordId) && !/^[A-Za-z0-9_-]{1,64}$/.test(String(userDefineRecordId))) {
    throw badParameter(`createClient: userDefineRecordId ${show(userDefineRecordId)}; allowed are 1 to 64 of A-Z a-z 0-9 _ -`);
  }
  if (isSet(userDefinePushArgs) && String(userDefinePushArgs).length > 256) throw badParameter('createClient: userDefinePushArgs is too long; allowed are 256 characters');
  if (isSet(pureAudioPushMode) && pureAudioPushMode !== 1 && pureAudioPushMode !== 2) {
    throw badParameter(`createClient: pureAudioPushMode ${show(pureAudioPushMode)}; allowed are 1 and 2`);
  }
  if (isSet(videoCodec) && !/^(h264|vp8|vp9|av1|h265)$/.test(videoCodec)) throw badParameter(`createClient: videoCodec ${show(videoCodec)}; allowed are h264, vp8, vp9, av1 and h265`);
}

/** Checks what `join` got, and gives the room. */
export function checkRoom(config: JoinConfig, isString: boolean): RoomId {
  mustBeObject('join', config);
  const { roomId, role } = config;
  if (isSet(role) && role !== 'anchor' && role !== 'audience') throw badParameter(`join: role ${show(role)}; allowed are 'anchor' and 'audience'`);
  if (isString) {
    if (typeof roomId === 'string' && STRING_ROOM.test(roomId)) return roomId;
    throw badParameter(`join: roomId ${show(roomId)}; with useStringRoomId allowed are 1 to 64 letters, digits, spaces and !#$%&()+-:;<=.>?@[]^_{}|~,`);
  }
  if (typeof roomId === 'number' && Number.isInteger(roomId) && roomId >= 1 && roomId <= MAX_ROOM) return roomId;
  throw badParameter(`join: roomId ${show(roomId)}; allowed is a whole number from 1 to ${MAX_ROOM}, or a text with useStringRoomId`);
}

/** Checks what `createStream` got. */
export function checkStreamConfig(config: StreamConfig): void {
  mustBeObject('createStream', config);
  const { userId, audio, video, screen, screenAudio, audioSource, videoSource, facingMode } = config;
  if (isSet(userId) && typeof userId !== 'string') throw badParameter(`createStream: userId ${show(userId)}; allowed is a text`);
  if (!audio && !video && !screen && !audioSource && !videoSource) throw badParameter('createStream: nothing to capture; set audio, video or screen, or bring audioSource or videoSource');
  if (video && screen) throw badParameter('createStream: video and screen exclude each other; make a stream for each');
  if (audio && screenAudio) throw badParameter("createStream: audio and screenAudio exclude each other; choose the microphone or the screen's sound");
  mustBeTrack('audioSource', audioSource, 'audio');
  mustBeTrack('videoSource', videoSource, 'video');
  if (isSet(facingMode) && facingMode !== 'user' && facingMode !== 'environment') throw badParameter(`createStream: facingMode ${show(facingMode)}; allowed are 'user' and 'environment'`);
}

/** Checks the shape of the small picture. */
export function checkSmallProfile(profile: SmallStreamProfile): void {
  mustBeObject('setSmallStreamProfile', profile);
  for (const name of ['width', 'height', 'bitrate', 'frameRate'] as const) {
    const value = profile[name];
    if (!Number.isFinite(value) || value <= 0) throw badParameter(`setSmallStreamProfile: ${name} ${show(value)}; allowed is a number above 0`);
  }
}

/** Checks a mix that is asked for: it must contain oneself. */
export function checkMix(config: MixTranscodeConfig, me: string): void {
  mustBeObject('startMixTranscode', config);
  if (!Array.isArray(config.mixUsers) || !config.mixUsers.some(({ userId }) => userId === me)) throw badParameter(`startMixTranscode: mixUsers must contain yourself, ${show(me)}`);
}

/** Throws `NOT_SUPPORTED` where the browser lacks what rooms need. */
export function mustHaveWebRtc(): void {
  if (typeof RTCPeerConnection === 'undefined') {
    throw new RtcError(ErrorCode.NOT_SUPPORTED, 'this browser has no WebRTC', { advice: TYPES.unsupported, fatal: true });
  }
}

function mustBeObject(where: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw badParameter(`${where}: ${show(value)}; allowed is an object`);
}

function mustBeTrack(name: string, track: unknown, kind: 'audio' | 'video'): void {
  if (!isSet(track)) return;
  if ((track as MediaStreamTrack).kind !== kind) throw badParameter(`createStream: ${name} is no ${kind} track`);
}

const isSet = (value: unknown) => value !== undefined && value !== null;

/** A value as it is named in a message; cut, since a page may pass anything. */
function show(value: unknown): string {
  return (typeof value === 'object' && value !== null ? 'an object' : typeof value === 'string' ? JSON.stringify(value) : String(value)).slice(0, 80);
}

const MAX_U32 = 0xffff_ffff;

const MAX_ROOM = 4_294_967_294;

const STRING_ROOM = /^[A-Za-z\d !#$%&()+\-:;<=.>?@[\]^_{}|~,]{1,64}$/;
