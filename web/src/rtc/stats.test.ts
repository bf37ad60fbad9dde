import { describe, expect, it } from 'vitest';
import { publicationStats, receptionStats } from './stats';

const report = (...entries: Record<string, unknown>[]) =>
  new Map(entries.map((entry, at) => [String(entry['id'] ?? at), entry])) as unknown as RTCStatsReport;

describe('what is sent', () => {
  const codec = { id: 'c', type: 'codec', mimeType: 'video/H264', clockRate: 90_000 };
  const video = { type: 'outbound-rtp', kind: 'video', codecId: 'c', packetsSent: 5, framesEncoded: 3, framesSent: 2, qualityLimitationReason: 'cpu' };

  it('is told apart by sound, picture and small picture', () => {
    const stats = publicationStats(report(
      codec,
      { ...video, rid: 'l', bytesSent: 10, frameWidth: 160, frameHeight: 120 },
      { ...video, rid: 'h', bytesSent: 100, frameWidth: 640, frameHeight: 480, framesPerSecond: 15 },
      { id: 'm', type: 'media-source', audioLevel: 0.25 },
      { type: 'outbound-rtp', kind: 'audio', bytesSent: 7, packetsSent: 1, mediaSourceId: 'm' },
    ), 'l');
    expect(stats.small).toMatchObject({ bytes: 10, width: 160, height: 120, framesPerSecond: null });
    expect(stats.video).toMatchObject({ bytes: 100, width: 640, packets: 5, framesEncoded: 3, framesSent: 2, codec: 'video/H264', limitation: 'cpu' });
    expect(stats.audio).toEqual({ bytes: 7, packets: 1, sampleRate: null, level: 0.25 });
  });

  it('has the round trip of the path that is used, and the worse loss', () => {
    const stats = publicationStats(report(
      { type: 'candidate-pair', state: 'succeeded', nominated: true, currentRoundTripTime: 0.02 },
      { type: 'candidate-pair', state: 'succeeded', nominated: false, currentRoundTripTime: 0.9 },
      { type: 'remote-inbound-rtp', fractionLost: 0.1 },
      { type: 'remote-inbound-rtp', fractionLost: 0.05 },
    ), 'l');
    expect(stats).toMatchObject({ roundTrip: 20, loss: 0.1, audio: null, video: null, small: null });
  });
});

describe('what is received', () => {
  it('is counted for the given tracks alone', () => {
    const inbound = { type: 'inbound-rtp', packetsReceived: 9, packetsLost: -2 };
    const stats = receptionStats(report(
      { ...inbound, kind: 'video', trackIdentifier: 'v', bytesReceived: 50, framesDecoded: 4, frameWidth: 320, frameHeight: 180 },
      { ...inbound, kind: 'video', trackIdentifier: 'of another', bytesReceived: 999 },
      { ...inbound, kind: 'audio', trackIdentifier: 'another too', bytesReceived: 999 },
    ), new Set(['v']));
    expect(stats.video).toMatchObject({ bytes: 50, packets: 9, lost: 0, framesDecoded: 4, framesDropped: 0, width: 320, codec: null });
    expect(stats.audio).toBeNull();
  });
});
