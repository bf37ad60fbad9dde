import type { ErrorBody, ErrorName, EventMessage, LoggedIn } from '../protocol/messages';
import type { Socket } from './identity';

/** A request as the server sees it. */
export interface Frame {
  id: number;
  type: string;
  [field: string]: unknown;
}

/** A socket of a unit test: what the page has sent, and the means to answer. */
export class FakeSocket implements Socket {
  readyState: 0 | 1 | 2 | 3 = 0;
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  readonly frames: Frame[] = [];
  readonly texts: string[] = [];

  constructor(
    readonly url: string,
    private readonly onframe: (frame: Frame, socket: FakeSocket) => void = () => undefined,
  ) {}

  send(text: string): void {
    if (this.readyState !== 1) throw new Error('the socket is not open');
    this.texts.push(text);
    const frame = JSON.parse(text) as Frame;
    this.frames.push(frame);
    this.onframe(frame, this);
  }

  close(): void {
    this.readyState = 3;
  }

  /** The handshake is done. */
  accept(): void {
    this.readyState = 1;
    this.onopen?.call(this as unknown as WebSocket, new Event('open'));
  }

  say(message: unknown): void {
    this.onmessage?.call(this as unknown as WebSocket, { data: typeof message === 'string' ? message : JSON.stringify(message) } as MessageEvent);
  }

  answer(frame: Frame, result: unknown = {}): void {
    this.say({ type: 'response', id: frame.id, result });
  }

  refuse(frame: Frame, name: ErrorName, more: Partial<ErrorBody> = {}): void {
    this.say({ type: 'response', id: frame.id, error: { code: 1, codes: { chat: 1, live: 2, rtc: 3 }, name, message: `refused: ${name}`, ...more } });
  }

  /** The server or the network ends it. */
  end(code: number, reason = ''): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.call(this as unknown as WebSocket, { code, reason } as CloseEvent);
  }
}

/** What a request is answered with: a result, or why it is refused; `undefined` leaves it unanswered. */
export type Reply = { result: unknown } | { refused: ErrorName } | undefined;

/**
 * A server of unit tests: accepts sockets, logs users in, resumes, and answers the rest as {@link answers} says.
 * Answers come in the next microtask.
 */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  /** All requests but logins, resumes and pings. */
  readonly requests: Frame[] = [];
  /** By request; `{}` for what is not here. */
  readonly answers: Record<string, (frame: Frame) => Reply> = {};
  /** Sockets are accepted. */
  isUp = true;
  /** Resumes are accepted. */
  knows = true;
  limits: Partial<LoggedIn['limits']> = {};
  #seq = 0;

  readonly open = (url: string): FakeSocket => {
    const socket = new FakeSocket(url, (frame) => queueMicrotask(() => this.#onFrame(frame, socket)));
    this.sockets.push(socket);
    queueMicrotask(() => (this.isUp ? socket.accept() : socket.end(1006)));
    return socket;
  };

  /** The newest socket. */
  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  /** The requests of a type so far. */
  asked(type: string): Frame[] {
    return this.requests.filter((frame) => frame.type === type);
  }

  /** Tells an event, under the next number. */
  tell(event: { event: string; [field: string]: unknown }): void {
    this.#seq += 1;
    this.socket.say({ type: 'event', seq: this.#seq, ...event } as unknown as EventMessage);
  }

  /** Ends the socket; the session is known afterwards or not. */
  cut({ knows = true, isUp = true, code = 1006 } = {}): void {
    this.knows = knows;
    this.isUp = isUp;
    this.socket.end(code);
  }

  #onFrame(frame: Frame, socket: FakeSocket): void {
    if (socket.readyState !== 1) return;
    if (frame.type === 'login') {
      this.#seq = 0;
      this.knows = true;
      return socket.answer(frame, loggedIn(frame['user'] as string | undefined, this.limits));
    }
    if (frame.type === 'resume') return this.knows ? socket.answer(frame, { missed: 0, serverTime: 0 }) : socket.refuse(frame, 'sessionUnknown');
    if (frame.type === 'ping') return socket.answer(frame, { serverTime: 0 });
    this.requests.push(frame);
    const answer = this.answers[frame.type];
    const reply = answer ? answer(frame) : { result: {} };
    if (!reply) return;
    if ('refused' in reply) socket.refuse(frame, reply.refused);
    else socket.answer(frame, reply.result);
  }
}

/** What a login is answered with. */
export function loggedIn(user: string | undefined, limits: Partial<LoggedIn['limits']> = {}): LoggedIn {
  return {
    session: '1', resumeToken: 'secret', user: user ?? null, profile: { nick: '', avatar: '' }, iceServers: [], serverTime: 0,
    limits: {
      maxRequestBytes: 196_608, requestsPerSecond: 10, requestBurst: 60, resumeMs: 30_000, maxMessageBytes: 12_288, maxLikes: 100,
      usersPerRequest: 10, page: 100, ...limits,
    },
  };
}
