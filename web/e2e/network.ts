import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Where the server has its media behind the {@link Network}: a loopback address of its own, so that both can have the same port. */
const BEHIND = '127.0.0.2';

/** The network between pages and a server, TCP and UDP, which can be cut as a lost radio link is: nobody is told. */
export class Network {
  #isUp = true;
  /** The addresses of pages whose datagrams pass; all of them when null. */
  #passing: ReadonlySet<string> | null = null;
  #server: { host: string; port: number } | null = null;
  readonly #pairs = new Set<{ page: Socket; server: Socket | null }>();
  /** One socket towards the server for each address of a page. */
  readonly #ways = new Map<string, UdpSocket>();
  /** Datagrams that were carried, in both directions. */
  datagrams = 0;

  private constructor(
    /** Where pages reach the server. */
    readonly origin: string,
    private readonly listener: Server,
    private readonly media: UdpSocket,
  ) {}

  static async start(): Promise<Network> {
    const listener = createServer((page) => network.#accept(page));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const media = createSocket('udp4');
    await new Promise<void>((resolve) => media.bind(0, '127.0.0.1', resolve));
    const network = new Network(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`, listener, media);
    media.on('message', (data, { address, port }) => network.#carry(data, address, port));
    return network;
  }

  /** What the server is started with, so that pages are told to send their media here. */
  get options(): string[] {
    return ['--workers', '1', '--media-bind', BEHIND, '--announce', '127.0.0.1', '--media-port', String(this.media.address().port)];
  }

  /** Leads to the server at `origin` from now on. */
  leadTo(origin: string): void {
    const { hostname, port } = new URL(origin);
    this.#server = { host: hostname, port: Number(port) };
  }

  /** The TCP connections that there are get a reset; others may be opened. */
  reset(): void {
    for (const { page, server } of this.#pairs) {
      page.resetAndDestroy();
      server?.resetAndDestroy();
    }
  }

  /** Nothing passes any more. TCP connections of before, and those that are tried meanwhile, are dead for ever without knowing. */
  cut(): void {
    this.#isUp = false;
    for (const { page, server } of this.#pairs) {
      if (server) page.unpipe(server);
      server?.unpipe(page);
      page.pause();
      server?.pause();
    }
  }

  /** Datagrams and new connections pass again. */
  restore(): void {
    this.#isUp = true;
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
    this.reset();
    for (const way of this.#ways.values()) way.close();
    this.media.close();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  #accept(page: Socket): void {
    const server = this.#isUp && this.#server ? connect(this.#server.port, this.#server.host) : null;
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
      if (other) socket.pipe(other);
    }
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
