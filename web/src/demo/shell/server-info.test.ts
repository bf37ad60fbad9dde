import { describe, expect, it } from 'vitest';
import { readServerInfo } from './server-info';

describe('what a server tells of itself', () => {
  it('is how it lets people in', () => {
    expect(readServerInfo({ version: '1', isOpen: true, givesTokens: false, apps: [], takesImages: true })).toEqual({ isOpen: true, apps: [], hasDevTokens: false, takesImages: true });
    expect(readServerInfo({ isOpen: false, givesTokens: true, apps: [{ id: 7, requiresPrivateMapKey: false }, { id: 'x' }, null], takesImages: false })).toEqual({ isOpen: false, apps: [7], hasDevTokens: true, takesImages: false });
  });

  it('may be nothing', () => {
    for (const body of [null, 5, 'x', {}]) expect(readServerInfo(body).isOpen).toBe(true);
  });
});
