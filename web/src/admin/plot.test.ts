import { describe, expect, it } from 'vitest';
import { plot, type Point } from './plot';

const BOX = { width: 300, height: 101, atLeast: 10 };
const at = (seconds: number, value: number | null): Point => ({ at: seconds * 1000, value });

describe('a plot', () => {
  it('has the newest point at the right edge and five minutes in its width', () => {
    const { line } = plot([at(0, 0), at(2, 0)], BOX);
    expect(line).toBe('M298 100.5L300 100.5');
    expect(plot([at(0, 0), at(400, 0)], BOX).line).toBe('M300 100.5h.01');
  });

  it('reaches at least as high as is asked, and above its highest point', () => {
    const height = (value: number) => Number(plot([at(0, value)], BOX).line.split(' ')[1]!.split('h')[0]);
    expect(height(11)).toBeCloseTo(9.6);
    expect(height(1100)).toBeCloseTo(9.6);
    expect(height(5.5)).toBeCloseTo(50.5);
  });

  it('breaks where nothing is known and where samples are missing', () => {
    const { line, area } = plot([at(0, 1), at(2, 1), at(4, null), at(6, 1), at(60, 1)], BOX);
    expect(line.match(/M/g)).toHaveLength(3);
    expect(area.match(/Z/g)).toHaveLength(3);
  });

  it('finds the known point that is nearest', () => {
    const { nearest } = plot([at(0, 1), at(150, null), at(300, 3)], BOX);
    expect([nearest(0), nearest(0.49), nearest(0.51), nearest(1)].map((point) => point?.value)).toEqual([1, 1, 3, 3]);
    expect(plot([], BOX).nearest(0.5)).toBeNull();
    expect(plot([], BOX).line).toBe('');
  });
});
