import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Axe } from './axe';
import { launchBrowser, RESULTS, scratch, until, WebliveServer } from './harness';

/** Deadlines are generous: a machine with two cores encodes and decodes three pictures here. */
const PATIENCE = 30_000;

const TITLE = 'Songs by the window';

/** A PNG of one pixel. */
const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

describe('the demo of live rooms', () => {
  let server: WebliveServer;
  let browser: Browser;
  let host: Page;
  let viewer: Page;
  /** First the host of another room, then one who watches over HTTP-FLV. */
  let other: Page;
  let axe: Axe;
  let folder: Awaited<ReturnType<typeof scratch>>;
  const complaints: string[] = [];

  before(async () => {
    await mkdir(RESULTS, { recursive: true });
    axe = await Axe.load();
    // Posters and pictures are kept there.
    folder = await scratch();
    server = await WebliveServer.start('--data', folder.path);
    browser = await launchBrowser();
    host = await open({ width: 1280, height: 800 }, 'dark');
    viewer = await open({ width: 390, height: 844 }, 'light');
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await folder?.remove();
  });

  async function open(viewport: { width: number; height: number }, colorScheme: 'light' | 'dark'): Promise<Page> {
    const context = await browser.newContext({ viewport, colorScheme, locale: 'en-US' });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    // A stream that is not live yet is asked for and refused: the browser logs that by itself.
    page.on('console', (message) => message.type() === 'error' && !/status of (404|409|503)/.test(message.text()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(server.url('/'));
    return page;
  }

  /** The list as one sees it who gets no covers. */
  async function withoutCovers(look: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark', locale: 'en-US' });
    try {
      const page = await context.newPage();
      await page.route('**/images/*', (route) => route.abort());
      await page.goto(server.url('/'));
      await look(page);
    } finally {
      await context.close();
    }
  }

  /** Checks what is on the page by axe-core. */
  async function accessible(page: Page, what: string): Promise<void> {
    // What fades in or out has no contrast for a moment.
    await page.waitForFunction(() => !document.querySelector('.toast-enter-active, .toast-leave-active'));
    assert.deepEqual(await axe.violations(page), [], what);
  }

  /** Waits until the picture of the n-th tile moves. */
  async function moves(page: Page, selector: string): Promise<void> {
    const frames = () => page.evaluate((selector) => Math.max(0, ...[...document.querySelectorAll<HTMLVideoElement>(`${selector} video`)].map((video) => video.getVideoPlaybackQuality().totalVideoFrames)), selector);
    await page.locator(`${selector} video`).first().waitFor({ state: 'attached' });
    const before = await frames();
    await until(`a moving picture in ${selector}`, async () => (await frames()) > before + 10, PATIENCE);
  }

  /** Whether the browser is told to ask before the page is closed. */
  const asksBeforeLeaving = (page: Page) => page.evaluate(() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true })));

  const part = (page: Page, name: string) => page.locator(`[data-part=${name}]`);

  test('invites to go live while nobody is', async () => {
    await host.getByRole('heading', { name: 'Nobody is live right now' }).waitFor();
    await accessible(host, 'the empty list');
  });

  test('goes live with the test card', async () => {
    await host.getByRole('main').getByRole('link', { name: 'Go live' }).click();
    await host.getByRole('radio', { name: 'Test card' }).check({ force: true });
    await host.locator('[data-source=card] video').waitFor();
    await host.getByLabel('Title').fill(TITLE);
    await host.getByRole('combobox', { name: 'Picture' }).selectOption('360p');
    await accessible(host, 'the device check');
    await host.getByRole('button', { name: 'Go live' }).click();
    await part(host, 'room').waitFor();
    await accessible(host, 'the studio');
    assert.ok(await asksBeforeLeaving(host), 'a show is not closed with its tab unasked');
  });

  test('shows the room in the list by itself, and a viewer enters it', async () => {
    const link = viewer.getByRole('link', { name: TITLE });
    await link.waitFor();
    await viewer.locator('.poster img').waitFor();
    await accessible(viewer, 'the list');
    await withoutCovers(async (page) => {
      await until('what the host sends in place of the cover', () => page.evaluate(() => (document.querySelector<HTMLCanvasElement>('.poster canvas.shown')?.width ?? 0) > 300), PATIENCE);
      await page.screenshot({ path: join(RESULTS, 'demo-still.png') });
      await accessible(page, 'the list without covers');
    });
    await link.click();
    await part(viewer, 'room').waitFor();
    await moves(viewer, '.tile.main');
    const { scroll, client } = await viewer.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    assert.ok(scroll <= client, `${scroll} px wide on ${client} px`);
    await accessible(viewer, 'the room');
  });

  test('plays on each line, with its delay', async () => {
    for (const [line, name] of [['flv', 'HTTP-FLV'], ['hls', 'HLS'], ['webrtc', 'WebRTC']] as const) {
      await viewer.getByRole('button', { name: /^Line/ }).click();
      await viewer.locator(`[data-line=${line}]`).click();
      await until(`line ${name}`, async () => (await part(viewer, 'line').textContent()) === name, PATIENCE);
      await moves(viewer, '.tile.main');
      // The test card's clock is read off the picture: no estimate.
      await until(`the delay of ${name}`, async () => /^Delay: [\d.]+ m?s, read/.test((await part(viewer, 'delay').textContent({ timeout: 1_000 }).catch(() => '')) ?? ''), PATIENCE);
    }
  });

  test('carries chat, bullet comments and likes', async () => {
    await part(viewer, 'compose').fill('What a <b>view</b>!');
    await viewer.getByRole('button', { name: 'Send', exact: true }).click();
    const message = part(host, 'message').filter({ hasText: 'What a <b>view</b>!' });
    await message.waitFor();
    await host.locator('[data-part=bullets] span', { hasText: 'What a' }).waitFor({ state: 'attached' });
    await viewer.getByLabel('Send a picture').setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(DOT, 'base64') });
    await until('a picture in the chat', () => host.evaluate(() => [...document.querySelectorAll<HTMLImageElement>('[data-part=message] img')].some((image) => image.naturalWidth > 0)), PATIENCE);
    const heart = part(viewer, 'like');
    for (let n = 0; n < 3; n += 1) await heart.click();
    await until('three likes', async () => (await part(host, 'like').locator('b').textContent()) === '3', PATIENCE);
  });

  test('keeps what one writes behind another tab, and opens a menu for the keyboard', async () => {
    await part(viewer, 'compose').fill('Half a sentence');
    for (const name of [/People/, /Chat/]) await viewer.getByRole('tab', { name }).click();
    assert.equal(await part(viewer, 'compose').inputValue(), 'Half a sentence');
    await part(viewer, 'compose').fill('');
    await host.getByRole('button', { name: 'More of this room' }).press('Enter');
    await host.getByRole('menuitemcheckbox', { name: /Statistics/ }).and(host.locator(':focus')).waitFor();
    await host.keyboard.press('Escape');
  });

  test('brings a guest on stage and takes him off again', async () => {
    await viewer.getByRole('tab', { name: /Guests/ }).click();
    await viewer.getByRole('button', { name: 'Come on stage' }).click();
    await host.getByRole('tab', { name: /Guests/ }).click();
    await host.getByRole('button', { name: /^Accept/ }).click();
    await viewer.locator('.tile[data-own] video').waitFor();
    await moves(host, '.side .tile');
    await until('what the host sends', async () => /[\d.]+ [kM]bit\/s.*640×360.*Loss [\d.]+ %/.test((await part(host, 'health').textContent({ timeout: 1_000 }).catch(() => '')) ?? ''), PATIENCE);
    await host.screenshot({ path: join(RESULTS, 'demo-studio.png') });
    await viewer.screenshot({ path: join(RESULTS, 'demo-guest.png') });
    await accessible(host, 'the studio with a guest');
    await host.getByRole('tabpanel').getByRole('button', { name: /^What to do about/ }).click();
    await host.getByRole('menuitem', { name: 'Take off the stage' }).click();
    await viewer.locator('.tile[data-own]').waitFor({ state: 'detached' });
    await host.locator('.side').waitFor({ state: 'detached' });
    await viewer.getByRole('button', { name: 'Come on stage' }).waitFor();
  });

  test('brings two hosts side by side for both audiences', async () => {
    other = await open({ width: 900, height: 640 }, 'light');
    await other.getByRole('link', { name: 'Go live' }).first().click();
    await other.getByRole('radio', { name: 'Test card' }).check({ force: true });
    await other.getByRole('combobox', { name: 'Picture' }).selectOption('360p');
    await other.getByLabel('Title').fill('Next door');
    await other.locator('[data-source=card] video').waitFor();
    await other.getByRole('button', { name: 'Go live' }).click();
    await part(other, 'room').waitFor();
    await part(host, 'find-hosts').click();
    await part(host, 'candidates').getByRole('listitem').filter({ hasText: 'Next door' }).getByRole('button', { name: /^Invite/ }).click();
    await accessible(host, 'the choice of hosts');
    await part(other, 'connect').click();
    for (const page of [host, other, viewer]) await moves(page, '[data-part=partner]');
    await host.screenshot({ path: join(RESULTS, 'demo-hosts.png') });
    await accessible(host, 'the studio with another host');
    await host.getByRole('button', { name: 'End the connection' }).click();
    for (const page of [host, other, viewer]) await part(page, 'partner').waitFor({ state: 'detached' });
  });

  test('removes somebody, and ends with the sums of the show', async () => {
    await host.getByRole('tab', { name: /People/ }).click();
    await host.getByRole('tabpanel').getByRole('button', { name: /^What to do about/ }).click();
    await host.getByRole('menuitem', { name: 'Remove and keep out' }).click();
    await part(host, 'confirm').first().click();
    await viewer.locator('[data-phase=gone]').waitFor();
    await accessible(viewer, 'the way out');
    await other.getByRole('button', { name: 'End the show' }).click();
    await other.getByRole('button', { name: 'End it' }).click();
    await other.locator('[data-phase=ended]').waitFor();
    await other.evaluate(() => localStorage.setItem('weblive.line', 'flv'));
    await other.getByRole('link', { name: TITLE }).click();
    await until('the line HTTP-FLV', async () => (await part(other, 'line').textContent()) === 'HTTP-FLV', PATIENCE);
    await moves(other, '.tile.main');
    await host.getByRole('button', { name: 'End the show' }).click();
    await host.getByRole('button', { name: 'End it' }).click();
    await host.locator('[data-phase=ended]').waitFor();
    // The relay keeps a broadcast for much longer.
    await other.locator('[data-phase=ended]').waitFor({ timeout: 5_000 });
    assert.match((await host.locator('.sums').textContent()) ?? '', /Likes3/);
    assert.ok(!(await asksBeforeLeaving(host)));
    await accessible(host, 'the end');
    await viewer.getByRole('link', { name: 'Back to all rooms' }).click();
    await viewer.getByRole('heading', { name: 'Nobody is live right now' }).waitFor();
  });

  test('logs no error of its own', () => assert.deepEqual(complaints, []));
});
