import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { CHROMIUM, scratch } from './harness';

/**
 * Chromium as people have it: tabs behind the front one are hidden and slowed down, sound needs a click, and camera and
 * microphone a permission. Browsers that Playwright launches show every page as if it were in front.
 */
export class TabbedBrowser {
  private constructor(
    readonly browser: Browser,
    private readonly child: ChildProcess,
    private readonly remove: () => Promise<void>,
  ) {}

  /** Starts it with three cameras, the second of which sees depth alone, which no encoder takes. */
  static async start(): Promise<TabbedBrowser> {
    const { path, remove } = await scratch();
    const child = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${path}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const address = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('Chromium did not start')), 30_000);
      child.once('exit', (code) => reject(new Error(`Chromium ended with ${code}`)));
      createInterface({ input: child.stderr! }).on('line', (line) => {
        const found = /^DevTools listening on (ws:\S+)/.exec(line);
        if (!found) return;
        clearTimeout(timer);
        resolve(found[1]!);
      });
    });
    return new TabbedBrowser(await chromium.connectOverCDP(address, { noDefaults: true }), child, remove);
  }

  /** The window whose tabs hide each other. */
  get window(): BrowserContext {
    return this.browser.contexts()[0]!;
  }

  /** Lets pages of an address use camera and microphone, or takes that back: what is open ends then. */
  async allow(address: string, isAllowed: boolean): Promise<void> {
    const { origin } = new URL(address);
    if (isAllowed) return this.window.grantPermissions(['camera', 'microphone'], { origin });
    const protocol = await this.browser.newBrowserCDPSession();
    // One that is denied takes the other one with it.
    await protocol.send('Browser.setPermission', { origin, permission: { name: 'camera' }, setting: 'denied' });
    await protocol.detach();
  }

  /** Freezes a hidden page for a time, as browsers do to save energy. */
  async freeze(page: Page, milliseconds: number): Promise<void> {
    const protocol = await this.window.newCDPSession(page);
    await protocol.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await protocol.send('Page.setWebLifecycleState', { state: 'active' });
    await protocol.detach();
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(timer);
    await this.remove();
  }
}

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-fake-device-for-media-stream=device-count=3', '--remote-debugging-port=0',
];
