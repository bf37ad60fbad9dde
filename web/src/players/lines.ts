import { addressesOf } from '../addresses';
import { server } from '../server';
import type { WhepOptions } from '../whep';
import { FlvPlayer } from './flv';
import { HlsPlayer } from './hls';
import type { LatencyOptions } from './latency';
import type { Playback } from './player';
import { RoomPlayer, type RoomSource, type RoomView } from './room';
import { WebRtcPlayer } from './webrtc';

/** One way to the same broadcast. */
export type Line = { /** What people see of it, such as "HD". */ name?: string } & (
  | { kind: 'room'; source: RoomSource; view?: RoomView }
  | { kind: 'webrtc'; url: string; options?: WhepOptions }
  | { kind: 'flv'; url: string; latency?: Partial<LatencyOptions> }
  | { kind: 'hls'; url: string; latency?: Partial<LatencyOptions> }
);

/** The lines of a public stream id, the one with the least delay first. `token` goes to WHEP. */
export function linesOf(stream: string, options: { origin?: string; token?: string } = {}): Line[] {
  const { whep, flv, hls } = addressesOf(stream, options.origin ?? server());
  return [
    { kind: 'webrtc', url: whep, ...(options.token !== undefined && { options: { token: options.token } }) },
    { kind: 'flv', url: flv },
    { kind: 'hls', url: hls },
  ];
}

/** What plays a line, once. Its element is made anew. `view` is for what of a room the line says nothing of. */
export function openLine(line: Line, view: RoomView = {}): Playback {
  if (line.kind === 'room') return new RoomPlayer(line.source, { ...view, ...line.view });
  const video = document.createElement('video');
  video.playsInline = true;
  if (line.kind === 'webrtc') return new WebRtcPlayer(line.url, video, line.options);
  if (line.kind === 'flv') return new FlvPlayer(line.url, video, line.latency);
  return new HlsPlayer(line.url, video, line.latency);
}
