/** Players: one interface over a room, WHEP, HTTP-FLV and HLS, and lines that stand in for each other. */
export { FlvPlayer } from './flv';
export { HlsPlayer } from './hls';
export { FLV_LATENCY, HLS_LATENCY, type LatencyOptions } from './latency';
export { LinePlayer, type LinePlayerEvents, type LinePlayerOptions, type LinePlayerState, type LineReason } from './line-player';
export { linesOf, openLine, type Line } from './lines';
export { preload } from './load';
export { Playback, Player, type PlayerEvents, type PlayerKind, type PlayerState } from './player';
export { RoomPlayer, type RoomSource, type RoomStream, type RoomView } from './room';
export { WebRtcPlayer } from './webrtc';
