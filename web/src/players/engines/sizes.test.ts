import { describe, expect, test } from 'vitest';
import { type Arrival, ArrivalRate, chooseSize } from './sizes';

const SIZES = [250_000, 460_000, 1_200_000];

/** A second behind, in the midst of a segment of two seconds of the large size. */
function arrival(changes: Partial<Arrival>): Arrival {
  return { rate: 10_000_000, sizes: SIZES, size: 2, bits: 1_200_000, done: 1, rest: 1, ahead: 0.75, ...changes };
}

describe('the rate of what comes', () => {
  test('follows a change within two parts', () => {
    const rate = new ArrivalRate();
    for (let i = 0; i < 20; i++) rate.add(37_500, 0.25, 0, 0.01);
    expect(rate.add(37_500, 0.25, 0, 0.01)).toBeCloseTo(30_000_000, -3);
    expect(rate.add(37_500, 0.25, 0, 0.5)).toBeLessThan(1_300_000);
    expect(rate.add(37_500, 0.25, 0, 0.5)).toBeLessThan(800_000);
  });

  test('counts the time for which nothing comes between two parts', () => {
    expect(new ArrivalRate().add(12_500, 0.25, 0.05, 0.1)).toBeCloseTo(800_000, -1);
    expect(new ArrivalRate().add(12_500, 0.25, 1, 0.1)).toBeCloseTo(100_000, -1);
  });

  test('counts what comes at once as a little while', () => {
    expect(new ArrivalRate().add(1_000, 0.25, 0, 0)).toBe(4_000_000);
  });
});

describe('the size that comes next', () => {
  const LAST = { done: 2, rest: 0 };

  test('is after a segment the largest that comes in time, and one larger than before only with much to spare', () => {
    const after = (changes: Partial<Arrival>) => chooseSize(arrival({ ...LAST, ...changes }));
    expect(after({})).toEqual({ size: 2, isAgain: false });
    expect(after({ rate: 1_330_000 }).size).toBe(2);
    expect(after({ rate: 1_330_000, size: 1, bits: 460_000 }).size).toBe(1);
    expect(after({ rate: 1_700_000, size: 1, bits: 460_000 }).size).toBe(2);
    expect(after({ rate: 600_000 })).toEqual({ size: 1, isAgain: false });
    expect(after({ rate: 100_000, size: 1, bits: 460_000 })).toEqual({ size: 0, isAgain: false });
  });

  test('is the same within a segment, with more and with less to come', () => {
    expect(chooseSize(arrival({ size: 1, bits: 460_000 }))).toEqual({ size: 1, isAgain: false });
    expect(chooseSize(arrival({ rate: 600_000, done: 1.75, rest: 0.25 }))).toEqual({ size: 2, isAgain: false });
    expect(chooseSize(arrival({ rate: 600_000, ahead: 3 }))).toEqual({ size: 2, isAgain: false });
  });

  test('is less where the rest would not come in time and none of the segment is shown', () => {
    expect(chooseSize(arrival({ rate: 600_000, done: 0.5, rest: 1.5 }))).toEqual({ size: 1, isAgain: true });
    expect(chooseSize(arrival({ rate: 600_000, done: 0.8, rest: 2, ahead: 0.95 }))).toEqual({ size: 1, isAgain: true });
    expect(chooseSize(arrival({ rate: 500_000, done: 0.8, rest: 2, ahead: 0.92 }))).toEqual({ size: 0, isAgain: true });
  });

  test('stays where the segment is being shown, but for a way that carries next to nothing', () => {
    expect(chooseSize(arrival({ rate: 600_000, done: 1, rest: 1.2 }))).toEqual({ size: 2, isAgain: false });
    expect(chooseSize(arrival({ rate: 200_000, done: 1, rest: 1.2 }))).toEqual({ size: 0, isAgain: true });
  });

  test('stays where there is nothing less', () => {
    expect(chooseSize(arrival({ rate: 100_000, size: 0, bits: 250_000, ahead: 0.1 }))).toEqual({ size: 0, isAgain: false });
  });
});
