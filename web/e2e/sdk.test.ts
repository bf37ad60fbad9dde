import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Axe } from './axe';
import { launchBrowser, until, WebliveServer } from './harness';

const TOKEN = 'operator-of-the-tests';
const APP = '{ id = 1400000000, keys = ["secret-of-the-tests"], webhook_url = "http://127.0.0.1:9/told" }';

let open: WebliveServer;
let closed: WebliveServer;
let browser: Browser;

/** The page of another origin that was asked for last. It loads only what says that it may be loaded. */
let html = '';
const pages = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html', 'cross-origin-embedder-policy': 'require-corp' }).end(html));

before(async () => {
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  [open, closed, browser] = await Promise.all([
    WebliveServer.start(),
    WebliveServer.start('--apps', `[${APP}]`, '--api-tokens', TOKEN, '--dev-tokens'),
    launchBrowser(),
  ]);
});

after(async () => {
  await browser?.close();
  pages.closeAllConnections();
  pages.close();
  await Promise.all([open?.stop(), closed?.stop()]);
});

/** A page of another origin that loads the scripts from the server. */
async function foreignPage(server: WebliveServer, scripts: string[]): Promise<{ page: Page; sockets: string[] }> {
  const page = await (await browser.newContext()).newPage();
  const sockets: string[] = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  html = `<!doctype html><title>a page</title>${scripts.map((name) => `<script src="${server.url(`/sdk/${name}`)}"></script>`).join('')}`;
  await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
  return { page, sockets };
}

test('three scripts of another origin share one session of the user', async () => {
  const { page, sockets } = await foreignPage(open, ['trtc.js', 'tim-js.js', 'tweblive.js']);
  const seen = await page.evaluate(async () => {
    const { TWebLive, TRTC, TIM } = window as unknown as {
      TWebLive: { createIM(options: object): Chat };
      TRTC: { createClient(options: object): { join(options: object): Promise<void>; leave(): Promise<void> } };
      TIM: { create(options: object): { getMyProfile(): Promise<{ data: { userID: string } }> } };
    };
    interface Chat {
      login(options: object): Promise<{ data: { repeatLogin?: boolean } }>;
    }
    const im = TWebLive.createIM({ SDKAppID: 7 });
    await im.login({ userID: 'anna', userSig: 'none' });
    const client = TRTC.createClient({ mode: 'live', sdkAppId: 7, userId: 'anna', userSig: 'none' });
    await client.join({ roomId: 5, role: 'audience' });
    const { data } = await TIM.create({ SDKAppID: 7 }).getMyProfile();
    const again = await im.login({ userID: 'anna', userSig: 'none' });
    await client.leave();
    return { user: data.userID, repeated: again.data.repeatLogin };
  });
  assert.deepEqual(seen, { user: 'anna', repeated: true });
  assert.deepEqual(sockets, [open.url('/signal').replace('http', 'ws')]);
  await page.context().close();
});

test('modules and engines come from another origin', async () => {
  const { page } = await foreignPage(open, ['weblive.js']);
  const seen = await page.evaluate(async (origin) => {
    const module = (await import(/* @vite-ignore */ `${origin}/sdk/weblive.mjs`)) as { server(): string; createPlayer: unknown };
    const engine = (await import(/* @vite-ignore */ `${origin}/sdk/engines/mpegts.mjs`)) as { default: { isSupported(): boolean } };
    return { server: module.server(), script: (window as unknown as { weblive: typeof module }).weblive.server(), engine: engine.default.isSupported() };
  }, new URL(open.origin).origin);
  assert.deepEqual(seen, { server: new URL(open.origin).origin, script: new URL(open.origin).origin, engine: true });
  await page.context().close();
});

test('an operator opens the page with a token, sees a room and its stream, and dismisses it', async () => {
  const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"userId": "anna"}' };
  const tokens = (await (await fetch(closed.url('/api/dev/usersig'), asked)).json()) as { sdkAppId: number; userSig: string };
  const { page: anchor } = await foreignPage(closed, ['trtc.js']);
  const trouble: string[] = [];
  anchor.on('pageerror', (error) => trouble.push(error.message));
  await anchor.evaluate(async ({ sdkAppId, userSig }) => {
    interface Face {
      createClient(options: object): { join(options: object): Promise<void>; publish(stream: object): Promise<void> };
      createStream(options: object): { initialize(): Promise<void> };
    }
    const { TRTC } = window as unknown as { TRTC: Face };
    const canvas = document.createElement('canvas');
    const paint = canvas.getContext('2d')!;
    setInterval(() => {
      paint.fillStyle = `hsl(${Date.now() % 360} 80% 50%)`;
      paint.fillRect(Math.random() * 200, Math.random() * 100, 100, 50);
    }, 40);
    const client = TRTC.createClient({ mode: 'live', sdkAppId, userId: 'anna', userSig });
    await client.join({ roomId: 77, role: 'anchor' });
    const stream = TRTC.createStream({ userId: 'anna', videoSource: canvas.captureStream(25).getVideoTracks()[0] });
    await stream.initialize();
    await client.publish(stream);
  }, tokens);

  const page = await (await browser.newContext()).newPage();
  page.on('pageerror', (error) => trouble.push(error.message));
  page.on('console', (message) => message.type() === 'error' && !message.text().includes('401') && trouble.push(message.text()));
  const axe = await Axe.load();
  const accessible = async (what: string) => assert.deepEqual(await axe.violations(page), [], what);
  await page.goto(closed.url('/admin'));
  assert.equal(page.url(), closed.url('/admin/'));
  await page.getByLabel('Operator’s token').fill('not-the-token-of-it');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('alert').getByText('operators').waitFor();
  await accessible('the login');
  await page.getByLabel('Operator’s token').fill(TOKEN);
  await page.getByRole('button', { name: 'Open' }).click();

  const stream = page.getByRole('listitem', { name: 'Stream 1400000000_77_anna_main' });
  await until('a bit rate', async () => /now \d.*bit\/s/.test((await stream.getByRole('img').first().getAttribute('aria-label')) ?? ''), 20_000);
  await accessible('the streams');
  await page.getByRole('tab', { name: 'Webhooks' }).click();
  await page.getByRole('row', { name: /room\.created.*77/ }).first().waitFor();
  await accessible('the deliveries');
  await page.getByRole('tab', { name: 'Rooms' }).click();
  await page.getByRole('button', { name: /77/, expanded: false }).click();
  await page.getByRole('row', { name: /anna.*anchor.*camera/ }).waitFor();
  await accessible('the rooms');
  await page.getByRole('button', { name: 'Dismiss room 77' }).click();
  await accessible('the question before a room is dismissed');
  await page.getByRole('dialog').getByRole('button', { name: 'Dismiss' }).click();
  await page.getByText('There is no room now.').waitFor();
  assert.deepEqual(trouble, []);
  await Promise.all([anchor.context().close(), page.context().close()]);
});

test('nobody reads the operator’s page without a token, and no other page shows it', async () => {
  const page = await (await browser.newContext()).newPage();
  const answers: number[] = [];
  page.on('response', (response) => response.url().includes('/api/v1/') && answers.push(response.status()));
  await page.goto(closed.url('/admin/'));
  await page.getByLabel('Operator’s token').waitFor();
  assert.ok(answers.length > 0 && answers.every((status) => status === 401), String(answers));
  await page.context().close();
});
