import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer } from './fake-server';
import { SessionPool } from './pool';

const ANNA = { server: 'https://live.example', app: 7, user: 'anna', userSig: 'first' };

let server: FakeServer;
let pool: SessionPool;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  pool = new SessionPool(server.open);
});
afterEach(() => vi.useRealTimers());

describe('the sessions of a page', () => {
  it('are one a user, whoever asks, until the last holder releases it', async () => {
    const [a, b, c] = [pool.acquire(ANNA), pool.acquire({ ...ANNA }), pool.acquire(ANNA)];
    expect(b.session).toBe(a.session);
    expect(c.session).toBe(a.session);
    await a.session.ready;
    await b.release();
    await b.release();
    await a.release();
    expect(a.session.state).toBe('connected');
    await c.release();
    expect(a.session.state).toBe('closed');
    expect(server.asked('logout')).toHaveLength(1);
    expect(server.sockets).toHaveLength(1);
  });

  it('are others for other users, apps, servers, and for each guest', () => {
    const identities = [ANNA, { ...ANNA, user: 'ben' }, { ...ANNA, app: 8 }, { ...ANNA, server: 'https://other.example' }];
    const { user: _, userSig: __, ...guest } = ANNA;
    const all = [...identities, guest, guest].map((identity) => pool.acquire(identity).session);
    expect(new Set(all).size).toBe(6);
  });

  it('take a newer UserSig for later logins', async () => {
    const { session } = pool.acquire(ANNA);
    await session.ready;
    pool.acquire({ ...ANNA, userSig: 'second' });
    server.cut({ knows: false });
    await vi.advanceTimersByTimeAsync(1);
    expect(server.socket.frames.find((frame) => frame.type === 'login')).toMatchObject({ userSig: 'second' });
  });

  it('that have ended are not given out again, and their holders do not end the next one', async () => {
    const first = pool.acquire(ANNA);
    await first.session.ready;
    server.cut({ code: 4001 });
    expect(first.session.state).toBe('closed');
    const second = pool.acquire(ANNA);
    expect(second.session).not.toBe(first.session);
    await second.session.ready;
    await first.release();
    expect(second.session.state).toBe('connected');
    expect(pool.acquire(ANNA).session).toBe(second.session);
  });

  it('that are being ended are not given out either', async () => {
    const first = pool.acquire(ANNA);
    await first.session.ready;
    const ending = first.release();
    const second = pool.acquire(ANNA);
    expect(second.session).not.toBe(first.session);
    await ending;
    await second.session.ready;
    expect(second.session.state).toBe('connected');
    expect(pool.acquire(ANNA).session).toBe(second.session);
  });
});
