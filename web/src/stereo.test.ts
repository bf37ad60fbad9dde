import { expect, it } from 'vitest';
import { inStereo } from './stereo';

const OPUS = 'a=rtpmap:96 opus/48000/2\r\n';

it('is added to what is said of Opus, or said of it', () => {
  expect(inStereo(`${OPUS}a=fmtp:96 useinbandfec=1\r\na=mid:0\r\n`)).toBe(`${OPUS}a=fmtp:96 useinbandfec=1;stereo=1\r\na=mid:0\r\n`);
  expect(inStereo(`${OPUS}a=mid:0\r\n`)).toBe(`${OPUS}a=fmtp:96 stereo=1\r\na=mid:0\r\n`);
});

it('is said once, in every section with sound', () => {
  const section = (mid: string) => `m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n${OPUS}a=fmtp:96 minptime=10;sprop-stereo=1\r\na=mid:${mid}\r\n`;
  const said = inStereo(`v=0\r\n${section('0')}m=video 9\r\na=fmtp:97 apt=96\r\n${section('1')}`);
  expect(said.match(/;stereo=1/g)).toHaveLength(2);
  expect(said).toContain('a=fmtp:97 apt=96\r\n');
  expect(inStereo(said)).toBe(said);
});

it('is nothing that pictures have', () => {
  expect(inStereo('m=video 9\r\n')).toBe('m=video 9\r\n');
});
