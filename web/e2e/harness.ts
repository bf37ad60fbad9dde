import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, extname, join, normalize } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type { LabPlayer, Observation, PublishPlan } from './lab/lab';

const WEB = fileURLToPath(new URL('..', import.meta.url));

/** Pictures and recordings that a run leaves behind. */
export const RESULTS = join(WEB, 'test-results');

/** The binary under test. */
export const BINARY = process.env['WEBLIVE_BIN'] ?? join(WEB, '../target/release/weblive');

/** The server under test. */
export class WebliveServer {
  private constructor(
    readonly origin: string,
    private readonly child: ChildProcess,
    /** Everything it wrote. */
    readonly log: string[],
  ) {}

  /** Starts the binary, on free ports unless `more` names others. */
  static start(...more: string[]): Promise<WebliveServer> {
    const free = [['--listen', '127.0.0.1:0'], ['--media-port', '0']].filter(([option]) => !more.includes(option!)).flat();
    return this.#run([...free, ...more]);
  }

  /** Starts the binary as an edge of `origin`. */
  static edge(origin: WebliveServer, ...more: string[]): Promise<WebliveServer> {
    return this.#run(['edge', '--origin', origin.origin, '--listen', '127.0.0.1:0', ...more]);
  }

  /** Waits for the line that says where it is. */
  static async #run(options: string[]): Promise<WebliveServer> {
    if (!existsSync(BINARY)) throw new Error(`no server at ${BINARY}: build it or set WEBLIVE_BIN`);
    const child = spawn(BINARY, options, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Runs at the same time share the folder that they are started in.
      env: { WEBLIVE_DATA: '', ...process.env },
    });
    const log: string[] = [];
    const origin = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the server did not start:\n${log.join('\n')}`)), 15_000);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log.join('\n')}`)));
      for (const stream of [child.stdout!, child.stderr!]) {
        createInterface({ input: stream }).on('line', (line) => {
          log.push(line);
          const found = /^weblive: (?:demo page|edge) at (http:\/\/[^\s/]+)/.exec(line);
          if (found) {
            clearTimeout(timer);
            resolve(found[1]!);
          }
        });
      }
    });
    return new WebliveServer(origin, child, log);
  }

  /** Absolute address of a path. */
  url(path: string): string {
    return new URL(path, this.origin).href;
  }

  /** The four addresses of a stream. */
  addresses(id: string): { whip: string; webrtc: string; flv: string; hls: string } {
    return { whip: this.url(`/whip/${id}`), webrtc: this.url(`/whep/${id}`), flv: this.url(`/live/${id}.flv`), hls: this.url(`/live/${id}.m3u8`) };
  }

  /** SIGTERM; resolves with exit code and the milliseconds it took. Kills after `patience`. Fails if the server panicked. */
  async stop(patience = 10_000): Promise<{ code: number | null; took: number }> {
    const end = await this.#end(patience);
    await this.#keepLog();
    const panic = this.log.findIndex((line) => line.includes('panicked'));
    if (panic >= 0) throw new Error(`the server panicked:\n${this.log.slice(panic, panic + 4).join('\n')}`);
    return end;
  }

  /** For whoever asks why a test failed. */
  async #keepLog(): Promise<void> {
    const file = basename(process.argv[1] ?? '', '.test.ts');
    await mkdir(join(RESULTS, 'logs'), { recursive: true });
    await writeFile(join(RESULTS, 'logs', `${file}-${this.child.pid}.log`), `${this.log.join('\n')}\n`);
  }

  async #end(patience: number): Promise<{ code: number | null; took: number }> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return { code: this.child.exitCode, took: 0 };
    const begin = Date.now();
    const gone = new Promise<number | null>((resolve) => this.child.once('exit', (code) => resolve(code)));
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), patience);
    const code = await gone;
    clearTimeout(timer);
    return { code, took: Date.now() - begin };
  }
}

/** Serves the built lab page on an origin of its own. */
class LabServer {
  private constructor(
    readonly origin: string,
    private readonly server: Server,
  ) {}

  static async start(): Promise<LabServer> {
    const root = join(RESULTS, 'lab');
    const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
    const server = createServer((request, response) => {
      const path = normalize(new URL(request.url ?? '/', 'http://lab').pathname).replace(/\/$/, '/index.html');
      readFile(join(root, path)).then(
        (body) => response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(body),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new LabServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A browser with the lab's pages. */
export class LabBrowser {
  private constructor(
    readonly browser: Browser,
    private readonly lab: LabServer,
  ) {}

  static async start(launch: () => Promise<Browser> = launchBrowser): Promise<LabBrowser> {
    const [lab, browser] = await Promise.all([LabServer.start(), launch()]);
    return new LabBrowser(browser, lab);
  }

  /** Where the lab's pages are. */
  get origin(): string {
    return this.lab.origin;
  }

  /** A new lab page; in a window of its own, or else as a tab of `tabs`. */
  async page(name: string, tabs?: BrowserContext): Promise<LabPage> {
    // A context is a window of its own: in one window only the front tab would be painted at full rate.
    const page = await (tabs ?? (await this.browser.newContext())).newPage();
    const said: string[] = [];
    page.on('console', (message) => said.push(`${name}: ${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => said.push(`${name}: ${error.message}`));
    await page.goto(this.lab.origin);
    await page.waitForFunction(() => 'lab' in window);
    return new LabPage(page, name, said);
  }

  /** A page that publishes. */
  async publisher(plan: PublishPlan): Promise<LabPage> {
    const page = await this.page('publisher');
    await page.page.evaluate((plan) => window.lab.publish(plan), plan);
    return page;
  }

  /** A page that plays. */
  async viewer(kind: LabPlayer, url: string): Promise<LabPage> {
    const page = await this.page(kind);
    await page.page.evaluate(([kind, url]) => window.lab.play(kind, url), [kind, url] as const);
    return page;
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.lab.stop();
  }
}

/** One page of the lab. */
export class LabPage {
  constructor(
    readonly page: Page,
    readonly name: string,
    /** Its console. */
    readonly said: string[],
  ) {}

  observe(): Promise<Observation> {
    return this.page.evaluate(() => window.lab.observe());
  }

  /** Polls until `accept` holds for what is seen. */
  async until(what: string, accept: (seen: Observation) => boolean, timeout = 60_000): Promise<Observation> {
    let last: Observation | undefined;
    try {
      return await until(what, async () => accept((last = await this.observe())) && last, timeout);
    } catch (error) {
      throw new Error(`${this.name}: ${(error as Error).message}; last seen ${JSON.stringify(last)}; console ${JSON.stringify(this.said.slice(-5))}`);
    }
  }

  /** Waits for `count` more painted frames and, unless told otherwise, for sound. */
  async plays(count = 20, media: { audio?: boolean; video?: boolean } = {}, timeout?: number): Promise<Observation> {
    const { audio = true, video = true } = media;
    const before = await this.observe();
    let heard = false;
    return this.until(
      `${count} more frames${audio ? ' and sound' : ''}`,
      (seen) => {
        heard ||= seen.level > 0.05;
        const moved = seen.currentTime > before.currentTime + (video ? 0 : 2);
        return moved && (!video || seen.readings >= before.readings + count) && (!audio || heard);
      },
      timeout,
    );
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}

/** Where Chromium is. */
export const CHROMIUM = process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium';

/** Chromium as the tests want it; the path can be set by `CHROMIUM_BIN`. Without `playsAtOnce` sound needs a click. */
export function launchBrowser(playsAtOnce = true): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
      ...(playsAtOnce ? ['--autoplay-policy=no-user-gesture-required'] : []),
    ],
  });
}

/** Asks every `every` milliseconds until the answer is truthy. */
export async function until<T>(what: string, ask: () => Promise<T | false | null | undefined>, timeout = 60_000, every = 100): Promise<T> {
  const end = Date.now() + timeout;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeout} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/** Runs a program to its end and gives its output. `patience` in milliseconds. */
export async function run(program: string, args: string[], patience = 60_000): Promise<{ stdout: Buffer; stderr: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => out.push(data));
  child.stderr.on('data', (data: Buffer) => err.push(data));
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString().slice(-2000)}`);
  return { stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

/** A directory for one test's files, removed by the returned function. */
export async function scratch(): Promise<{ path: string; remove: () => Promise<void> }> {
  await mkdir(RESULTS, { recursive: true });
  const path = await mkdtemp(join(tmpdir(), 'weblive-e2e-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
