import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { BidiConnection } from './bidi';
import { scratch } from './harness';

/** A page in a Firefox of its own. The program can be set by `FIREFOX_BIN`. */
export class FirefoxPage {
  private constructor(
    private readonly browser: ChildProcess,
    private readonly profile: Awaited<ReturnType<typeof scratch>>,
    private readonly connection: BidiConnection,
    /** What BiDi calls a browsing context. */
    private readonly context: string,
    /** Its console, and what was thrown and not caught. */
    readonly said: string[],
  ) {}

  static async open(url: string): Promise<FirefoxPage> {
    const profile = await scratch();
    await writeFile(join(profile.path, 'user.js'), PREFERENCES.map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''));
    const program = process.env['FIREFOX_BIN'] ?? '/usr/bin/firefox-esr';
    // A home of its own: Firefox refuses one that belongs to somebody else.
    const env = { ...process.env, HOME: profile.path, MOZ_CRASHREPORTER_DISABLE: '1' };
    const browser = spawn(program, ['--headless', '--no-remote', '--remote-debugging-port=0', '--profile', profile.path, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'], env });
    const said: string[] = [];
    const connection = await BidiConnection.open(`${await addressOf(browser)}/session`, (_, { type, level, text }) => said.push(`${String(type)} ${String(level)}: ${String(text)}`));
    await connection.send('session.new', { capabilities: {} });
    await connection.send('session.subscribe', { events: ['log.entryAdded'] });
    const { contexts } = await connection.send<{ contexts: { context: string }[] }>('browsingContext.getTree', { maxDepth: 0 });
    const page = new FirefoxPage(browser, profile, connection, contexts[0]!.context, said);
    await page.goto(url);
    return page;
  }

  async goto(url: string): Promise<void> {
    await this.connection.send('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  async resize(width: number, height: number): Promise<void> {
    await this.connection.send('browsingContext.setViewport', { context: this.context, viewport: { width, height } });
  }

  /** Runs a function in the page, as one that the user has clicked. What it is given and what it gives are JSON. */
  async ask<T, A>(run: (given: A) => T | Promise<T>, given: A): Promise<T> {
    const answer = await this.connection.send<Answer>('script.callFunction', {
      functionDeclaration: `async (given) => JSON.stringify(await (${run.toString()})(JSON.parse(given)))`,
      arguments: [{ type: 'string', value: JSON.stringify(given) }],
      target: { context: this.context },
      awaitPromise: true,
      userActivation: true,
    });
    if (answer.type === 'exception') throw new Error(`in Firefox: ${answer.exceptionDetails.text}`);
    return (answer.result.value === undefined ? undefined : JSON.parse(answer.result.value)) as T;
  }

  async screenshot(path: string): Promise<void> {
    const { data } = await this.connection.send<{ data: string }>('browsingContext.captureScreenshot', { context: this.context });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.from(data, 'base64'));
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.browser.once('exit', resolve));
    const timer = setTimeout(() => this.browser.kill('SIGKILL'), 5_000);
    await this.connection.send('browser.close', {}).catch(() => this.browser.kill('SIGKILL'));
    await gone;
    clearTimeout(timer);
    await this.profile.remove();
  }
}

type Answer = { type: 'success'; result: { value?: string } } | { type: 'exception'; exceptionDetails: { text: string } };

/** Waits for the line that says where it listens. */
function addressOf(browser: ChildProcess): Promise<string> {
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`Firefox did not start: ${said.slice(-5).join(' | ')}`));
    const timer = setTimeout(fail, 40_000);
    browser.once('error', reject).once('exit', fail);
    createInterface({ input: browser.stderr! }).on('line', (line) => {
      said.push(line);
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
}

const PREFERENCES: [string, boolean | number | string][] = [
  // A camera and a microphone that are painted, and no questions about them.
  ['media.navigator.streams.fake', true],
  ['media.navigator.permission.disabled', true],
  // The server under test is on 127.0.0.1, where Firefox else looks for nobody.
  ['media.peerconnection.ice.loopback', true],
  ['permissions.default.camera', 1],
  ['permissions.default.microphone', 1],
  ['media.peerconnection.ice.obfuscate_host_addresses', false],
  ['media.autoplay.default', 0],
  ['media.autoplay.blocking_policy', 0],
  // Nothing is to be fetched from the network, OpenH264 first of all.
  ['media.gmp-manager.updateEnabled', false],
  ['media.gmp-manager.url', ''],
  ['app.update.disabledForTesting', true],
  ['app.normandy.enabled', false],
  ['browser.safebrowsing.malware.enabled', false],
  ['browser.safebrowsing.phishing.enabled', false],
  ['datareporting.policy.dataSubmissionEnabled', false],
  ['extensions.update.enabled', false],
  ['network.captive-portal-service.enabled', false],
  ['network.connectivity-service.enabled', false],
  ['services.settings.server', 'data:,'],
  ['toolkit.telemetry.reportingpolicy.firstRun', false],
  ['browser.startup.homepage_override.mstone', 'ignore'],
];
