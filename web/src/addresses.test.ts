import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { addressesOf, streamIdOf } from './addresses';
import { md5 } from './md5';

describe('the stream id of a publication', () => {
  test('names app, room, user and track', () => {
    expect(streamIdOf(1400000000, 10000, 'xiaojun')).toBe('1400000000_10000_xiaojun_main');
    expect(streamIdOf(7, 'lounge', 'anna', 'aux')).toBe('7_lounge_anna_aux');
  });

  test('is a digest where a name has other characters', () => {
    expect(streamIdOf(1400000000, 'r1', 'user@x')).toBe('1400000000_3f8b4328b5fc5508c8c8a7c5cbc23d35');
  });

  test('has addresses', () => {
    const { flv, still } = addressesOf(streamIdOf(0, 5, 'anna'), 'https://live.example.org');
    expect(flv).toBe('https://live.example.org/live/0_5_anna_main.flv');
    expect(still).toBe('https://live.example.org/live/0_5_anna_main.mp4');
  });
});

describe('MD5', () => {
  test.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['12345678901234567890123456789012345678901234567890123456789012345678901234567890', '57edf4a22be3c955ac49da2e2107b67a'],
  ])('of %j is that of RFC 1321', (text, digest) => expect(md5(text)).toBe(digest));

  test('is that of another implementation around the sizes of a block', () => {
    for (const length of [54, 55, 56, 57, 63, 64, 65, 119, 120, 128]) {
      const text = 'é'.padEnd(length - 1, 'x');
      expect(md5(text), `${length}`).toBe(createHash('md5').update(text).digest('hex'));
    }
  });
});
