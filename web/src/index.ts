/** The pieces of weblive in the browser. */
export * from './addresses';
export * from './codecs';
export * from './emitter';
export * from './errors';
export { FlvPlayer } from './players/flv';
export { HlsPlayer } from './players/hls';
export * from './players/player';
export { WebRtcPlayer } from './players/webrtc';
export { RtcSession, type SessionEvents, type SessionOptions, type SessionState } from './rtc-session';
export * from './stats';
export { setLogLevel, type LogLevel } from './log';
export { server, setServer } from './server';
export { VERSION } from './version';
export * from './whep';
export * from './whip';
