import type { RoomMedia } from '../rtc/room-media';
import type { RemoteStream } from './remote-stream';
import type { LocalAudioStats, LocalVideoStats, RemoteAudioStats, RemoteVideoStats, TransportStats } from './types';

/** Round trips, in milliseconds; 0 before they were measured. */
export async function transportStats(media: RoomMedia, received: readonly RemoteStream[]): Promise<TransportStats> {
  const publication = media.publication('main') ?? media.publication('aux');
  const sent = await publication?.stats();
  const downlinksRTT: Record<string, number> = {};
  for (const stream of received) downlinksRTT[stream.getUserId()] = Math.round((await stream.below.stats())?.roundTrip ?? 0);
  const rtt = Math.round(sent?.roundTrip ?? Object.values(downlinksRTT)[0] ?? 0);
  return { rtt, downlinksRTT };
}

/** What was sent of the microphone, by one's own user id. */
export async function localAudioStats(media: RoomMedia, me: string): Promise<Record<string, LocalAudioStats>> {
  const audio = (await media.publication('main')?.stats())?.audio;
  return audio ? { [me]: { bytesSent: audio.bytes, packetsSent: audio.packets } } : {};
}

/** What was sent of the camera, by one's own user id; of the screen where there is no camera. */
export async function localVideoStats(media: RoomMedia, me: string): Promise<Record<string, LocalVideoStats>> {
  const video = (await media.publication('main')?.stats())?.video ?? (await media.publication('aux')?.stats())?.video;
  if (!video) return {};
  const { bytes, packets, framesEncoded, framesSent, width, height } = video;
  return { [me]: { bytesSent: bytes, packetsSent: packets, framesEncoded, framesSent, frameWidth: width, frameHeight: height } };
}

/** What was received of the others' sound, by user id. */
export async function remoteAudioStats(received: readonly RemoteStream[]): Promise<Record<string, RemoteAudioStats>> {
  const stats: Record<string, RemoteAudioStats> = {};
  for (const stream of received) {
    const audio = (await stream.below.stats())?.audio;
    if (audio) stats[stream.getUserId()] = { bytesReceived: audio.bytes, packetsReceived: audio.packets, packetsLost: audio.lost };
  }
  return stats;
}

/** What was received of the others' pictures, by user id. */
export async function remoteVideoStats(received: readonly RemoteStream[]): Promise<Record<string, RemoteVideoStats>> {
  const stats: Record<string, RemoteVideoStats> = {};
  for (const stream of received) {
    const video = (await stream.below.stats())?.video;
    if (!video) continue;
    const { bytes, packets, lost, framesDecoded, width, height } = video;
    stats[stream.getUserId()] = { bytesReceived: bytes, packetsReceived: packets, packetsLost: lost, framesDecoded, frameWidth: width, frameHeight: height };
  }
  return stats;
}
