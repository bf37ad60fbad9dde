import { describe, expect, it } from 'vitest';
import { CLOCK_MODULUS, clockDifference, COLUMNS, decodeClock, encodeClock, readCells, ROWS } from './clockcode';

/** A small seeded generator (mulberry32): the same pictures on every run. */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function paint(cells: Uint8Array, width: number, height: number, black = 16, white = 235): Float64Array {
  return Float64Array.from({ length: width * height }, (_, i) => {
    const column = Math.floor(((i % width) * COLUMNS) / width);
    const row = Math.floor((Math.floor(i / width) * ROWS) / height);
    return cells[row * COLUMNS + column] ? white : black;
  });
}

describe('the painted clock', () => {
  it('comes back for any time', () => {
    const random = seeded(7);
    for (let i = 0; i < 500; i += 1) {
      const time = Math.floor(random() * CLOCK_MODULUS);
      expect(decodeClock(encodeClock(time))).toBe(time);
    }
  });

  it('notices every single wrong cell', () => {
    const cells = encodeClock(1_700_000_000_123);
    for (let i = 0; i < cells.length; i += 1) {
      const wrong = cells.slice();
      wrong[i] = 1 - (wrong[i] ?? 0);
      expect(decodeClock(wrong)).toBeNull();
    }
  });

  it('is not seen in black, white or a wrong number of cells', () => {
    expect(decodeClock(new Uint8Array(48))).toBeNull();
    expect(decodeClock(new Uint8Array(48).fill(1))).toBeNull();
    expect(decodeClock(new Uint8Array(47))).toBeNull();
  });

  it('is read through noise and low contrast', () => {
    const random = seeded(11);
    for (let i = 0; i < 100; i += 1) {
      const time = Math.floor(random() * CLOCK_MODULUS);
      const luma = paint(encodeClock(time), 192, 16, 60, 180).map((value) => value + (random() - 0.5) * 80);
      const cells = readCells(luma, 192, 16);
      expect(cells && decodeClock(cells)).toBe(time);
    }
  });

  it('is refused where there is no contrast', () => {
    const random = seeded(3);
    expect(readCells(Float64Array.from({ length: 192 * 16 }, () => 120 + random() * 20), 192, 16)).toBeNull();
  });

  it('gives small differences across its wrap', () => {
    expect(clockDifference(5, CLOCK_MODULUS - 5)).toBe(10);
    expect(clockDifference(CLOCK_MODULUS - 5, 5)).toBe(-10);
    expect(clockDifference(1_700_000_000_500, 1_700_000_000_000 % CLOCK_MODULUS)).toBe(500);
  });
});
