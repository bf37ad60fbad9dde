/** The pieces of weblive in the browser. */
export * from './addresses';
export * from './codecs';
export * from './emitter';
export * from './errors';
export * from './players';
export { uploadImage, type UploadOptions } from './im';
export { RtcSession, type SessionEvents, type SessionOptions, type SessionState } from './rtc-session';
export * from './stats';
export { setLogLevel, type LogLevel } from './log';
export { server, setServer } from './server';
export { VERSION } from './version';
export * from './whep';
export * from './whip';
