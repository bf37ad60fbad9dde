import { describe, expect, it } from 'vitest';
import { placeIn, readWatched, type Watched, withWatched } from './recent';

const one = (number: number, at = 60): Watched => ({ stream: 'evening', recording: `17000000${String(number).padStart(5, '0')}-5f1e02aa`, signature: '', at, duration: 100, seen: number });

describe('recordings that were watched', () => {
  it('are kept newest first, each once, and not without end', () => {
    let list: Watched[] = [];
    for (let number = 0; number < 40; number += 1) list = withWatched(list, one(number));
    expect(list).toHaveLength(24);
    expect(list[0]).toEqual(one(39));
    list = withWatched(list, one(30, 70));
    expect(list).toHaveLength(24);
    expect(list[0]!.at).toBe(70);
    expect(list.filter(({ recording }) => recording === one(30).recording)).toHaveLength(1);
    expect(readWatched(JSON.stringify(list))).toEqual(list);
  });

  it('go on where they were left, but not at an end', () => {
    expect(placeIn([one(1, 60)], one(1))).toBe(60);
    for (const at of [0, 5, 95, 100]) expect(placeIn([one(1, at)], one(1))).toBe(0);
    expect(placeIn([one(1, 60)], one(2))).toBe(0);
    const short = (at: number) => [{ ...one(1, at), duration: 11 }];
    expect([1, 2, 9, 10.5].map((at) => placeIn(short(at), one(1)))).toEqual([0, 2, 9, 0]);
  });

  it.each([null, '', '{', '7', '{"a":1}', '[null, 3, "x", {"stream":"../x","recording":"y"}]', JSON.stringify([{ ...one(1), at: 'x' }])])('are none in %s', (text) => expect(readWatched(text)).toEqual([]));

  it('keep their signature', () => {
    const signed = { ...one(1), signature: '?txSecret=ab&txTime=5C' };
    expect(readWatched(JSON.stringify([signed]))).toEqual([signed]);
  });
});
