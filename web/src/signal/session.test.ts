import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebliveError } from '../errors';
import { setLogLevel } from '../log';
import { FakeServer, FakeSocket, loggedIn } from './fake-server';
import { type Identity, Session } from './session';

const ANNA: Identity = { server: 'https://live.example', app: 7, user: 'anna', userSig: 'sig' };

let server: FakeServer;
const sessions: Session[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  // The middle of every random pause.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  setLogLevel(5);
  server = new FakeServer();
});

afterEach(async () => {
  for (const session of sessions.splice(0)) void session.close();
  await vi.advanceTimersByTimeAsync(5_000);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function begin(identity: Identity = ANNA, open: (url: string) => FakeSocket = server.open): Session {
  const session = new Session(identity, open);
  sessions.push(session);
  return session;
}

async function connected(identity?: Identity): Promise<Session> {
  const session = begin(identity);
  await session.ready;
  return session;
}

const settle = () => vi.advanceTimersByTimeAsync(0);

/** The error that a promise rejects with. */
const errorOf = (asked: Promise<unknown>) => asked.then(() => { throw new Error('did not reject'); }, (error: WebliveError) => error);

/** A session whose sockets the test answers by hand. */
function byHand(identity: Identity = ANNA): { session: Session; sockets: FakeSocket[] } {
  const sockets: FakeSocket[] = [];
  const session = begin(identity, (url) => {
    const socket = new FakeSocket(url);
    sockets.push(socket);
    return socket;
  });
  return { session, sockets };
}

describe('a session logs in', () => {
  it('over the WebSocket of its server, with what the identity says', async () => {
    const { session, sockets } = byHand({ ...ANNA, profile: { nick: 'Anna', avatar: '' } });
    expect(sockets[0]!.url).toBe('wss://live.example/signal');
    sockets[0]!.accept();
    const [login] = sockets[0]!.frames;
    expect(login).toMatchObject({ type: 'login', version: 1, app: 7, user: 'anna', userSig: 'sig', profile: { nick: 'Anna' } });
    expect(session.state).toBe('connecting');
    sockets[0]!.answer(login!, loggedIn('anna'));
    expect(session.state).toBe('connected');
    expect((await session.ready).user).toBe('anna');
  });

  it('and sends then what was asked before, in its order', async () => {
    const session = begin();
    const asked = [session.request('showRoom', { room: 1 }), session.request('showRoom', { room: 2 })];
    await Promise.all(asked);
    expect(server.asked('showRoom').map((frame) => frame['room'])).toEqual([1, 2]);
  });

  it('or is refused for good, with the reason', async () => {
    const { session, sockets } = byHand();
    const waiting = session.request('ping', {});
    const closed = vi.fn();
    session.on('closed', closed);
    sockets[0]!.accept();
    sockets[0]!.refuse(sockets[0]!.frames[0]!, 'userSigExpired');
    expect(await errorOf(session.ready)).toMatchObject({ type: 'refused', reason: 'userSigExpired', fatal: true });
    expect(await errorOf(waiting)).toMatchObject({ reason: 'userSigExpired' });
    expect(closed).toHaveBeenCalledWith({ reason: 'userSigExpired', error: expect.any(WebliveError) });
    expect(await errorOf(session.request('ping', {}))).toMatchObject({ type: 'state' });
  });

  it('or gives up when nobody is there, after three tries', async () => {
    server.isUp = false;
    const session = begin();
    const error = errorOf(session.ready);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await error).toMatchObject({ type: 'network', fatal: true });
    expect(server.sockets).toHaveLength(4);
    expect(session.state).toBe('closed');
  });

  it('again when the server was busy, and not when it stays busy', async () => {
    const { session, sockets } = byHand();
    const error = errorOf(session.ready);
    for (let i = 0; i < 2; i += 1) {
      await vi.advanceTimersByTimeAsync(2_000);
      sockets[i]!.accept();
      sockets[i]!.refuse(sockets[i]!.frames[0]!, 'serverStopping');
    }
    expect(await error).toMatchObject({ type: 'busy', reason: 'serverStopping' });
    expect(sockets).toHaveLength(2);
  });

  it('and does not wait for ever for a server that accepts and says nothing', async () => {
    const { session, sockets } = byHand();
    const error = errorOf(session.ready);
    for (let i = 0; i < 4; i += 1) {
      sockets[i]!.accept();
      // Its patience, and the longest pause that follows.
      await vi.advanceTimersByTimeAsync(4_000 + 1_000);
    }
    expect(await error).toMatchObject({ type: 'network' });
    expect(sockets.every((socket) => socket.readyState === 3)).toBe(true);
  });

  it('as a guest, and is unsupported without WebSockets', async () => {
    expect((await connected({ server: ANNA.server, app: 0 })).user).toBeNull();
    const session = begin(ANNA, () => { throw new Error('no such class'); });
    expect(await errorOf(session.ready)).toMatchObject({ type: 'unsupported' });
  });
});

describe('a request', () => {
  it('is refused with the reason, codes and advice that the server names', async () => {
    const session = await connected();
    server.answers['enterRoom'] = () => ({ refused: 'noSuchRoom' });
    const error = await errorOf(session.request('enterRoom', { room: 9, part: 'chat' }));
    expect(error).toMatchObject({ type: 'refused', reason: 'noSuchRoom', codes: { chat: 1, live: 2, rtc: 3 } });
    expect(error.advice).toBe('Read the message; the request was understood and refused.');
  });

  it('times out, and its late response is nobody\'s', async () => {
    const session = await connected();
    server.answers['showRoom'] = () => undefined;
    const error = errorOf(session.request('showRoom', { room: 1 }, { timeout: 500 }));
    await vi.advanceTimersByTimeAsync(501);
    expect(await error).toMatchObject({ type: 'timeout' });
    server.socket.answer(server.asked('showRoom')[0]!, {});
    expect(session.state).toBe('connected');
  });

  it('that has waited for a connection in vain says so', async () => {
    const session = await connected();
    server.cut({ isUp: false });
    const error = errorOf(session.request('showRoom', { room: 1 }));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await error).toMatchObject({ type: 'network', message: 'showRoom: no connection to the server' });
  });

  it('keeps to the server\'s rate', async () => {
    server.limits = { requestsPerSecond: 10, requestBurst: 14 };
    const session = await connected();
    for (let i = 0; i < 30; i += 1) void session.request('showRoom', { room: i }).catch(() => undefined);
    await settle();
    expect(server.asked('showRoom')).toHaveLength(10);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.asked('showRoom')).toHaveLength(19);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(server.asked('showRoom').map((frame) => frame['room'])).toEqual([...Array(30).keys()]);
  });

  it('is not sent when it is larger than the server takes', async () => {
    server.limits = { maxRequestBytes: 1_000 };
    const session = await connected();
    const send = (text: string) => session.request('setProfile', { profile: { nick: text, avatar: '' } });
    expect(await errorOf(send('ä'.repeat(500)))).toMatchObject({ type: 'argument', allowed: '1000 bytes' });
    await send('a'.repeat(500));
    expect(session.state).toBe('connected');
  });

  it('beyond 128 without a response is refused', async () => {
    const session = begin();
    const waiting = Array.from({ length: 128 }, () => session.request('ping', {}).catch(() => undefined));
    expect(await errorOf(session.request('ping', {}))).toMatchObject({ type: 'busy' });
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all(waiting);
  });
});

describe('a lost socket', () => {
  it('is opened again at once, and what had no response is sent again under the same ids before anything new', async () => {
    const session = await connected();
    server.answers['showRoom'] = () => undefined;
    const asked = [1, 2].map((room) => session.request('showRoom', { room }));
    await settle();
    const first = server.socket;
    server.answers['showRoom'] = (frame) => ({ result: { name: String(frame['room']) } });
    server.cut();
    expect(session.state).toBe('reconnecting');
    const later = session.request('showRoom', { room: 3 });
    await vi.advanceTimersByTimeAsync(1);
    expect(await Promise.all([...asked, later])).toEqual([{ name: '1' }, { name: '2' }, { name: '3' }]);
    const [resume, ...again] = server.socket.frames;
    expect(resume).toMatchObject({ type: 'resume', session: '1', resumeToken: 'secret', lastSeq: 0 });
    expect(again.slice(0, 2)).toEqual(first.frames.slice(1));
    expect(again.map((frame) => frame['room'])).toEqual([1, 2, 3]);
    expect(session.state).toBe('connected');
  });

  it('is tried for with pauses that stay short for a while, and grow', async () => {
    const times: number[] = [];
    const session = begin(ANNA, (url) => {
      times.push(performance.now());
      return server.open(url);
    });
    await session.ready;
    server.cut({ isUp: false });
    await vi.advanceTimersByTimeAsync(60_000);
    const pauses = times.slice(2).map((at, i) => at - times[i + 1]!);
    expect(pauses.slice(0, 4)).toEqual([300, 1_000, 1_000, 1_000]);
    expect(pauses.slice(-3)).toEqual([5_000, 5_000, 5_000]);
  });

  it('does not make a storm when it breaks at once each time', async () => {
    const session = await connected();
    for (let i = 0; i < 100; i += 1) {
      if (session.state === 'connected') server.cut({ code: 4009 });
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(server.sockets.length).toBeLessThan(14);
  });

  it('resumes behind the last event, and nothing is told twice', async () => {
    const session = await connected();
    const seen: unknown[] = [];
    session.onEvent('likes', (event) => seen.push(event.added));
    server.tell({ event: 'likes', added: 1 });
    server.tell({ event: 'likes', added: 2 });
    server.cut();
    await vi.advanceTimersByTimeAsync(1);
    expect(server.socket.frames[0]).toMatchObject({ type: 'resume', lastSeq: 2 });
    server.socket.say({ type: 'event', seq: 2, event: 'likes', added: 2 });
    server.tell({ event: 'likes', added: 3 });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('passes over events that only later servers know', async () => {
    const session = await connected();
    const liked: number[] = [];
    session.onEvent('likes', ({ seq }) => liked.push(seq));
    server.tell({ event: 'ofALaterServer', room: 5, values: { of: ['another', 'kind'] } });
    server.tell({ event: 'likes', added: 1 });
    expect([liked, session.state, server.sockets.length]).toEqual([[2], 'connected', 1]);
  });

  it('follows from a hole in the events: they are asked for again', async () => {
    const session = await connected();
    const seen: number[] = [];
    session.on('event', ({ seq }) => seen.push(seq));
    server.socket.say({ type: 'event', seq: 1, event: 'likes' });
    const holed = server.socket;
    holed.say({ type: 'event', seq: 3, event: 'likes' });
    expect(holed.readyState).toBe(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(server.socket.frames[0]).toMatchObject({ type: 'resume', lastSeq: 1 });
    for (const seq of [2, 3]) server.socket.say({ type: 'event', seq, event: 'likes' });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('is retried when the server is too busy to resume, and the session is kept', async () => {
    const { session, sockets } = byHand();
    sockets[0]!.accept();
    sockets[0]!.answer(sockets[0]!.frames[0]!, loggedIn('anna'));
    const renewed = vi.fn();
    session.on('renewed', renewed);
    sockets[0]!.end(1006);
    await settle();
    sockets[1]!.accept();
    sockets[1]!.refuse(sockets[1]!.frames[0]!, 'busy');
    await vi.advanceTimersByTimeAsync(500);
    sockets[2]!.accept();
    expect(sockets[2]!.frames[0]).toMatchObject({ type: 'resume' });
    sockets[2]!.answer(sockets[2]!.frames[0]!, { missed: 0 });
    expect(session.state).toBe('connected');
    expect(renewed).not.toHaveBeenCalled();
  });
});

describe('a session that the server has forgotten', () => {
  it.each(['sessionUnknown', 'eventsMissed'] as const)('is renewed after %s: rooms are entered before what has waited', async (reason) => {
    const { session, sockets } = byHand();
    const order: string[] = [];
    session.on('state', ({ state }) => order.push(state));
    session.on('renewed', () => {
      order.push('renewed');
      void session.request('enterRoom', { room: 1, part: 'media' }).catch(() => undefined);
    });
    sockets[0]!.accept();
    sockets[0]!.answer(sockets[0]!.frames[0]!, loggedIn('anna'));
    const sent = errorOf(session.request('like', { room: 1, count: 1 }));
    sockets[0]!.end(1006);
    const waiting = session.request('showRoom', { room: 1 });
    session.renewUserSig('a new one');
    await settle();
    sockets[1]!.accept();
    sockets[1]!.refuse(sockets[1]!.frames[0]!, reason);
    expect(sockets[1]!.frames[1]).toMatchObject({ type: 'login', user: 'anna', userSig: 'a new one' });
    sockets[1]!.answer(sockets[1]!.frames[1]!, loggedIn('anna'));
    expect(sockets[1]!.frames.slice(2).map((frame) => frame.type)).toEqual(['enterRoom', 'showRoom']);
    expect(order).toEqual(['connected', 'reconnecting', 'renewed', 'connected']);
    // Nobody knows whether it was done, so it is not done again.
    expect(await sent).toMatchObject({ type: 'network' });
    sockets[1]!.answer(sockets[1]!.frames[3]!, { room: 1 });
    await waiting;
    // Events count anew.
    const seen = vi.fn();
    session.on('event', seen);
    sockets[1]!.say({ type: 'event', seq: 1, event: 'likes' });
    expect(seen).toHaveBeenCalledOnce();
  });

  it('whose login then has no answer is tried again', async () => {
    const { session, sockets } = byHand();
    sockets[0]!.accept();
    sockets[0]!.answer(sockets[0]!.frames[0]!, loggedIn('anna'));
    sockets[0]!.end(1006);
    await settle();
    sockets[1]!.accept();
    sockets[1]!.refuse(sockets[1]!.frames[0]!, 'sessionUnknown');
    await vi.advanceTimersByTimeAsync(4_400);
    expect(sockets).toHaveLength(3);
    expect(session.state).toBe('reconnecting');
  });

  it('ends when the UserSig has expired meanwhile', async () => {
    const { session, sockets } = byHand();
    const closed = vi.fn();
    session.on('closed', closed);
    sockets[0]!.accept();
    sockets[0]!.answer(sockets[0]!.frames[0]!, loggedIn('anna'));
    sockets[0]!.end(1006);
    await settle();
    sockets[1]!.accept();
    sockets[1]!.refuse(sockets[1]!.frames[0]!, 'sessionUnknown');
    sockets[1]!.refuse(sockets[1]!.frames[1]!, 'userSigExpired');
    expect(closed.mock.calls[0]![0]).toMatchObject({ reason: 'userSigExpired' });
  });
});

describe('the server ends a session', () => {
  it.each([
    [4001, 'replaced'], [4002, 'replaced'], [4005, 'removed'], [4000, 'fault'], [1003, 'fault'], [1007, 'fault'], [1009, 'fault'],
  ])('with %i for good: %s, and nobody comes back', async (code, reason) => {
    const session = await connected();
    const closed = vi.fn();
    session.on('closed', closed);
    server.cut({ code });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(closed).toHaveBeenCalledOnce();
    expect(closed.mock.calls[0]![0]).toMatchObject({ reason, error: { type: 'removed', fatal: true } });
    expect(server.sockets).toHaveLength(1);
  });

  it('by the event of a login elsewhere, even if the close code is lost', async () => {
    const session = await connected();
    const closed = vi.fn();
    session.on('closed', closed);
    server.tell({ event: 'loggedOut', message: 'elsewhere' });
    server.cut();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(closed.mock.calls[0]![0]).toMatchObject({ reason: 'replaced' });
    expect(server.sockets).toHaveLength(1);
  });

  it.each([1001, 4004])('with %i for a while: it comes back with patience', async (code) => {
    const session = await connected();
    server.cut({ code });
    await vi.advanceTimersByTimeAsync(900);
    expect(server.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(101);
    expect(session.state).toBe('connected');
  });

  it.each([1006, 4003, 4008, 4009, 1002])('with %i: it comes back at once', async (code) => {
    const session = await connected();
    server.cut({ code });
    await vi.advanceTimersByTimeAsync(1);
    expect(session.state).toBe('connected');
  });
});

describe('silence', () => {
  it('of 8 s is answered by a ping, and a socket without answer is given up', async () => {
    const session = await connected();
    const mute = server.socket;
    vi.spyOn(mute, 'send').mockImplementation(() => undefined);
    await vi.advanceTimersByTimeAsync(7_999);
    expect(mute.send).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(mute.send).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(3_001);
    expect(server.sockets).toHaveLength(2);
    expect(session.state).toBe('connected');
  });

  it('that a ping has broken is none', async () => {
    await connected();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(1);
    expect(server.socket.frames.filter((frame) => frame.type === 'ping').length).toBeGreaterThan(5);
  });

  it('is no fault where other words came while the ping waited for its turn', async () => {
    server.limits = { requestsPerSecond: 1, requestBurst: 5 };
    const session = await connected();
    for (let i = 0; i < 8; i += 1) void session.request('showRoom', { room: i }, { timeout: 60_000 });
    session.probe();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(server.sockets).toHaveLength(1);
  });
});

describe('waking up', () => {
  class Page extends EventTarget {}

  it.each(['online', 'pageshow'])('by %s tries at once', async (event) => {
    const page = new Page();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    try {
      const session = await connected();
      server.cut({ isUp: false });
      await vi.advanceTimersByTimeAsync(1_500);
      const before = server.sockets.length;
      server.isUp = true;
      page.dispatchEvent(new Event(event));
      await settle();
      expect(server.sockets).toHaveLength(before + 1);
      expect(session.state).toBe('connected');
      const pings = () => server.socket.frames.filter((frame) => frame.type === 'ping').length;
      page.dispatchEvent(new Event(event));
      expect(pings()).toBe(1);
      await session.close();
      page.dispatchEvent(new Event(event));
      expect(server.sockets).toHaveLength(before + 1);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('a tab that is seen again', () => {
  it('asks whether the server is there, and tries at once where it was lost', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    vi.stubGlobal('document', page);
    try {
      const session = await connected();
      const turn = (state: string) => {
        page.visibilityState = state;
        page.dispatchEvent(new Event('visibilitychange'));
      };
      turn('hidden');
      expect(server.socket.frames.some(({ type }) => type === 'ping')).toBe(false);
      turn('visible');
      expect(server.socket.frames.some(({ type }) => type === 'ping')).toBe(true);
      server.cut({ isUp: false });
      await vi.advanceTimersByTimeAsync(45_000);
      server.isUp = true;
      await vi.advanceTimersByTimeAsync(10);
      expect(session.state).toBe('reconnecting');
      turn('visible');
      await settle();
      expect(session.state).toBe('connected');
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('a session ends by itself', () => {
  it('with a logout that the server knows of', async () => {
    const session = await connected();
    const closed = vi.fn();
    session.on('closed', closed);
    server.answers['showRoom'] = () => undefined;
    const waiting = errorOf(session.request('showRoom', { room: 1 }));
    await session.close();
    expect(server.asked('logout')).toHaveLength(1);
    expect(closed).toHaveBeenCalledExactlyOnceWith({ reason: 'logout', error: null });
    await session.close();
    expect(server.socket.readyState).toBe(3);
    expect(await waiting).toMatchObject({ type: 'state', message: 'logged out' });
  });

  it('though the server does not answer, or is not there', async () => {
    const session = await connected();
    server.answers['logout'] = () => undefined;
    const done = session.close();
    await vi.advanceTimersByTimeAsync(2_000);
    await done;
    expect(session.state).toBe('closed');

    const other = await connected();
    server.cut({ isUp: false });
    await other.close();
    const { length } = server.sockets;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(length);
  });
});

describe('what is wrong', () => {
  it('in a listener stops neither the others nor the session', async () => {
    const session = await connected();
    const second = vi.fn();
    session.on('event', () => { throw new Error('a fault of the page'); });
    session.on('event', second);
    server.tell({ event: 'likes' });
    server.tell({ event: 'likes' });
    expect(second).toHaveBeenCalledTimes(2);
    await session.request('showRoom', { room: 1 });
  });

  it('in a frame is left out', async () => {
    const session = await connected();
    for (const text of ['{', 'null', '7', '[]', '{"type":"response","id":999,"result":{}}', '{"type":"unheard of"}']) server.socket.say(text);
    await session.request('showRoom', { room: 1 });
    expect(session.state).toBe('connected');
  });
});

describe('a newer UserSig', () => {
  it('is brought to the server once, also when it comes without a connection', async () => {
    const session = await connected();
    const brought = () => server.asked('renewUserSig').map((frame) => frame['userSig']);
    session.renewUserSig('new');
    session.renewUserSig('new');
    await settle();
    expect(brought()).toEqual(['new']);
    server.cut();
    session.renewUserSig('newer');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(session.state).toBe('connected');
    expect(brought()).toEqual(['new', 'newer']);
  });
});
