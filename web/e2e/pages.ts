import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves pages of a test, on an origin of their own, and FLV of the server over a path that can be silenced. */
export class Pages {
  #isSilent = false;

  private constructor(
    readonly origin: string,
    private readonly server: Server,
  ) {}

  /** `pages` by name; what is below `/live/` comes from `upstream`. */
  static async start(pages: Record<string, string>, upstream: string): Promise<Pages> {
    const server = createServer((asked, response) => {
      const { pathname } = new URL(asked.url ?? '/', 'http://pages');
      const page = pages[pathname.slice(1)];
      if (page !== undefined) return void response.writeHead(200, { 'content-type': 'text/html' }).end(page);
      if (pathname.startsWith('/live/')) return self.#forward(new URL(asked.url!, upstream), response);
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const self = new Pages(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, server);
    return self;
  }

  /** The address of a page, with what it reads in its fragment. */
  url(name: string, values: Record<string, string> = {}): string {
    return `${this.origin}/${name}#${new URLSearchParams(values).toString()}`;
  }

  /** From now on nothing of `/live/` arrives, and nothing ends. */
  silence(): void {
    this.#isSilent = true;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #forward(url: URL, response: ServerResponse): void {
    const upstream = request(url, (answer) => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'access-control-allow-origin': '*' });
      answer.on('data', (data: Buffer) => this.#isSilent || response.write(data));
      answer.on('end', () => this.#isSilent || response.end());
      answer.on('error', () => response.destroy());
    });
    upstream.on('error', () => response.destroy());
    response.on('close', () => upstream.destroy());
    upstream.end();
  }
}
