import { afterEach, describe, expect, it, vi } from 'vitest';

afterEach(() => vi.resetModules());

/** What a second script of this library on the page has: the same modules, loaded anew. */
async function anotherScript() {
  vi.resetModules();
  const [{ sessions }, server, log, errors] = await Promise.all([import('./signal/pool'), import('./server'), import('./log'), import('./errors')]);
  return { sessions, ...server, ...log, ...errors };
}

describe('scripts on one page', () => {
  it('have one pool of sessions', async () => {
    const [one, two] = [await anotherScript(), await anotherScript()];
    expect(one.server).not.toBe(two.server);
    expect(one.sessions).toBe(two.sessions);
  });

  it('talk to the server that one of them was told', async () => {
    const [one, two] = [await anotherScript(), await anotherScript()];
    one.setServer('wss://live.example.org/signal');
    expect(two.server()).toBe('https://live.example.org');
  });

  it('log at the level that one of them was told', async () => {
    const [one, two] = [await anotherScript(), await anotherScript()];
    const write = vi.spyOn(console, 'error').mockReturnValue();
    one.setLogLevel(5);
    two.log.error('test', 'not shown');
    expect(write).not.toHaveBeenCalled();
    two.setLogLevel(3);
  });

  it('know the errors of each other', async () => {
    const [one, two] = [await anotherScript(), await anotherScript()];
    const error = new one.WebliveError('busy', 'full', false);
    expect(error).toBeInstanceOf(two.WebliveError);
    expect(two.toWebliveError(error, 'test')).toBe(error);
    expect(new Error('other')).not.toBeInstanceOf(two.WebliveError);
    class Special extends two.WebliveError {}
    expect(error).not.toBeInstanceOf(Special);
    expect(new Special('busy', 'full', false)).toBeInstanceOf(one.WebliveError);
  });
});
