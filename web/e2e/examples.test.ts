import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { examplePages } from '../build/examples';
import { launchBrowser, RESULTS, until, WebliveServer } from './harness';

const PATIENCE = 25_000;

/** One example in a window of its own. */
class ExamplePage {
  private constructor(
    readonly page: Page,
    readonly name: string,
    /** What it wrote to the console, what it threw, and what its policy has forbidden. */
    readonly faults: string[],
  ) {}

  static async open(browser: Browser, server: WebliveServer, name: string): Promise<ExamplePage> {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
    const faults: string[] = [];
    // A line that is not ready yet is asked for and refused: the browser logs that by itself.
    page.on('console', (message) => {
      const isFault = ['error', 'warning'].includes(message.type()) && !/status of (404|409|503)/.test(message.text());
      if (isFault) faults.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(server.url(`/examples/${name}`));
    return new ExamplePage(page, name, faults);
  }

  /** Waits until the page is complete, its code shown. */
  async complete(): Promise<void> {
    await this.#wait('its code and who comes', () => {
      const codes = [...document.querySelectorAll('figure code')];
      return codes.length > 0 && codes.every(({ textContent }) => textContent !== '') && /user \S/.test(document.querySelector('#who')?.textContent ?? '');
    });
  }

  async click(button: string): Promise<void> {
    await this.page.click(button);
  }

  async send(text: string): Promise<void> {
    await this.page.fill('form input', text);
    await this.page.click('form button');
  }

  /** Waits until the page has written this down, and gives the whole line. */
  async says(what: RegExp): Promise<string> {
    let lines: string[] = [];
    const isIt = async () => (lines = await this.page.locator('#log > div, #messages > li').allTextContents()).find((line) => what.test(line));
    return until(`${what}`, isIt, PATIENCE).catch((error: Error) => {
      throw new Error(`${this.name}: ${error.message}; it says ${JSON.stringify(lines)}; console ${JSON.stringify(this.faults)}`);
    });
  }

  /** Waits until so many elements below `selector` show pictures that go on. */
  async shows(selector: string, count: number): Promise<void> {
    await this.#wait(`${count} pictures in ${selector}`, ([selector, count]) => {
      const videos = [...document.querySelectorAll(`${selector} video`)] as HTMLVideoElement[];
      const shown = videos.filter((video) => !video.paused && video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 5);
      return shown.length === count;
    }, [selector, count] as const);
  }

  async #wait<T>(what: string, holds: (argument: T) => boolean, argument?: T): Promise<void> {
    await until(what, () => this.page.evaluate(holds as (argument: unknown) => boolean, argument as unknown), PATIENCE).catch(async (error: Error) => {
      const log = await this.page.locator('#log > div').allTextContents();
      throw new Error(`${this.name}: ${error.message}; it says ${JSON.stringify(log)}; console ${JSON.stringify(this.faults)}`);
    });
  }

  async close(): Promise<void> {
    await this.page.context().close();
    assert.deepEqual(this.faults, [], this.name);
  }
}

describe('the examples', () => {
  let server: WebliveServer;
  let browser: Browser;
  const open = (name: string) => ExamplePage.open(browser, server, name);

  before(async () => {
    [server, browser] = await Promise.all([WebliveServer.start(), launchBrowser(), mkdir(RESULTS, { recursive: true })]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test('all are listed, open without a fault, and show their code', async () => {
    const index = await open('');
    const listed = await index.page.locator('.list a').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    const pages = await examplePages();
    assert.deepEqual(listed, pages.map(({ name }) => name));
    for (const { name, title } of pages) {
      await index.page.goto(server.url(`/examples/${name}`));
      await index.complete();
      assert.equal(await index.page.locator('h1').textContent(), title);
      assert.deepEqual(index.faults, [], name);
    }
    await index.close();
  });

  test('what one page pushes, others play: the room, FLV, HLS and the lines by turns', async () => {
    const push = await open('push.html?room=7001&user=anna');
    await push.click('#start');
    await push.shows('#preview', 1);
    const address = /http\S+/.exec(await push.says(/^live/))![0];
    assert.equal(address, server.url('/live/0_7001_anna_main.flv'));
    const play = await open('play.html?room=7001');
    await play.click('#start');
    await play.says(/^playing/);
    await play.shows('#view', 1);
    await play.close();
    const lines = await open('lines.html?stream=0_7001_anna_main');
    await lines.click('form button');
    await lines.says(/^now over webrtc \(started\)/);
    for (const [button, kind] of [['#line1', 'flv'], ['#line2', 'hls']] as const) {
      await lines.click(button);
      await lines.says(new RegExp(`^now over ${kind} \\(chosen\\)`));
      await lines.shows('#view', 1);
    }
    await lines.close();
    const cdn = await open('flv-hls.html?stream=0_7001_anna_main');
    await cdn.click('form button');
    await cdn.says(/^over flv/);
    await cdn.shows('#view', 1);
    await cdn.click('#stop');
    await cdn.close();
    await push.click('#stop');
    await push.says(/^connection: DISCONNECTED/);
    await push.close();
  });

  test('a button says nothing before its page knows what it does', async () => {
    const page = await browser.newPage();
    await page.route('**/api/server', (route) => setTimeout(() => void route.continue(), 1_000));
    await page.goto(server.url('/examples/chat.html?room=7006&user=zoe'));
    await page.click('#enter');
    await page.locator('#log > div, #messages > li', { hasText: 'entered' }).first().waitFor({ timeout: PATIENCE });
    await page.close();
  });

  test('two pages chat', async () => {
    const [anna, ben] = await Promise.all([open('chat.html?room=7002&user=anna'), open('chat.html?room=7002&user=ben')]);
    await anna.click('#enter');
    await anna.says(/^entered/);
    await ben.click('#enter');
    await ben.says(/^entered/);
    await anna.says(/^ben came/);
    await anna.send('Hello <b>Ben</b>');
    await anna.says(/^anna: Hello <b>Ben<\/b>/);
    await ben.says(/^anna: Hello <b>Ben<\/b>/);
    await Promise.all([anna.close(), ben.close()]);
  });

  test('two pages call', async () => {
    const callers = await Promise.all([open('call.html?room=7003&user=anna'), open('call.html?room=7003&user=ben')]);
    await Promise.all(callers.map((caller) => caller.click('#join')));
    await Promise.all(callers.map((caller) => caller.shows('#views', 2)));
    await callers[0].click('#mute');
    await callers[1].says(/^mute-audio anna/);
    await callers[0].click('#leave');
    await callers[1].says(/^peer-leave anna/);
    await callers[1].shows('#views', 1);
    await Promise.all(callers.map((caller) => caller.close()));
  });

  test('a guest of the page without a framework takes a seat in the room of the Vue page', async () => {
    const host = await open('guests-vue.html?room=7004&user=hanna');
    await host.click('#enter');
    await host.shows('#app', 1);
    const guest = await open('guests.html?room=7004&user=gus');
    await guest.click('#enter');
    await guest.shows('#stage', 1);
    await guest.click('#apply');
    await host.click('#applicants button:text("Accept")');
    await Promise.all([host.shows('#app', 2), guest.shows('#stage', 2)]);
    await host.page.screenshot({ path: join(RESULTS, 'example-guests.png') });
    await host.click('#seated button:text("Off the seat")');
    await guest.says(/^taken off the seat/);
    await host.shows('#app', 1);
    await Promise.all([guest.close(), host.close()]);
  });

  test('a page written for TWebLive pushes, plays and chats', async () => {
    const page = await open('tweblive.html?room=7005&user=anna');
    await page.click('#push');
    await page.says(/^live at http/);
    await page.click('#play');
    await page.says(/^playing/);
    await page.shows('#playerView', 1);
    await page.send('Hello');
    await page.says(/^anna: Hello/);
    await page.click('#stop');
    await page.close();
  });
});
