import { createSocket, type Socket } from 'node:dgram';
import { Path } from './path';

/** Where the server has its media behind the {@link Network}: a loopback address of its own, so that both can have the same port. */
const BEHIND = '127.0.0.2';

/** The network between pages and a server, TCP and UDP, which can be cut as a lost radio link is: nobody is told. */
export class Network {
  #isUp = true;
  /** The addresses of pages whose datagrams pass; all of them when null. */
  #passing: ReadonlySet<string> | null = null;
  /** One socket towards the server for each address of a page. */
  readonly #ways = new Map<string, Socket>();
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
    return new Set(this.#ways.keys());
  }

  /** Media passes for these addresses of pages only from now on, while TCP goes on for all; null lets all pass. */
  passMedia(addresses: ReadonlySet<string> | null): void {
    this.#passing = addresses;
  }

  async stop(): Promise<void> {
    for (const way of this.#ways.values()) way.close();
    this.media.close();
    await this.path.stop();
  }

  #carry(data: Buffer, address: string, port: number): void {
    const key = `${address}:${port}`;
    const passes = () => this.#isUp && this.#passing?.has(key) !== false;
    if (!passes()) return;
    let way = this.#ways.get(key);
    if (!way) {
      way = createSocket('udp4');
      this.#ways.set(key, way);
      // A server that is not there answers with ICMP.
      way.on('error', () => undefined);
      way.on('message', (back) => {
        if (!passes()) return;
        this.datagrams += 1;
        this.media.send(back, port, address);
      });
    }
    this.datagrams += 1;
    way.send(data, this.media.address().port, BEHIND);
  }
}
