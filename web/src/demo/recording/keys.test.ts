import { describe, expect, it } from 'vitest';
import { actionOf, nextSpeed, SPEEDS } from './keys';

describe('the keys of a player', () => {
  it('do what they do elsewhere on the web', () => {
    expect(actionOf(' ')).toEqual(actionOf('K'));
    expect(actionOf('ArrowRight')).toEqual({ kind: 'skip', by: 5 });
    expect(actionOf('J')).toEqual({ kind: 'skip', by: -10 });
    expect(actionOf('7')).toEqual({ kind: 'to', part: 0.7 });
    expect(actionOf('End')).toEqual({ kind: 'to', part: 1 });
    for (const other of ['a', 'Tab', 'Enter', 'Escape', 'F5', '٣', 'Shift']) expect(actionOf(other), other).toBeNull();
  });

  it('change the speed step by step, within bounds', () => {
    let speed = 1;
    for (let step = 0; step < 10; step += 1) speed = nextSpeed(speed, 1);
    expect(speed).toBe(SPEEDS.at(-1));
    for (let step = 0; step < 10; step += 1) speed = nextSpeed(speed, -1);
    expect(speed).toBe(SPEEDS[0]);
    expect(nextSpeed(1.1, 1)).toBe(1.5);
  });
});
