import { WebSocket } from 'ws';

/** A WebDriver BiDi connection (https://w3c.github.io/webdriver-bidi/): commands, and events as they come. */
export class BidiConnection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;

  private constructor(
    socket: WebSocket,
    private readonly onevent: (method: string, params: Record<string, unknown>) => void,
  ) {
    this.#socket = socket;
    socket.on('message', (data) => this.#take(JSON.parse(String(data)) as Frame));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser has gone'));
    });
  }

  static async open(url: string, onevent: (method: string, params: Record<string, unknown>) => void): Promise<BidiConnection> {
    // A picture of the whole page comes in one message.
    const socket = new WebSocket(url, { maxPayload: 64 * 1024 * 1024 });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new BidiConnection(socket, onevent);
  }

  send<R>(method: string, params: object): Promise<R> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #take(frame: Frame): void {
    if (frame.type === 'event') return this.onevent(frame.method, frame.params);
    const asked = this.#waiting.get(frame.id);
    this.#waiting.delete(frame.id);
    if (frame.type === 'success') asked?.resolve(frame.result as never);
    else asked?.reject(new Error(`${frame.error}: ${frame.message}`));
  }
}

type Frame =
  | { type: 'event'; method: string; params: Record<string, unknown> }
  | { type: 'success'; id: number; result: unknown }
  | { type: 'error'; id: number; error: string; message: string };
