import { describe, expect, it } from 'vitest';
import { formatBitrate, formatDelay, formatDropped } from './demo/format';
import { codecLabel, Rate } from './stats';

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
