import { describe, expect, it } from 'vitest';
import { Weakness } from './weakness';

const GOOD = { quality: 2, upLoss: 0 };
const BAD = { quality: 5, upLoss: 0 };

const judged = (...reports: Parameters<Weakness['take']>[0][]) => {
  const weakness = new Weakness();
  return reports.map((report) => weakness.take(report));
};

describe('a weak network', () => {
  it('is told of after two bad reports, by grade or by loss', () => {
    expect(judged(GOOD, BAD, BAD)).toEqual([false, false, true]);
    expect(judged({ quality: 3, upLoss: 12 }, { quality: 3, upLoss: 30 })).toEqual([false, true]);
    expect(judged(BAD, GOOD, BAD)).toEqual([false, false, false]);
  });

  it('is over after three good ones', () => {
    expect(judged(BAD, BAD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD).slice(1)).toEqual([true, true, true, true, true, true, false]);
  });

  it('is not judged by reports that say nothing', () => {
    expect(judged(BAD, null, { quality: 0, upLoss: 0 }, BAD, null)).toEqual([false, false, false, true, true]);
  });
});
