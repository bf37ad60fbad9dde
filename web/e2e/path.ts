import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/**
 * A TCP path from pages to a server, which can break as a page's way does. UDP goes its own way.
 *
 * Sockets end by `destroy`, never by `resetAndDestroy`: Node first sends what is pending, and where a socket is
 * destroyed meanwhile, its handle is never closed and the process spins at its end for ever.
 */
export class Path {
  #state: 'up' | 'silent' | 'broken' = 'up';
  /** Milliseconds that bytes of new connections take in each direction. Opening one takes twice as much, as it does on the way. */
  delay = 0;
  #server: { host: string; port: number } | null = null;
  readonly #pairs = new Set<{ page: Socket; server: Socket | null }>();

  private constructor(
    /** Where pages reach the server. */
    readonly origin: string,
    private readonly listener: Server,
  ) {}

  /** A path to the server at `origin`; to nowhere at first without one. */
  static async to(origin?: string): Promise<Path> {
    const listener = createServer((page) => path.#accept(page));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const path = new Path(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`, listener);
    if (origin !== undefined) path.leadTo(origin);
    return path;
  }

  /** Leads to the server at `origin` from now on. */
  leadTo(origin: string): void {
    const { hostname, port } = new URL(origin);
    this.#server = { host: hostname, port: Number(port) };
  }

  /** Nothing passes any more. Connections of before, and those that are tried meanwhile, are dead for ever, and nobody is told. */
  silence(): void {
    this.#state = 'silent';
    for (const { page, server } of this.#pairs) {
      page.unpipe();
      server?.unpipe();
      page.pause();
      server?.pause();
    }
  }

  /** The connections that there are end in the midst of what they carried. */
  drop(): void {
    for (const { page, server } of this.#pairs) {
      page.destroy();
      server?.destroy();
    }
  }

  /** {@link drop}, and so ends each new connection. */
  break(): void {
    this.#state = 'broken';
    this.drop();
  }

  /** New connections pass again. */
  restore(): void {
    this.#state = 'up';
  }

  async stop(): Promise<void> {
    this.break();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  #accept(page: Socket): void {
    if (this.#state === 'broken') {
      page.on('error', () => undefined).destroy();
      return;
    }
    const server = this.#state === 'up' && this.#server ? connect(this.#server.port, this.#server.host) : null;
    const pair = { page, server };
    this.#pairs.add(pair);
    if (!server) page.pause();
    for (const [socket, other] of [[page, server], [server, page]] as const) {
      if (!socket) continue;
      socket.setNoDelay();
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        other?.destroy();
      });
      if (!other) continue;
      if (this.delay > 0) socket.pipe(late(this.delay, socket === page ? 2 * this.delay : 0)).pipe(other);
      else socket.pipe(other);
    }
  }
}

/** Hands bytes on so many milliseconds later; the first ones `first` later than that. */
function late(delay: number, first: number): Transform {
  const open = performance.now() + first;
  // Timers of one time may come in any order, bytes may not.
  const waiting: (Buffer | (() => void))[] = [];
  const queue = (what: Buffer | (() => void)) => {
    waiting.push(what);
    setTimeout(() => {
      const next = waiting.shift();
      if (typeof next === 'function') next();
      else way.push(next);
    }, delay + Math.max(0, open - performance.now()));
  };
  const way = new Transform({
    transform(chunk: Buffer, _, next) {
      queue(chunk);
      next();
    },
    flush: queue,
  });
  return way;
}
