import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, RESULTS, until, WebliveServer } from './harness';

describe('the page of plain streams', () => {
  let server: WebliveServer;
  let browser: Browser;
  let desktop: Page;
  const id = 'demo-test';
  const complaints: string[] = [];

  before(async () => {
    await mkdir(RESULTS, { recursive: true });
    server = await WebliveServer.start();
    browser = await launchBrowser();
    desktop = await open({ width: 1280, height: 1040 }, 'light');
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(viewport: { width: number; height: number }, colorScheme: 'light' | 'dark', search = ''): Promise<Page> {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    // A stream that is not live yet is asked for and refused: the browser logs that by itself.
    page.on('console', (message) => message.type() === 'error' && !/status of (404|409|503)/.test(message.text()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${server.url('/')}${search}#/lab`);
    await page.locator('#publish-toggle').waitFor();
    return page;
  }

  /** Waits until all three pictures move and every card shows its figures. */
  async function threeMove(page: Page): Promise<void> {
    const look = () =>
      page.evaluate(() =>
        [...document.querySelectorAll('.card')].map((card) => ({
          frames: card.querySelector('video')!.getVideoPlaybackQuality().totalVideoFrames,
          time: card.querySelector('video')!.currentTime,
          state: card.querySelector('[data-part=state]')!.textContent,
          delay: card.querySelector('[data-part=delay-kind]')!.textContent,
          size: card.querySelector('[data-part=size]')!.textContent,
          problem: card.querySelector('[data-part=problem]')!.textContent,
        })),
      );
    const before = await look();
    assert.equal(before.length, 3);
    let last = before;
    await until('three moving pictures', async () => {
      last = await look();
      return last.every(
        (card, i) =>
          card.frames > before[i]!.frames + 30 && card.time > before[i]!.time && card.state === 'Playing' && /read off/.test(card.delay ?? '') && /^\d+×\d+$/.test(card.size ?? ''),
      );
    }, 40_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}`);
    });
  }

  test('starts publishing by a click, and all three players show it', async () => {
    await desktop.fill('#stream-id', id);
    await desktop.getByRole('button', { name: 'Start publishing' }).click();
    await until('live', async () => (await desktop.textContent('#publish-state')) === 'Live');
    await until('full size', async () => /^1280×720/.test((await desktop.textContent('[data-figure=size]')) ?? ''), 40_000);
    await threeMove(desktop);
    await desktop.screenshot({ path: join(RESULTS, 'demo-desktop.png') });
  });

  test('plays a shared address on a phone, in the dark, without being asked', async () => {
    const phone = await open({ width: 390, height: 844 }, 'dark', `?id=${id}`);
    await threeMove(phone);
    const { scroll, client } = await phone.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    assert.ok(scroll <= client, `${scroll} px wide on ${client} px`);
    await phone.screenshot({ path: join(RESULTS, 'demo-phone.png'), fullPage: true });
    await phone.context().close();
  });

  test('names every control, and the states are announced', async () => {
    const nameless = await desktop.evaluate(() =>
      [...document.querySelectorAll('button, input')].filter(
        (control) => !control.getAttribute('aria-label') && !control.textContent?.trim() && !(control as HTMLInputElement).labels?.length,
      ).length,
    );
    assert.equal(nameless, 0);
    assert.equal(await desktop.locator('.card [data-part=state][aria-live=polite]').count(), 3);
    await desktop.keyboard.press('Tab');
    const outline = await desktop.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    assert.notEqual(outline, 'none', 'the focus can be seen');
  });

  test('unmutes, stops and plays one player by its buttons', async () => {
    const card = desktop.locator('.card').first();
    await card.getByRole('button', { name: 'Unmute WebRTC' }).click();
    await card.getByRole('button', { name: 'Mute WebRTC', exact: true }).waitFor();
    await card.getByRole('button', { name: 'Stop WebRTC' }).click();
    assert.equal(await card.locator('[data-part=state]').textContent(), 'Stopped');
    await card.getByRole('button', { name: 'Play WebRTC' }).click();
    await until('playing again', async () => (await card.locator('[data-part=state]').textContent()) === 'Playing');
  });

  test('stops publishing, and the players wait for the next one', async () => {
    const early = await open({ width: 390, height: 844 }, 'light', `?id=${id}`);
    await threeMove(early);
    await desktop.getByRole('button', { name: 'Stop publishing' }).click();
    await until('not publishing', async () => (await desktop.textContent('#publish-state')) === 'Not publishing');
    const states = () => early.locator('.card [data-part=state]').allTextContents();
    const withReasons = async (error: Error) => {
      const reasons = await early.locator('.card [data-part=problem]').allTextContents();
      throw new Error(`${error.message}: ${JSON.stringify({ states: await states(), reasons, complaints })}`);
    };
    await until('three players that wait', async () => (await states()).every((state) => state !== 'Playing'), 60_000).catch(withReasons);
    await desktop.locator('input[value=camera]').check({ force: true });
    await desktop.getByRole('button', { name: 'Start publishing' }).click();
    await until('live again, from the camera', async () => (await desktop.textContent('#publish-state')) === 'Live');
    await desktop.locator('#preview video').waitFor();
    await until('all three playing again', async () => (await states()).every((state) => state === 'Playing'), 60_000).catch(withReasons);
    await early.context().close();
  });

  test('logs no error of its own', () => assert.deepEqual(complaints, []));
});
