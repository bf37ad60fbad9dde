import { createSocket, type Socket } from 'node:dgram';
import { type Impairments, Lane, Way } from './impairment';
import { Path } from './path';

/** Where the server has its media behind the {@link Network}: a loopback address of its own, so that both can have the same port. */
const BEHIND = '127.0.0.2';

/** What a page's address has of the network: a socket towards the server, and a lane in each direction. */
interface Line {
  socket: Socket;
  up: Lane;
  down: Lane;
}

/**
 * The network between pages and a server, TCP and UDP, which can be cut as a lost radio link is: nobody is told. Its
 * datagrams can be delayed and lost too.
 */
export class Network {
  #isUp = true;
  /** The addresses of pages whose datagrams pass; all of them when null. */
  #passing: ReadonlySet<string> | null = null;
  readonly #lines = new Map<string, Line>();
  /** Of addresses that are seen for the first time. */
  #impairments: Impairments = {};
  /** Datagrams that were carried, in both directions. */
  datagrams = 0;

  private constructor(
    private readonly path: Path,
    private readonly media: Socket,
  ) {}

  static async start(): Promise<Network> {
    const media = createSocket('udp4');
    await new Promise<void>((resolve) => media.bind(0, '127.0.0.1', resolve));
    const network = new Network(await Path.to(), media);
    media.on('message', (data, { address, port }) => network.#carry(data, address, port));
    return network;
  }

  /** Where pages reach the server. */
  get origin(): string {
    return this.path.origin;
  }

  /** What the server is started with, so that pages are told to send their media here. */
  get options(): string[] {
    return ['--workers', '1', '--media-bind', BEHIND, '--announce', '127.0.0.1', '--media-port', String(this.media.address().port)];
  }

  /** Leads to the server at `origin` from now on. */
  leadTo(origin: string): void {
    this.path.leadTo(origin);
  }

  /** The TCP connections that there are end; others may be opened. */
  drop(): void {
    this.path.drop();
  }

  /** Nothing passes any more. TCP connections of before, and those that are tried meanwhile, are dead for ever without knowing. */
  cut(): void {
    this.#isUp = false;
    this.path.silence();
  }

  /** Datagrams and new connections pass again. */
  restore(): void {
    this.#isUp = true;
    this.path.restore();
  }

  /** The addresses that pages have sent datagrams from. */
  get addresses(): Set<string> {
    return new Set(this.#lines.keys());
  }

  /** Media passes for these addresses of pages only from now on, while TCP goes on for all; null lets all pass. */
  passMedia(addresses: ReadonlySet<string> | null): void {
    this.#passing = addresses;
  }

  /** Each direction of a new connection, and datagrams of addresses that are seen for the first time from now on, take so many milliseconds. */
  delay(milliseconds: number): void {
    this.path.delay = milliseconds;
    this.impair({ up: { delay: milliseconds }, down: { delay: milliseconds } });
  }

  /** What happens to datagrams of addresses that are seen for the first time from now on; it can be changed later by its fields. */
  impair(impairments: Impairments): void {
    this.#impairments = impairments;
  }

  async stop(): Promise<void> {
    for (const { socket, up, down } of this.#lines.values()) {
      up.close();
      down.close();
      socket.close();
    }
    this.media.close();
    await this.path.stop();
  }

  #carry(data: Buffer, address: string, port: number): void {
    const key = `${address}:${port}`;
    const passes = () => this.#isUp && this.#passing?.has(key) !== false;
    if (!passes()) return;
    let line = this.#lines.get(key);
    if (!line) {
      const socket = createSocket('udp4');
      // A server that is not there answers with ICMP.
      socket.on('error', () => undefined);
      socket.on('message', (back) => passes() && line!.down.send(back));
      line = this.#open(socket, passes, { address, port });
      this.#lines.set(key, line);
    }
    line.up.send(data);
  }

  #open(socket: Socket, passes: () => boolean, page: { address: string; port: number }): Line {
    const impairments = this.#impairments;
    // Each address has dice of its own, and the same ones in each run.
    const seed = 2 * this.#lines.size + 1;
    const lane = (direction: 'up' | 'down', way: Way, arrive: (data: Buffer) => void): Lane =>
      new Lane(way, () => impairments[direction] ?? {}, (data) => {
        if (!passes()) return;
        this.datagrams += 1;
        arrive(data);
      });
    return {
      socket,
      up: lane('up', new Way(seed), (data) => socket.send(data, this.media.address().port, BEHIND)),
      down: lane('down', new Way(seed + 1), (data) => this.media.send(data, page.port, page.address)),
    };
  }
}
