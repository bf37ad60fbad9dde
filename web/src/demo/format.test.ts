import { describe, expect, it } from 'vitest';
import { formatBitrate, formatBytes, formatCount, formatDelay, formatDropped, formatDuration, formatSize, UNKNOWN } from './format';

describe('figures', () => {
  it('have units that people read', () => {
    expect([formatBitrate(64_000), formatBitrate(1_940_000), formatBitrate(null)]).toEqual(['64 kbit/s', '1.9 Mbit/s', UNKNOWN]);
    expect([formatDelay(180), formatDelay(2_310), formatDelay(12_000), formatDelay(null)]).toEqual([['180', 'ms'], ['2.31', 's'], ['12.0', 's'], [UNKNOWN, '']]);
    expect([formatSize(1280, 720), formatSize(null, 720)]).toEqual(['1280×720', UNKNOWN]);
    expect([formatDropped(0, 10), formatDropped(3, 1500), formatDropped(0, 0)]).toEqual(['0', '3 (0.2 %)', UNKNOWN]);
  });

  it('are short where they are long', () => {
    expect([formatDuration(5), formatDuration(245.9), formatDuration(3723)]).toEqual(['0:05', '4:05', '1:02:03']);
    expect([formatCount(950), formatCount(1234), formatCount(999_949), formatCount(3_400_000)]).toEqual(['950', '1.2k', '999.9k', '3.4M']);
    expect([formatBytes(0), formatBytes(999_499), formatBytes(12_345_678), formatBytes(905_969_664), formatBytes(1_204_000_000)]).toEqual(['0 kB', '999 kB', '12.3 MB', '906.0 MB', '1.20 GB']);
  });
});
