import { describe, expect, it } from 'vitest';
import { insertNals, readSei, seiBodies, writeSei } from './sei-nal';

const bytes = (...values: number[]) => new Uint8Array(values);
const SPS = [0, 0, 0, 1, 0x67, 1, 2];
const IDR = [0, 0, 0, 1, 0x65, 9, 9, 9];

/** What arrives of a message that travels in an access unit. */
const travel = (payloadType: number, data: Uint8Array) => {
  const unit = insertNals(bytes(...SPS, ...IDR), [writeSei({ payloadType, data })])!;
  return seiBodies(unit).flatMap(readSei);
};

describe('an SEI message', () => {
  it('has the bytes of the standard', () => {
    expect([...writeSei({ payloadType: 243, data: bytes(1, 2) })]).toEqual([0, 0, 0, 1, 6, 243, 2, 1, 2, 0x80]);
    const long = writeSei({ payloadType: 243, data: new Uint8Array(300).fill(7) });
    expect([...long.subarray(4, 8)]).toEqual([6, 243, 255, 45]);
  });

  it('hides what looks like a start code', () => {
    const nal = writeSei({ payloadType: 243, data: bytes(0, 0, 1, 0, 0, 0, 0, 0, 3) });
    for (let i = 4; i + 2 < nal.length; i += 1) expect(nal[i] === 0 && nal[i + 1] === 0 && nal[i + 2]! < 3, `at ${i}`).toBe(false);
  });

  it.each([
    ['one byte', bytes(5)], ['zeros', new Uint8Array(20)], ['threes and zeros', bytes(0, 0, 3, 0, 0, 3, 0, 0)], ['255 bytes', new Uint8Array(255).fill(255)],
    ['1000 bytes', Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 255)], ['a close that is none', bytes(0x80)],
  ])('travels whole: %s', (_, data) => {
    expect(travel(243, data)).toEqual([{ payloadType: 243, data }]);
    expect(travel(5, data)).toEqual([{ payloadType: 5, data }]);
  });

  it('goes in front of the first slice, behind the parameter sets', () => {
    const nal = writeSei({ payloadType: 243, data: bytes(1) });
    expect([...insertNals(bytes(...SPS, ...IDR), [nal, nal])!]).toEqual([...SPS, ...nal, ...nal, ...IDR]);
    expect([...insertNals(bytes(0, 0, 1, 0x41, 1), [nal])!]).toEqual([...nal, 0, 0, 1, 0x41, 1]);
    expect(insertNals(bytes(...SPS), [nal])).toBeNull();
    expect(insertNals(bytes(), [nal])).toBeNull();
  });

  it('is told apart from what encoders say of themselves, and from rubbish', () => {
    const foreign = bytes(5, 17, ...new Uint8Array(16).fill(9), 1, 0x80);
    expect(readSei(foreign)).toEqual([]);
    expect(readSei(bytes(1, 2, 3, 4, 243, 1, 8, 0x80))).toEqual([{ payloadType: 243, data: bytes(8) }]);
    expect(readSei(bytes(243, 200, 1))).toEqual([]);
    expect(readSei(bytes(255, 255, 255))).toEqual([]);
    expect(readSei(bytes())).toEqual([]);
  });

  it('is not looked for in slices', () => {
    expect(seiBodies(bytes(...IDR, 0, 0, 1, 6, 243, 1, 1, 0x80))).toEqual([]);
  });
});
