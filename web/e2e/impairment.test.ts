import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Impairment, Way } from './impairment';

/** Sends `count` datagrams of 1,000 bytes, one each `every` milliseconds; gives how late each is, null if it is lost. */
function send(count: number, every: number, impairment: Impairment, seed = 1, way = new Way(seed)): (number | null)[] {
  return Array.from({ length: count }, (_, i) => {
    const at = way.arrival(1_000, i * every, impairment);
    return at === null ? null : at - i * every;
  });
}

describe('one direction of an impaired path', () => {
  test('carries at once what nothing impairs', () => {
    assert.deepEqual(send(3, 1, {}), [0, 0, 0]);
  });

  test('delays all by the same and loses its share', () => {
    const late = send(20_000, 1, { delay: 50, loss: 0.1 });
    assert.ok(late.every((one) => one === null || one === 50));
    const lost = late.filter((one) => one === null).length;
    assert.ok(lost > 1_800 && lost < 2_200, `${lost} of 20000 lost`);
  });

  test('repeats itself with the same seed, and not with another one', () => {
    const impairment = { delay: 5, jitter: 60, loss: 0.05 };
    assert.deepEqual(send(500, 10, impairment, 7), send(500, 10, impairment, 7));
    assert.notDeepEqual(send(500, 10, impairment, 7), send(500, 10, impairment, 8));
  });

  test('makes some later than others without letting any overtake', () => {
    const late = send(1_000, 10, { delay: 20, jitter: 60 }) as number[];
    assert.ok(Math.min(...late) >= 20 && Math.max(...late) <= 80);
    assert.ok(Math.max(...late) - Math.min(...late) > 40);
    const arrivals = late.map((one, i) => i * 10 + one);
    assert.deepEqual(arrivals, [...arrivals].sort((a, b) => a - b));
  });

  test('lets wait what is too much for its narrowest part, and loses what would wait too long', () => {
    // 8,000 bits each 4 ms are 2 Mbit/s, twice of what it carries.
    const way = new Way(1);
    const late = send(1_000, 4, { bps: 1_000_000, queue: 100 }, 1, way);
    const waited = late.filter((one) => one !== null);
    assert.ok(Math.max(...waited) <= 108 && Math.max(...waited) > 100, `${Math.max(...waited)} ms`);
    assert.equal(late[0], 8);
    assert.deepEqual(way.counts, { carried: waited.length, lost: 0, overflowed: 1_000 - waited.length });
    assert.ok(Math.abs(waited.length - 500) < 20, `${waited.length} carried in 4 s`);
    // What is sent after a pause finds it empty.
    assert.equal(way.arrival(1_000, 10_000, { bps: 1_000_000 }), 10_008);
  });
});
