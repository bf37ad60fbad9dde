import { describe, expect, it } from 'vitest';
import { Lanes } from './lanes';

describe('lanes', () => {
  it('are taken one after the other, and no two things are on one at once', () => {
    const lanes = new Lanes(3, 1000);
    expect([lanes.take(0), lanes.take(0), lanes.take(10), lanes.take(20)]).toEqual([0, 1, 2, null]);
    expect(lanes.take(999)).toBeNull();
    expect(lanes.take(1000)).toBe(0);
    expect(lanes.take(1000)).toBe(1);
    expect(lanes.take(1000)).toBeNull();
  });
});
