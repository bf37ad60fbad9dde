import { describe, expect, it } from 'vitest';
import { addressesOfRecording, beganAt, nameOf, pageOf, readName } from './addresses';

const id = '1700000000123-5f1e02aa';
const plain = { stream: 'evening', recording: id, signature: '' };
const signed = { ...plain, signature: '?txSecret=ab12&txTime=5C271099' };

describe('the names of recordings', () => {
  it('lead to their files and their page, with the signature behind each', () => {
    expect(addressesOfRecording(plain)).toEqual({ playlist: `recordings/evening/${id}/index.m3u8`, mp4: `recordings/evening/${id}/recording.mp4` });
    expect(addressesOfRecording(signed).mp4).toBe(`recordings/evening/${id}/recording.mp4?txSecret=ab12&txTime=5C271099`);
    expect(pageOf(signed)).toBe(`/recording/evening/${id}?txSecret=ab12&txTime=5C271099`);
  });

  it.each([
    `evening/${id}`,
    ` evening/${id}/ `,
    `/recordings/evening/${id}/index.m3u8`,
    `https://live.example.com/recordings/evening/${id}/recording.mp4`,
    `https://live.example.com/under/recordings/evening/${id}/`,
    `https://live.example.com/?id=other#/recording/evening/${id}`,
  ])('are read from %s', (text) => expect(readName(text)).toEqual(plain));

  it.each([
    `/recordings/evening/${id}/index.m3u8?txSecret=ab12&txTime=5C271099`,
    `https://live.example.com/#/recording/evening/${id}?txSecret=ab12&txTime=5C271099&more=x`,
    `https://live.example.com/?a=b#/recording/evening/${id}?txTime=5C271099&txSecret=ab12`,
  ])('are read with the signature from %s', (text) => expect(readName(text)).toEqual(signed));

  it.each(['', id, `evening/${id}/segments-00000.json`, `eve.ning/${id}`, `evening/1-5f1e02aa`, `evening/${id}x`, `../${id}`])('are not read from %s', (text) => expect(readName(text)).toBeNull());

  it('say when the recording began, and half a signature is none', () => {
    expect(beganAt(plain)?.getTime()).toBe(1_700_000_000_123);
    expect(nameOf('evening', id, { txSecret: 'ab' })).toEqual(plain);
  });
});
