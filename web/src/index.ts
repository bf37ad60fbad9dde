/**
 * The whole of weblive in the browser.
 *
 * - `createPusher`, `createPlayer`, `createIM`: the objects of `weblive/tweblive`.
 * - `createClient`, `createStream`: those of `weblive/trtc`.
 * - the rest: players and publishers below them, and what all have in common.
 *
 * @module weblive
 */
export { createIM, createPlayer, createPusher, EVENT, TYPES } from './tweblive';
export type { EventName, IM, IMOptions, Player as LivePlayer, Pusher, PusherOptions, PusherViewOptions, TWebLiveEvent } from './tweblive';
export { checkSystemRequirements, createClient, createStream, ErrorCode, RtcError } from './trtc';
export type { Client, LocalStream, RemoteStream } from './trtc';
export * from './addresses';
export * from './codecs';
export * from './emitter';
export { errorFromResponse, refusal, toWebliveError, WebliveError } from './errors';
export type { ErrorDetails, ErrorType, Problem } from './errors';
export { setLogLevel, type LogLevel } from './log';
export * from './players';
export { uploadImage, type UploadOptions } from './im';
export { RtcSession, type SessionEvents, type SessionOptions, type SessionState } from './rtc-session';
export { server, setServer } from './server';
export { PublishMeter, ReceiveMeter, type PlaybackStats, type PublishStats } from './stats';
export * from './streams/profiles';
export { VERSION } from './version';
export * from './whep';
export * from './whip';
