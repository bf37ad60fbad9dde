import { describe, expect, it } from 'vitest';
import { hueOf, initialsOf } from './person';

describe('what stands for a person without a picture', () => {
  it('is the initials of Latin names, and the first character of others', () => {
    expect(initialsOf('anna')).toBe('A');
    expect(initialsOf('Anna Maria Berg')).toBe('AB');
    expect(initialsOf('cat-lover')).toBe('CL');
    expect(initialsOf('王小明')).toBe('王');
    expect(initialsOf('김 민지')).toBe('김');
    expect(initialsOf('😀 x')).toBe('😀');
    expect(initialsOf('  ')).toBe('?');
  });

  it('has a colour that stays the same', () => {
    expect(hueOf('anna')).toBe(hueOf('anna'));
    expect(hueOf('anna')).not.toBe(hueOf('ben'));
    for (const name of ['', 'a', '王小明']) expect(hueOf(name)).toBeGreaterThanOrEqual(0);
  });
});
