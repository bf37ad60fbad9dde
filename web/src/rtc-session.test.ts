import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RtcSession, type SessionOptions, type SessionState } from './rtc-session';

const SDP = 'v=0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:aaaa\r\na=ice-pwd:bbbb\r\n';

/** As much of a peer connection as a session touches; the test moves its state. */
class FakePeer extends EventTarget {
  static last: FakePeer;
  connectionState = 'new';
  localDescription: { sdp: string } | null = null;
  remoteDescription: { sdp: string } | null = null;
  configuration: RTCConfiguration = {};
  isClosed = false;

  constructor() {
    super();
    FakePeer.last = this;
  }
  createOffer = async () => ({ type: 'offer', sdp: SDP });
  setLocalDescription = async (it: { sdp: string }) => void (this.localDescription = it);
  setRemoteDescription = async (it: { sdp: string }) => void (this.remoteDescription = it);
  setConfiguration = (it: RTCConfiguration) => void (this.configuration = it);
  getSenders = () => [];
  getReceivers = () => [];
  close = () => void (this.isClosed = true);

  become(state: string): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
  gather(candidate: string | null): void {
    this.dispatchEvent(Object.assign(new Event('icecandidate'), { candidate: candidate === null ? null : { candidate } }));
  }
}

class Session extends RtcSession {
  readonly states: SessionState[] = [];
  constructor(options: SessionOptions = {}) {
    super('http://server/whip/a', options);
    this.on('state', (state) => this.states.push(state));
  }
  protected override prepare(): void {}
}

interface Sent {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}

let sent: Sent[];
let answers: Partial<Record<string, () => Response>>;

beforeEach(() => {
  sent = [];
  answers = {
    POST: () => new Response(SDP, { status: 201, headers: { location: '/whip/a/s1', etag: '"1"' } }),
    PATCH: () => new Response(null, { status: 204 }),
    DELETE: () => new Response(null, { status: 200 }),
  };
  vi.stubGlobal('RTCPeerConnection', FakePeer);
  vi.stubGlobal('fetch', async (url: string, init: { method: string; headers: Record<string, string>; body?: string }) => {
    sent.push({ method: init.method, url, headers: init.headers, body: init.body ?? '' });
    return answers[init.method]!();
  });
  vi.useFakeTimers();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function connected(options?: SessionOptions): Promise<Session> {
  const session = new Session(options);
  const started = session.start();
  await vi.waitFor(() => expect(FakePeer.last.remoteDescription).not.toBeNull());
  FakePeer.last.become('connected');
  await started;
  return session;
}

describe('a session', () => {
  it('posts its offer, connects, and deletes its session URL at the end', async () => {
    const session = await connected({ token: 'secret' });
    expect(session.sessionUrl).toBe('http://server/whip/a/s1');
    await session.close();
    expect(sent.map(({ method, url }) => [method, url])).toEqual([
      ['POST', 'http://server/whip/a'],
      ['DELETE', 'http://server/whip/a/s1'],
    ]);
    expect(sent[0]?.headers).toMatchObject({ 'content-type': 'application/sdp', authorization: 'Bearer secret' });
    expect(session.states).toEqual(['connecting', 'connected', 'closed']);
    expect(FakePeer.last.isClosed).toBe(true);
  });

  it('fails with the reason that the server gives', async () => {
    answers['POST'] = () =>
      new Response('{"detail":"no common codec"}', { status: 422, headers: { 'content-type': 'application/problem+json' } });
    const session = new Session();
    await expect(session.start()).rejects.toMatchObject({ type: 'http', status: 422, message: 'offer refused: no common codec' });
    expect(session.state).toBe('failed');
  });

  it('uses the ICE servers of the answer', async () => {
    answers['POST'] = () =>
      new Response(SDP, { status: 201, headers: { location: '/s', link: '<stun:s.example>; rel="ice-server"' } });
    await connected();
    expect(FakePeer.last.configuration.iceServers).toEqual([{ urls: 'stun:s.example' }]);
  });

  it('takes newer credentials from the answer to an ICE restart', async () => {
    const session = await connected();
    const link = '<turn:t.example>; rel="ice-server"; username="9:anna"; credential="new"; credential-type="password"';
    answers['PATCH'] = () => new Response('a=ice-ufrag:c\r\na=ice-pwd:d\r\n', { status: 200, headers: { link } });
    await session.restartIce();
    expect(FakePeer.last.configuration.iceServers).toEqual([{ urls: 'turn:t.example', username: '9:anna', credential: 'new' }]);
  });

  it('patches candidates under the entity tag, one request at a time', async () => {
    await connected();
    FakePeer.last.gather('candidate:1');
    FakePeer.last.gather('candidate:2');
    FakePeer.last.gather(null);
    await vi.waitFor(() => expect(sent.filter(({ method }) => method === 'PATCH')).toHaveLength(2));
    const [first, second] = sent.filter(({ method }) => method === 'PATCH');
    expect(first?.headers['if-match']).toBe('"1"');
    expect(first?.body).toContain('a=candidate:1\r\n');
    expect(second?.body).toContain('a=candidate:2\r\na=end-of-candidates\r\n');
  });

  it('asks no more when the server does not trickle', async () => {
    answers['PATCH'] = () => new Response(null, { status: 405 });
    await connected();
    FakePeer.last.gather('candidate:1');
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    FakePeer.last.gather('candidate:2');
    await vi.advanceTimersByTimeAsync(100);
    expect(sent).toHaveLength(2);
  });

  it('restarts ICE when the path stays lost, and takes the new credentials', async () => {
    const session = await connected();
    answers['PATCH'] = () =>
      new Response('a=ice-ufrag:cccc\r\na=ice-pwd:dddd\r\n', { status: 200, headers: { etag: '"2"' } });
    FakePeer.last.become('disconnected');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(session.state).toBe('reconnecting');
    expect(sent.at(-1)?.headers['if-match']).toBe('*');
    expect(FakePeer.last.remoteDescription?.sdp).toContain('a=ice-ufrag:cccc');
    FakePeer.last.become('connected');
    expect(session.state).toBe('connected');
  });

  it('restarts ICE on demand while the path stands', async () => {
    const session = await connected();
    answers['PATCH'] = () => new Response('a=ice-ufrag:c\r\na=ice-pwd:d\r\n', { status: 200 });
    await session.restartIce();
    expect(session.states).toEqual(['connecting', 'connected', 'reconnecting', 'connected']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.state).toBe('connected');
  });

  it('heals by itself within the grace without a request', async () => {
    await connected();
    FakePeer.last.become('disconnected');
    await vi.advanceTimersByTimeAsync(1_000);
    FakePeer.last.become('connected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent.map(({ method }) => method)).toEqual(['POST']);
  });

  it('tries an ICE restart again while the server cannot be reached', async () => {
    const session = await connected({ maxRestarts: 1 });
    let failures = 0;
    answers['PATCH'] = () => {
      failures += 1;
      if (failures === 1) throw new TypeError('Failed to fetch');
      if (failures === 2) return new Response(null, { status: 502 });
      return new Response('a=ice-ufrag:cccc\r\na=ice-pwd:dddd\r\n', { status: 200 });
    };
    FakePeer.last.become('failed');
    await vi.advanceTimersByTimeAsync(3_000);
    expect([failures, session.state]).toEqual([2, 'reconnecting']);
    await vi.advanceTimersByTimeAsync(2_000);
    FakePeer.last.become('connected');
    expect([failures, session.state]).toEqual([3, 'connected']);
  });

  it('gives up when the server stays away', async () => {
    const session = await connected();
    answers['PATCH'] = () => {
      throw new TypeError('Failed to fetch');
    };
    FakePeer.last.become('failed');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.state).toBe('failed');
  });

  it('makes one restart at a time', async () => {
    const session = await connected();
    let answer: (response: Response) => void = () => undefined;
    vi.stubGlobal('fetch', (url: string, init: { method: string; headers: Record<string, string>; body?: string }) => {
      sent.push({ method: init.method, url, headers: init.headers, body: init.body ?? '' });
      return new Promise<Response>((resolve) => (answer = resolve));
    });
    void session.restartIce();
    FakePeer.last.become('failed');
    await vi.advanceTimersByTimeAsync(10);
    expect(sent.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
    answer(new Response('a=ice-ufrag:c\r\na=ice-pwd:d\r\n', { status: 200 }));
    await vi.advanceTimersByTimeAsync(10);
    expect(FakePeer.last.remoteDescription?.sdp).toContain('a=ice-ufrag:c');
  });

  it('gives up after the last restart', async () => {
    const session = await connected({ maxRestarts: 2 });
    answers['PATCH'] = () => new Response('a=ice-ufrag:c\r\na=ice-pwd:d\r\n', { status: 200 });
    const error = vi.fn();
    session.on('error', error);
    for (let i = 0; i < 3; i += 1) {
      FakePeer.last.become('failed');
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(session.state).toBe('failed');
    expect(error.mock.calls[0]?.[0]).toMatchObject({ type: 'connection', fatal: true });
  });

  it('fails when the media port is not reached in time', async () => {
    const session = new Session({ connectTimeout: 1_000 });
    const started = session.start();
    const refused = expect(started).rejects.toMatchObject({ type: 'connection' });
    await vi.waitFor(() => expect(FakePeer.last.remoteDescription).not.toBeNull());
    await vi.advanceTimersByTimeAsync(1_000);
    await refused;
    expect(session.state).toBe('failed');
  });

  it('closed while it connects leaves no session behind', async () => {
    const session = new Session();
    const started = session.start();
    const refused = expect(started).rejects.toMatchObject({ type: 'connection' });
    await vi.waitFor(() => expect(FakePeer.last.remoteDescription).not.toBeNull());
    await session.close();
    await refused;
    expect(sent.at(-1)?.method).toBe('DELETE');
  });
});
