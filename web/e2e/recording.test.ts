import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Axe } from './axe';
import { LabBrowser, type LabPage, RESULTS, run, scratch, until, WebliveServer } from './harness';

const PATIENCE = 60_000;

interface Recording {
  id: string;
  state: string;
  durationMs: number;
  playlistUrl: string | null;
  mp4Url: string | null;
}

describe('the page of a recording', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let publisher: LabPage;
  let axe: Axe;
  let folder: Awaited<ReturnType<typeof scratch>>;
  let early: Page;
  let desktop: Page;
  let recording: Recording;
  const complaints: string[] = [];

  before(async () => {
    await mkdir(RESULTS, { recursive: true });
    [axe, folder] = await Promise.all([Axe.load(), scratch()]);
    server = await WebliveServer.start('--data', folder.path, '--record-auto', 'evening', '--relay-linger', '1s');
    lab = await LabBrowser.start();
    publisher = await lab.publisher({ whip: server.addresses('evening').whip, width: 640, height: 360 });
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
    await folder?.remove();
  });

  async function recordings(): Promise<Recording[]> {
    const response = await fetch(server.url('/api/v1/recordings'));
    assert.equal(response.status, 200);
    return ((await response.json()) as { items: Recording[] }).items;
  }

  async function open(viewport: { width: number; height: number }, colorScheme: 'light' | 'dark', path: string, init?: () => void): Promise<Page> {
    const context = await lab.browser.newContext({ viewport, colorScheme, locale: 'en-US' });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    if (init) await page.addInitScript(init);
    // What is not there (yet) is asked for and refused: the browser logs that by itself.
    page.on('console', (message) => message.type() === 'error' && !/status of 404/.test(message.text()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${server.url('/')}#${path}`);
    return page;
  }

  const look = (page: Page) =>
    page.evaluate(() => {
      const video = document.querySelector('video')!;
      const { currentTime, duration, paused, seeking, ended, playbackRate, videoWidth } = video;
      return { currentTime, duration, paused, seeking, ended, playbackRate, videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames };
    });

  /** Waits until what is seen of the video is accepted. */
  async function sees(page: Page, what: string, accept: (seen: Awaited<ReturnType<typeof look>>) => boolean) {
    let last: Awaited<ReturnType<typeof look>> | undefined;
    return until(what, async () => accept((last = await look(page))) && last, PATIENCE).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}, ${JSON.stringify(complaints)}`);
    });
  }

  async function moves(page: Page): Promise<void> {
    const { frames, currentTime } = await look(page);
    await sees(page, 'a picture that moves', (seen) => !seen.paused && seen.currentTime > currentTime && seen.frames > frames + 10);
  }

  async function accessible(page: Page, name: string): Promise<void> {
    assert.deepEqual(await axe.violations(page), [], name);
    const { scroll, client } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    assert.ok(scroll <= client, `${name}: ${scroll} px wide on ${client} px`);
    await page.screenshot({ path: join(RESULTS, `recording-${name}.png`), fullPage: true });
  }

  test('says that a recording goes on, and that another one is not there', async () => {
    [recording] = (await until('a recording', async () => (await recordings()).length > 0 && recordings(), PATIENCE)) as [Recording];
    early = await open({ width: 1280, height: 800 }, 'dark', `/recording/evening/${recording.id}`);
    await early.locator('[data-trouble=early]').waitFor();
    await accessible(early, 'early');
    const lost = await open({ width: 390, height: 844 }, 'light', '/recording/evening/1700000000123-5f1e02aa');
    await lost.locator('[data-trouble=missing]').waitFor();
    await accessible(lost, 'missing-phone');
    await lost.context().close();
  });

  test('shows the recording by itself once the show is over', async () => {
    const segments = async () => Number(/^weblive_record_segments_total (\d+)/m.exec(await (await fetch(server.url('/metrics'))).text())?.[1] ?? 0);
    await until('some segments', async () => (await segments()) >= 5, PATIENCE);
    await publisher.close();
    recording = await until('the end of the recording', async () => (await recordings()).find(({ state }) => state === 'ended'), PATIENCE);
    await early.locator('[data-phase=ready][data-way=hls]').waitFor();
    await sees(early, 'the first picture, not playing', (seen) => seen.videoWidth === 640 && seen.paused);
    await early.locator('[data-part=download]').waitFor();
    await early.context().close();
  });

  test('is read by another implementation, as a playlist and as a file', async () => {
    for (const address of [recording.playlistUrl!, recording.mp4Url!]) {
      const { stdout, stderr } = await run('ffprobe', ['-v', 'error', '-show_entries', 'format=duration:stream=codec_name,width', '-of', 'json', server.url(address)]);
      assert.equal(stderr, '', address);
      const { format, streams } = JSON.parse(stdout.toString()) as { format: { duration: string }; streams: { codec_name: string; width?: number }[] };
      console.log(`  ${address.replace(/.*\//, '')}: ${format.duration} s, ${streams.map(({ codec_name }) => codec_name).join(', ')}`);
      assert.ok(Math.abs(Number(format.duration) - recording.durationMs / 1000) < 0.5, `${format.duration} s, not ${recording.durationMs} ms`);
      assert.deepEqual(streams.map(({ codec_name }) => codec_name).sort(), ['aac', 'h264']);
    }
  });

  test('plays and seeks by the mouse and by the keyboard', async () => {
    desktop = await open({ width: 1280, height: 860 }, 'dark', `/recording/evening/${recording.id}`);
    await desktop.locator('[data-phase=ready]').waitFor();
    await desktop.getByRole('button', { name: 'Play', exact: true }).first().click();
    await moves(desktop);
    const { duration } = await look(desktop);
    assert.ok(Math.abs(duration - recording.durationMs / 1000) < 0.5);
    await desktop.keyboard.press('7');
    await sees(desktop, 'seven tenths', (seen) => !seen.seeking && seen.currentTime >= 0.69 * duration);
    await moves(desktop);
    await desktop.keyboard.press('k');
    await sees(desktop, 'a pause', (seen) => seen.paused);
    const seek = desktop.getByRole('slider', { name: 'Place in the recording' });
    const box = (await seek.boundingBox())!;
    await desktop.mouse.click(box.x + box.width / 4, box.y + box.height / 2);
    const there = await sees(desktop, 'a quarter', (seen) => !seen.seeking && Math.abs(seen.currentTime - duration / 4) < duration / 20);
    await seek.press('ArrowRight');
    await sees(desktop, 'five seconds more', (seen) => !seen.seeking && Math.abs(seen.currentTime - Math.min(there.currentTime + 5, duration)) < 0.2);
    assert.match((await seek.getAttribute('aria-valuetext'))!, /^0:\d\d of 0:\d\d$/);
    await desktop.keyboard.press('Home');
    await sees(desktop, 'the beginning', (seen) => !seen.seeking && seen.currentTime === 0);
    await desktop.getByRole('button', { name: /^Speed/ }).click();
    await desktop.getByRole('menuitemradio', { name: '2×' }).click();
    await desktop.getByRole('button', { name: 'Play', exact: true }).first().click();
    await sees(desktop, 'twice the speed', (seen) => seen.playbackRate === 2 && !seen.paused);
    await moves(desktop);
    await desktop.mouse.move(640, 300);
    await accessible(desktop, 'desktop');
    await sees(desktop, 'the end', (seen) => seen.ended);
    await desktop.getByRole('button', { name: 'Play again' }).waitFor();
  });

  test('gives the file to those who keep it', async () => {
    const [download] = await Promise.all([desktop.waitForEvent('download'), desktop.locator('[data-part=download]').click()]);
    assert.equal(download.suggestedFilename(), `evening-${recording.id}.mp4`);
    const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', await download.path()]);
    assert.ok(Math.abs(Number(stdout.toString()) - recording.durationMs / 1000) < 0.5);
  });

  test('goes on where it was left, and is found again in this browser', async () => {
    await desktop.keyboard.press('5');
    await sees(desktop, 'the middle', (seen) => !seen.seeking && Math.abs(seen.currentTime - seen.duration / 2) < 0.2);
    await desktop.getByRole('link', { name: 'All recordings' }).click();
    await desktop.getByRole('link', { name: /evening/ }).waitFor();
    await accessible(desktop, 'list');
    await desktop.getByRole('textbox').fill('not an address');
    await desktop.getByRole('button', { name: 'Watch' }).click();
    await desktop.getByRole('alert').waitFor();
    await desktop.getByRole('textbox').fill(server.url(recording.playlistUrl!));
    await desktop.getByRole('button', { name: 'Watch' }).click();
    await desktop.locator('[data-phase=ready]').waitFor();
    await desktop.getByText('Goes on at').waitFor();
    const { duration } = await look(desktop);
    await sees(desktop, 'the place where it was left', (seen) => !seen.seeking && seen.paused && Math.abs(seen.currentTime - duration / 2) < 0.2);
    await desktop.getByRole('button', { name: 'From the beginning' }).click();
    await sees(desktop, 'the beginning', (seen) => !seen.seeking && seen.currentTime === 0);
  });

  test('plays the file on a phone whose browser has no engine for segments', async () => {
    const phone = await open({ width: 390, height: 844 }, 'light', `/recording/evening/${recording.id}`, () => {
      Reflect.deleteProperty(window, 'MediaSource');
      Reflect.deleteProperty(window, 'ManagedMediaSource');
      HTMLMediaElement.prototype.canPlayType = () => '';
    });
    await phone.locator('[data-phase=ready][data-way=mp4]').waitFor();
    await phone.getByRole('button', { name: 'Play', exact: true }).first().click();
    await moves(phone);
    const { duration } = await look(phone);
    await phone.keyboard.press('5');
    await sees(phone, 'the middle', (seen) => !seen.seeking && seen.currentTime >= 0.49 * duration);
    await moves(phone);
    await accessible(phone, 'phone');
    await phone.context().close();
  });

  test('logs no error of its own', () => assert.deepEqual(complaints, []));
});
