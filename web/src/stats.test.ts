import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatBitrate, formatDelay, formatDropped } from './demo/format';
import { codecLabel, PublishMeter, Rate, ReceiveMeter } from './stats';

describe('a rate', () => {
  it('is the difference of two looks by their time', () => {
    const rate = new Rate();
    expect(rate.update(1_000, 0)).toBeNull();
    expect(rate.update(3_000, 1_000)).toBe(2_000);
    expect(rate.update(3_000, 3_000)).toBe(0);
  });

  it('repeats itself for looks too close together and starts anew when the counter falls', () => {
    const rate = new Rate();
    rate.update(0, 0);
    expect(rate.update(500, 500)).toBe(1_000);
    expect(rate.update(900, 510)).toBe(1_000);
    expect(rate.update(10, 1_000)).toBeNull();
    expect(rate.update(20, 2_000)).toBe(10);
  });
});

it('codecs have one name whichever string names them', () => {
  expect(codecLabel('avc1.42c01f')).toBe('H.264');
  expect(codecLabel('video/H264')).toBe('H.264');
  expect(codecLabel('mp4a.40.2')).toBe('AAC');
  expect(codecLabel('video/unheard-of')).toBe('video/unheard-of');
});

it('figures are shown in the unit that fits', () => {
  expect(formatDelay(84.4)).toEqual(['84', 'ms']);
  expect(formatDelay(4_321)).toEqual(['4.32', 's']);
  expect(formatDelay(null)).toEqual(['–', '']);
  expect(formatBitrate(1_940_000)).toBe('1.9 Mbit/s');
  expect(formatBitrate(63_800)).toBe('64 kbit/s');
  expect(formatDropped(3, 1_000)).toBe('3 (0.3 %)');
});

describe('the meters', () => {
  const peer = (...entries: Record<string, unknown>[]) => ({
    getStats: () => Promise.resolve(new Map(entries.map((entry, at) => [String(entry['id'] ?? at), entry]))),
  }) as unknown as RTCPeerConnection;
  const codec = { id: 'c', type: 'codec', mimeType: 'video/H264' };
  const path = { type: 'candidate-pair', state: 'succeeded', nominated: true, currentRoundTripTime: 0.04 };

  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  it('of a publisher tell what was sent since the last look', async () => {
    const meter = new PublishMeter();
    const sent = (bytes: number) => peer(codec, path,
      { type: 'outbound-rtp', kind: 'video', codecId: 'c', bytesSent: bytes, frameWidth: 640, frameHeight: 360, framesPerSecond: 25, qualityLimitationReason: 'cpu' },
      { type: 'outbound-rtp', kind: 'audio', bytesSent: bytes / 10 });
    expect(await meter.read(peer())).toEqual({
      width: null, height: null, codec: null, videoBps: null, audioBps: null, framesPerSecond: null, limitation: null, roundTrip: null,
    });
    await meter.read(sent(1_000));
    vi.setSystemTime(2_000);
    expect(await meter.read(sent(11_000))).toEqual({
      width: 640, height: 360, codec: 'H.264', videoBps: 40_000, audioBps: 4_000, framesPerSecond: 25, limitation: 'cpu', roundTrip: 0.04,
    });
  });

  it('of a viewer tell what came since the last look, of some tracks or all', async () => {
    const received = (n: number) => peer(codec, path,
      { type: 'inbound-rtp', kind: 'audio', trackIdentifier: 'a', bytesReceived: 100 * n, jitterBufferDelay: 99, jitterBufferEmittedCount: 1 },
      { type: 'inbound-rtp', kind: 'video', trackIdentifier: 'v', codecId: 'c', bytesReceived: 1_000 * n, frameWidth: 640, frameHeight: 360, framesDecoded: 10 * n,
        framesDropped: n, jitterBufferDelay: n, jitterBufferEmittedCount: 10 * n });
    const [all, some] = [new ReceiveMeter(), new ReceiveMeter()];
    const sound = new Set(['a']);
    await all.read(received(1));
    await some.read(received(1), sound);
    vi.setSystemTime(1_000);
    expect(await all.read(received(2))).toEqual({
      width: 640, height: 360, codec: 'H.264', bitrateBps: 8_800, framesPerSecond: null, framesDecoded: 20, framesDropped: 2, estimatedDelay: 120,
    });
    expect(await some.read(received(2), sound)).toMatchObject({ width: null, bitrateBps: 800, framesDecoded: 0 });
    expect(await all.read(peer())).toMatchObject({ bitrateBps: null, estimatedDelay: null });
  });
});
