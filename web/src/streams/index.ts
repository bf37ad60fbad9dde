export * from './devices';
export { LocalStream, type LocalStreamOptions, type SendBounds, type TrackSink } from './local';
export { PlayableStream, type StreamEvents } from './playable';
export * from './profiles';
export { publishStream } from './publish';
export { RemoteStream, type RemoteSource } from './remote';
export { type MediaKind, type ObjectFit, type PlayerChange, type PlayOptions } from './view';
