import {
  type ErrorBody, type EventMessage, type LoggedIn, PROTOCOL_VERSION, type RequestBody, type RequestName, type Results, type Resumed,
  type ServerMessage,
} from '../../src/protocol/messages';

/** The fields of a request. */
export type Fields<T extends RequestName> = Omit<Extract<RequestBody, { type: T }>, 'type'>;

/** The fields of `login` but the version, which the client knows. */
export type Who = Omit<Fields<'login'>, 'version'>;

/** A request that the server has refused. */
export class Refused extends Error {
  constructor(
    type: RequestName,
    /** Why, as the server says it. */
    readonly body: ErrorBody,
  ) {
    super(`${type}: ${body.name} (${body.code}): ${body.message}`);
  }
}

interface Waiting {
  type: RequestName;
  resolve(result: never): void;
  reject(error: Error): void;
}

/** One session of `/signal`, on one socket after the other. */
export class Signal {
  /** Every event of the session, in order. */
  readonly events: EventMessage[] = [];
  /** How each socket ended. */
  readonly closes: { code: number; reason: string }[] = [];
  /** What a hole in the numbers of the events looked like; null as long as there is none. */
  hole: string | null = null;
  /** Called for each event. */
  onevent: (event: EventMessage) => void = () => undefined;
  #session: LoggedIn | null = null;
  #socket: WebSocket | null = null;
  #nextId = 1;
  readonly #waiting = new Map<number, Waiting>();

  /** `url`: the WebSocket's address. */
  constructor(readonly url: string) {}

  /** Whether a socket is open. */
  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** The number of the last event. */
  get lastSeq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  async login(who: Who): Promise<LoggedIn> {
    if (!this.isOpen) await this.#open();
    this.#session = await this.request('login', { version: PROTOCOL_VERSION, ...who });
    return this.#session;
  }

  /** Goes on with the session on another socket, whatever has become of the one before. */
  async resume(): Promise<Resumed> {
    if (!this.#session) throw new Error('nothing to resume');
    await this.#open();
    const { session, resumeToken } = this.#session;
    return this.request('resume', { session, resumeToken, lastSeq: this.lastSeq });
  }

  /** Sends a request and waits for its response. */
  request<T extends RequestName>(type: T, fields: Fields<T>): Promise<Results[T]> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error(`${type}: the socket is not open`));
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { type, resolve, reject });
      socket.send(JSON.stringify({ id, type, ...fields }));
    });
  }

  #open(): Promise<void> {
    this.#socket?.close();
    this.#lose();
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#take(JSON.parse(data as string) as ServerMessage);
    };
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onclose = ({ code, reason }) => {
        this.closes.push({ code, reason });
        if (socket === this.#socket) this.#lose();
        reject(new Error(`the socket has closed with ${code} ${reason}`));
      };
    });
  }

  /** Responses to what is under way do not come any more. */
  #lose(): void {
    for (const { type, reject } of this.#waiting.values()) reject(new Error(`${type}: the socket was lost before the response came`));
    this.#waiting.clear();
  }

  #take(message: ServerMessage): void {
    if (message.type === 'event') {
      if (message.seq !== this.lastSeq + 1) this.hole ??= `event ${message.seq} came after ${this.lastSeq}`;
      this.events.push(message);
      this.onevent(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (!waiting) return;
    if ('error' in message) waiting.reject(new Refused(waiting.type, message.error));
    else waiting.resolve(message.result as never);
  }
}
