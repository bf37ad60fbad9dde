import { beforeEach, describe, expect, test } from 'vitest';
import { setServer } from '../server';
import { isCdnUrl, parseCdnUrl } from './cdn-url';
import { isRoomUrl, parseRoomUrl } from './room-url';

beforeEach(() => setServer('https://live.example.org'));

describe('a room address', () => {
  test('has its values in any order, and ignores what it does not know', () => {
    const url = 'room://livedomainname=play.example.org&usersig=eJw*-_A&more=1&userid=anna&roomid=200&streamid=s_1&sdkappid=1400000000&noise';
    expect(parseRoomUrl(url)).toEqual({
      sdkAppId: 1400000000, room: 200, userId: 'anna', userSig: 'eJw*-_A', streamId: 's_1', liveDomainName: 'play.example.org', privateMapKey: null,
      server: 'https://live.example.org',
    });
  });

  test('is not percent-decoded', () => {
    expect(parseRoomUrl('room://sdkappid=1&roomid=2&userid=a%20b&usersig=x%3D=y').userId).toBe('a%20b');
    expect(parseRoomUrl('room://sdkappid=1&roomid=2&userid=a&usersig=x%3D=y').userSig).toBe('x%3D=y');
  });

  test('reads numbers as far as they go', () => {
    const { sdkAppId, room } = parseRoomUrl('room://sdkappid=14abc&roomid=20.5&userid=a');
    expect([sdkAppId, room]).toEqual([14, 20]);
  });

  test('may name a room, a server and a key', () => {
    const address = parseRoomUrl('room://sdkappid=1&strroomid=123&userid=a&privatemapkey=k*&server=wss%3A%2F%2Fa.example.org%3A8443');
    expect([address.room, address.privateMapKey, address.server]).toEqual(['123', 'k*', 'https://a.example.org:8443']);
    expect(parseRoomUrl('room://sdkappid=1&roomid=2&userid=a&server=http://127.0.0.1:8080').server).toBe('http://127.0.0.1:8080');
  });

  test.each([
    ['https://flv=a', 'Unsupported protocol!'],
    ['room://roomid=2&userid=a', /sdkappid/],
    ['room://sdkappid=x&roomid=2&userid=a', /sdkappid/],
    ['room://sdkappid=1&userid=a', /roomid/],
    ['room://sdkappid=1&roomid=lounge&userid=a', /strroomid/],
    ['room://sdkappid=1&roomid=0&userid=a', /1 to 4294967294/],
    ['room://sdkappid=1&roomid=4294967295&userid=a', /1 to 4294967294/],
    ['room://sdkappid=1&roomid=2', /userid/],
    ['room://sdkappid=1&roomid=2&userid=a&server=ftp%3A%2F%2Fx', /allowed are http/],
  ])('%s is refused', (url, message) => expect(() => parseRoomUrl(url)).toThrow(message));

  test('is known by its scheme', () => {
    expect([isRoomUrl('room://a'), isRoomUrl('https://a'), isRoomUrl('Room://a')]).toEqual([true, false, false]);
  });
});

describe('a CDN address', () => {
  const flv = 'https://play.example.org/live/a.flv?txSecret=1&txTime=2';
  const hls = 'https://play.example.org/live/a.m3u8';

  test('names FLV and HLS in either order, the second one optional', () => {
    expect(parseCdnUrl(`https://flv=${flv}&hls=${hls}`)).toEqual({ flv, hls, first: 'flv' });
    expect(parseCdnUrl(`https://hls=${hls}&flv=${flv}`)).toEqual({ flv, hls, first: 'hls' });
    expect(parseCdnUrl(`https://flv=${flv}`)).toEqual({ flv, hls: null, first: 'flv' });
    expect(parseCdnUrl(`http://hls=${hls}`)).toEqual({ flv: null, hls, first: 'hls' });
  });

  test('takes inner addresses as they are or percent-encoded', () => {
    expect(parseCdnUrl(`https://flv=${encodeURIComponent(flv)}&hls=${encodeURIComponent(hls)}`)).toEqual({ flv, hls, first: 'flv' });
    expect(parseCdnUrl('https://flv=https://a.org/100%.flv')).toEqual({ flv: 'https://a.org/100%.flv', hls: null, first: 'flv' });
  });

  test('may be a plain one', () => {
    expect(parseCdnUrl(flv)).toEqual({ flv, hls: null, first: 'flv' });
    expect(parseCdnUrl(hls)).toEqual({ flv: null, hls, first: 'hls' });
    expect(parseCdnUrl('http://a.org/B.M3U8?x=.flv')).toEqual({ flv: null, hls: 'http://a.org/B.M3U8?x=.flv', first: 'hls' });
  });

  test('is empty, or none', () => {
    expect(['https://', 'https://flv=', 'https://flv=&hls='].map(parseCdnUrl)).toEqual(['empty', 'empty', 'empty']);
    expect(['https://a.org/live.mp4', 'https://?'].map(parseCdnUrl)).toEqual([null, null]);
    expect(parseCdnUrl(`https://flv=&hls=${hls}`)).toEqual({ flv: null, hls, first: 'flv' });
  });

  test('is known by its scheme', () => {
    expect(['https://a', 'http://a', 'room://a', 'rtmp://a', 'webrtc://a'].map(isCdnUrl)).toEqual([true, true, false, false, false]);
  });
});
