import { describe, expect, test } from 'vitest';
import { StandingPicture } from './standing';

describe('a picture', () => {
  const looks = (arrived: [frames: number, sound: number][]) => {
    const picture = new StandingPicture();
    return arrived.map(([frames, sound]) => picture.take({ frames, sound }));
  };

  test('stands after three looks with sound alone, until its next frame', () => {
    expect(looks([[30, 50], [30, 100], [30, 150], [30, 200], [30, 250], [31, 300], [60, 350]])).toEqual([false, false, false, true, true, false, false]);
  });

  test('that changes once in two seconds goes on', () => {
    expect(looks([[1, 50], [1, 100], [2, 150], [2, 200], [3, 250], [3, 300]])).not.toContain(true);
  });

  test('that was never there does not stand', () => {
    expect(looks([[0, 50], [0, 100], [0, 150], [0, 200], [0, 250]])).not.toContain(true);
  });

  test('of a stream of which nothing comes does not stand alone, and goes on standing when the sound falters', () => {
    expect(looks([[9, 50], [9, 50], [9, 50], [9, 50], [9, 50], [9, 50]])).not.toContain(true);
    expect(looks([[9, 50], [9, 100], [9, 150], [9, 200], [9, 200], [9, 250]]).slice(3)).toEqual([true, true, true]);
  });
});
