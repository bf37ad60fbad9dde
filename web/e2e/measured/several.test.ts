import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, until, WebliveServer } from '../harness';
import { Pages } from '../pages';

const PATIENCE = 60_000;

const head = (origin: string) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script src="${origin}/sdk/trtc.js"></script><script src="${origin}/sdk/tim-js.js"></script><script src="${origin}/sdk/tweblive.js"></script>
<style>#view { width: 320px; height: 240px }</style><div id="view"></div>
<script>
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const told = [];
</script>`;

/** Somebody on the stage, who sees and hears the others there. */
const anchor = (origin: string) => `${head(origin)}<script>
  const client = TRTC.createClient({ mode: 'live', sdkAppId: 1400000000, userId: given.user, userSig: 'unsigned' });
  const heard = {};
  client.on('stream-subscribed', ({ stream }) => {
    const div = view.appendChild(document.createElement('div'));
    div.dataset.user = stream.getUserId();
    stream.play(div);
    setInterval(() => { heard[stream.getUserId()] = Math.max(heard[stream.getUserId()] ?? 0, stream.getAudioLevel()); }, 100);
  });
  client.on('peer-leave', ({ userId }) => told.push(['peer-leave', userId]));
  const begun = (async () => {
    await client.join({ roomId: 300, role: 'anchor' });
    const stream = TRTC.createStream({ userId: given.user, audio: true, video: true });
    await stream.initialize();
    await client.publish(stream);
  })();
</script>`;

/** Somebody who watches, by whatever address. */
const viewer = (origin: string) => `${head(origin)}<script>
  const player = TWebLive.createPlayer();
  for (const name in TWebLive.EVENT) player.on(TWebLive.EVENT[name], (event) => told.push([event.name, event.data]));
  player.setRenderView({ elementID: 'view' });
  player.setRoomView({ layout: 'grid' });
  const begun = player.startPlay(given.url);
</script>`;

declare global {
  // Scripts of the pages above.
  const told: [string, { code?: number } | undefined][];
  const heard: Record<string, number>;
  const client: { leave(): Promise<void> };
}

describe('two anchors and five viewers', () => {
  let server: WebliveServer;
  let browser: Browser;
  let pages: Pages;
  let anna: Page;
  let ben: Page;
  let viewers: { inRoom: Page[]; flv: Page[]; hls: Page };

  before(async () => {
    [server, browser] = await Promise.all([WebliveServer.start('--relay-linger', '1s'), launchBrowser()]);
    pages = await Pages.start({ anchor: anchor(server.origin), viewer: viewer(server.origin) }, server.origin);
    [anna, ben] = await Promise.all(['anna', 'ben'].map((user) => open('anchor', { user }))) as [Page, Page];
    const room = (user: string) => open('viewer', { url: `room://sdkappid=1400000000&roomid=300&userid=${user}&usersig=unsigned` });
    const cdn = (kind: string, address: string) => open('viewer', { url: `https://${kind}=${server.url(`/live/${address}`)}` });
    const [zoe, yan, flvOfAnna, flvOfBen, hls] = await Promise.all([
      room('zoe'), room('yan'), cdn('flv', '0_300_anna_main.flv'), cdn('flv', '0_300_ben_main.flv'), cdn('hls', '0_300_anna_main.m3u8'),
    ]);
    viewers = { inRoom: [zoe, yan], flv: [flvOfAnna, flvOfBen], hls };
  });
  after(async () => {
    await browser?.close();
    await pages?.stop();
    await server?.stop();
  });

  async function open(name: string, values: Record<string, string>): Promise<Page> {
    const page = await (await browser.newContext()).newPage();
    await page.goto(pages.url(name, values));
    await page.evaluate(() => begun);
    return page;
  }

  /** Frames that each picture on the page has shown. */
  const shown = (page: Page): Promise<number[]> => page.evaluate(() =>
    [...document.querySelectorAll('video')].filter((video) => video.videoWidth > 0).map((video) => video.getVideoPlaybackQuality().totalVideoFrames));

  /** Waits until `count` pictures move. */
  const moves = async (page: Page, count: number): Promise<void> => {
    await until(`${count} pictures`, async () => (await shown(page)).length === count, PATIENCE);
    const before = await shown(page);
    await until(`${count} moving pictures`, async () => (await shown(page)).every((frames, i) => frames > (before[i] ?? 0) + 10), PATIENCE);
  };

  /** Bytes of sound that the page's player has decoded. */
  const sound = (page: Page): Promise<number> => page.evaluate(() =>
    Math.max(...[...document.querySelectorAll('video')].map((video) => (video as unknown as { webkitAudioDecodedByteCount: number }).webkitAudioDecodedByteCount)));

  test('all see and hear what there is, on three lines', async () => {
    // Beside the others an anchor sees oneself nowhere: the page plays what it receives.
    await Promise.all([moves(anna, 1), moves(ben, 1), ...viewers.inRoom.map((page) => moves(page, 2)), ...viewers.flv.map((page) => moves(page, 1)), moves(viewers.hls, 1)]);
    await until('sound of each other', async () => (await anna.evaluate(() => heard['ben'] ?? 0)) > 0 && (await ben.evaluate(() => heard['anna'] ?? 0)) > 0, PATIENCE);
    for (const page of [...viewers.flv, viewers.hls]) await until('sound', async () => (await sound(page)) > 10_000, PATIENCE);
  });

  test('one anchor leaves, and nobody else notices more than that', async () => {
    await anna.evaluate(() => client.leave());
    await until('told', () => ben.evaluate(() => told.some(([name, user]) => name === 'peer-leave' && String(user) === 'anna')), PATIENCE);
    await Promise.all(viewers.inRoom.map((page) => moves(page, 1)));
    await moves(viewers.flv[1]!, 1);
    await until('the end of the live', () => viewers.flv[0]!.evaluate(() => told.some(([name, data]) => name === 't_error' && data?.code === 13)), PATIENCE);
    assert.deepEqual(await viewers.flv[1]!.evaluate(() => told.filter(([name]) => name === 't_error')), []);
  });
});
