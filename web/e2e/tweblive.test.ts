import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, until, WebliveServer } from './harness';
import { Pages } from './pages';

const PATIENCE = 45_000;

/** Script tags as pages have them, from the server at `origin`, and what the page is told by its address. */
const head = (origin: string) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script src="${origin}/sdk/trtc.js"></script><script src="${origin}/sdk/tim-js.js"></script><script src="${origin}/sdk/tweblive.js"></script>
<style>div { width: 320px; height: 240px }</style>
<script>
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const events = [];
  // The test reads these off the console where looking into the page would count as a click.
  const tell = (event) => { events.push([event.name, event.data]); console.log('event', event.name); };
</script>`;

/** Three steps to push, beside three to chat. */
const push = (origin: string) => `${head(origin)}<div id="pusherView"></div><script>
  const im = TWebLive.createIM({ SDKAppID: 1400000000 });
  for (const name in TWebLive.EVENT) im.on(TWebLive.EVENT[name], tell);

  // 1. Make a pusher.
  const pusher = TWebLive.createPusher({ userID: 'anna' });
  for (const name in TWebLive.EVENT) pusher.on(TWebLive.EVENT[name], tell);

  const begin = async () => {
    await im.login({ userID: 'anna', userSig: 'unsigned' });
    await im.createRoom({ name: 'Evening show', roomID: 200 }).catch((error) => { if (error.code !== 10021 && error.code !== 10025) throw error; });
    await im.enterRoom(200);
    // 2. Open the devices.
    await pusher.setRenderView({ elementID: 'pusherView', audio: true, video: '480p' });
    // 3. Push.
    await pusher.startPush('room://sdkappid=1400000000&roomid=200&userid=anna&usersig=unsigned');
  };
  const begun = begin();
</script>`;

/** A screen, by a pusher of its own. */
const share = (origin: string) => `${head(origin)}<div id="pusherView"></div><script>
  // The user ends sharing by a button of the browser, which no test can reach.
  const tracks = [];
  const ask = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getDisplayMedia = async (how) => {
    const stream = await ask(how);
    tracks.push(...stream.getTracks());
    return stream;
  };
  const pusher = TWebLive.createPusher({ userID: 'screen-anna', screenCapture: true });
  for (const name in TWebLive.EVENT) pusher.on(TWebLive.EVENT[name], tell);
  const begin = async () => {
    await pusher.setRenderView({ elementID: 'pusherView', audio: false, screenProfile: '480p_2' });
    await pusher.startPush('room://sdkappid=1400000000&roomid=200&userid=screen-anna&usersig=unsigned');
  };
</script>`;

/** Three steps to play, on a click, and the time until the first frame is on the screen. */
const play = (origin: string) => `${head(origin)}<div id="playerView"></div><button id="play">Play</button><button id="resume">Resume</button><script>
  const im = TWebLive.createIM({ SDKAppID: 1400000000 });
  for (const name in TWebLive.EVENT) im.on(TWebLive.EVENT[name], tell);

  // 1. Make a player.
  const player = TWebLive.createPlayer();
  for (const name in TWebLive.EVENT) player.on(TWebLive.EVENT[name], tell);

  // 2. Say where the picture goes.
  player.setRenderView({ elementID: 'playerView' });

  // 3. Play.
  let took = null, failure = null, painted = 0;
  const watch = (video, since) => video.requestVideoFrameCallback((now) => {
    took ??= now - since;
    painted += 1;
    watch(video, since);
  });
  const play = () => {
    const since = performance.now();
    new MutationObserver(() => {
      for (const video of document.querySelectorAll('video')) if (!video.seen) { video.seen = true; watch(video, since); }
    }).observe(playerView, { childList: true, subtree: true });
    player.startPlay(given.url).catch((error) => { failure = String(error); });
  };
  document.getElementById('play').onclick = play;
  document.getElementById('resume').onclick = () => player.resumePlay();
  if (given.auto) play();
</script>`;

declare global {
  // The scripts of the pages above.
  const events: [string, unknown][];
  const begun: Promise<void>;
  const begin: () => Promise<void>;
  const tracks: MediaStreamTrack[];
  const took: number | null;
  const painted: number;
  const failure: string | null;
  const pusher: { isPushing(): boolean; stopPush(): Promise<void>; getLiveStreamURL(): string; getCurrentCamera(): string | undefined };
  const player: {
    isPlaying(): boolean; stopPlay(): Promise<void>; startPlay(url: string): Promise<void>; getLines(): { kind: string; isShown: boolean }[];
    pauseVideo(): Promise<void>; resumeVideo(): Promise<void>; setRoomView(view: object): void; getStreams(): { user: string }[];
  };
  const im: {
    login(who: object): Promise<{ data: { repeatLogin: boolean } }>; enterRoom(room: number): Promise<{ data: { status: string } }>;
    sendTextMessage(what: object): Promise<unknown>; sendCustomMessage(what: object): Promise<unknown>; stopPush(what: object): Promise<unknown>;
  };
}

describe('pages written for TWebLive', () => {
  let server: WebliveServer;
  let browser: Browser;
  let pages: Pages;
  let anna: Page;
  const said: string[] = [];
  const room = (user: string) => `room://sdkappid=1400000000&roomid=200&userid=${user}&usersig=unsigned`;

  before(async () => {
    [server, browser] = await Promise.all([WebliveServer.start('--relay-linger', '1s'), launchBrowser()]);
    pages = await Pages.start({ push: push(server.origin), play: play(server.origin), share: share(server.origin) }, server.origin);
    anna = await open('push', {});
    await anna.evaluate(() => begun);
  });
  after(async () => {
    await browser?.close();
    await pages?.stop();
    await server?.stop();
  });

  async function open(name: string, values: Record<string, string>, where = browser): Promise<Page> {
    const page = await (await where.newContext()).newPage();
    page.on('pageerror', (error) => said.push(`${name}: ${error.message}`));
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && said.push(`${name}: ${message.text()}`));
    await page.goto(pages.url(name, values));
    return page;
  }
  const eventsOf = (page: Page) => page.evaluate(() => events);
  const told = (page: Page, name: string, accept: (data: never) => boolean = () => true) =>
    until(name, async () => (await eventsOf(page)).some(([of, data]) => of === name && accept(data as never)), PATIENCE).catch(async (error: Error) => {
      throw new Error(`${error.message}; there were ${JSON.stringify(await eventsOf(page))}; console ${JSON.stringify(said.slice(-5))}`);
    });
  const playing = (page: Page, count = 10) => page.evaluate(() => painted).then((before) =>
    until('frames', async () => (await page.evaluate(() => painted)) >= before + count, PATIENCE).catch(async (error: Error) => {
      const state = await page.evaluate(() => [events, failure, painted]);
      throw new Error(`${error.message}; ${JSON.stringify(state)}; console ${JSON.stringify(said.slice(-5))}`);
    }));
  const close = (page: Page) => page.context().close();

  test('push in three steps, are played in three steps, and chat in three steps', async () => {
    assert.equal(await anna.evaluate(() => pusher.isPushing()), true);
    assert.equal(await anna.evaluate(() => pusher.getLiveStreamURL()), server.url('/live/0_200_anna_main.flv'));
    assert.ok(await anna.evaluate(() => pusher.getCurrentCamera()));
    await told(anna, 't_im_ready');
    await told(anna, 't_connection_state_changed', ({ state }: { state: string }) => state === 'CONNECTED');

    const zoe = await open('play', { url: room('zoe') });
    await zoe.click('#play');
    await playing(zoe);
    await told(zoe, 't_playing');
    await told(zoe, 't_network-quality', ({ downlinkNetworkQuality }: { downlinkNetworkQuality: number }) => downlinkNetworkQuality > 0);
    assert.equal(await zoe.evaluate(() => player.isPlaying()), true);

    // Who has not logged in may listen.
    const guest = await open('play', { url: `https://flv=${server.url('/live/0_200_anna_main.flv')}` });
    const entered = await guest.evaluate(() => im.enterRoom(200));
    assert.equal(entered.data.status, 'JoinedSuccess');
    const login = await zoe.evaluate(() => im.login({ userID: 'zoe', userSig: 'unsigned' }));
    assert.equal(login.data.repeatLogin, false);
    await zoe.evaluate(() => im.enterRoom(200));
    await told(anna, 't_remote_user_join', (tips: { payload: { userIDList: string[] } }[]) => tips.some(({ payload }) => payload.userIDList.includes('zoe')));
    await zoe.evaluate(() => im.sendTextMessage({ roomID: 200, text: '<b>hello</b> 晚上好' }));
    await zoe.evaluate(() => im.sendCustomMessage({ roomID: 200, data: 'like' }));
    for (const page of [anna, guest]) {
      await told(page, 't_text_message_received', ([{ payload, from }]: [{ payload: { text: string }; from: string }]) => payload.text === '<b>hello</b> 晚上好' && from === 'zoe');
      await told(page, 't_custom_message_received', ([{ payload }]: [{ payload: { data: string } }]) => payload.data === 'like');
    }

    // The room is left, and entered again.
    await zoe.evaluate(() => player.stopPlay());
    assert.deepEqual((await eventsOf(zoe)).at(-1), ['t_connection_state_changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }]);
    assert.equal(await zoe.evaluate(() => player.isPlaying()), false);
    await zoe.click('#play');
    await playing(zoe);
    await zoe.evaluate(() => player.pauseVideo());
    assert.equal((await eventsOf(zoe)).at(-1)?.[0], 't_pause');
    await zoe.evaluate(() => player.resumeVideo());
    await anna.evaluate(() => im.stopPush({ roomID: 200, postscript: 'good night' }));
    await told(zoe, 't_push_stopped', (postscript: string) => postscript === 'good night');
    await Promise.all([close(zoe), close(guest)]);
  });

  test('share a screen by a pusher of its own, seen alone, beside the camera, and gone', async () => {
    const zoe = await open('play', { url: room('zoe') });
    await zoe.click('#play');
    await playing(zoe);
    /** Who is seen, with the frames that were shown so far. */
    const seen = (): Promise<Record<string, number>> => zoe.evaluate(() =>
      Object.fromEntries([...document.querySelectorAll('video')].map((video) => [video.dataset['user'] ?? '', video.getVideoPlaybackQuality().totalVideoFrames])));
    const shows = (...users: string[]) => until(users.join(), async () => JSON.stringify(Object.keys(await seen()).sort()) === JSON.stringify(users), PATIENCE);
    await shows('anna');

    const screen = await open('share', {});
    await screen.evaluate(() => begin());
    await shows('screen-anna');
    assert.deepEqual((await zoe.evaluate(() => player.getStreams())).map(({ user }) => user), ['anna', 'screen-anna']);
    await zoe.evaluate(() => player.setRoomView({ layout: 'grid' }));
    await shows('anna', 'screen-anna');
    const before = await seen();
    await until('both pictures to go on', async () => Object.entries(await seen()).every(([user, frames]) => frames > (before[user] ?? 0) + 3), PATIENCE);

    await screen.evaluate(() => tracks.forEach((track) => track.dispatchEvent(new Event('ended'))));
    await told(screen, 't_screen_capture_stopped');
    await until('the end of the push', () => screen.evaluate(() => !pusher.isPushing()), PATIENCE);
    await shows('anna');
    await Promise.all([close(zoe), close(screen)]);
  });

  test('show the first picture soon after the click', async () => {
    const ways = { WebRTC: [room('tim'), 400], FLV: [`https://flv=${server.url('/live/0_200_anna_main.flv')}`, 500], HLS: [`https://hls=${server.url('/live/0_200_anna_main.m3u8')}`, 1_000] } as const;
    for (const [way, [url, aim]] of Object.entries(ways)) {
      const times: number[] = [];
      for (let i = 0; i < 3 && (times.length === 0 || Math.min(...times) > aim); i += 1) {
        const page = await open('play', { url });
        await page.click('#play');
        await playing(page, 3);
        times.push(Math.round((await page.evaluate(() => took))!));
        await close(page);
      }
      console.log(`  ${way}: first picture ${times.join(', ')} ms after the click`);
      assert.ok(Math.min(...times) < aim, `${way}: ${times.join(', ')} ms, the aim is ${aim} ms`);
    }
  });

  test('fall back to HLS when FLV stands still', async () => {
    const live = `${pages.origin}/live/0_200_anna_main.flv`;
    const page = await open('play', { url: `https://flv=${encodeURIComponent(live)}&hls=${encodeURIComponent(server.url('/live/0_200_anna_main.m3u8'))}` });
    await page.click('#play');
    await playing(page);
    const shown = () => page.evaluate(() => player.getLines().find(({ isShown }) => isShown)?.kind);
    assert.equal(await shown(), 'flv');
    pages.silence();
    await until('HLS', async () => (await shown()) === 'hls', PATIENCE);
    await playing(page);
    const names = (await eventsOf(page)).map(([name]) => name).filter((name) => name !== 't_line_changed');
    assert.deepEqual([names[0], ...names.slice(-2)], ['t_playing', 't_waiting', 't_playing']);
    assert.ok(!names.includes('t_error'));
    assert.equal(await page.evaluate(() => document.querySelectorAll('video').length), 1);
    await close(page);
  });

  test('tell of refused autoplay, and play after a click', async () => {
    const strict = await launchBrowser(false);
    try {
      const ways = { room: room('kim'), flv: `https://flv=${server.url('/live/0_200_anna_main.flv')}` };
      await Promise.all(Object.entries(ways).map(async ([way, url]) => {
        const page = await (await strict.newContext()).newPage();
        const heard: string[] = [];
        page.on('console', (message) => message.text().startsWith('event') && heard.push(message.text().slice(6)));
        await page.goto(pages.url('play', { url, auto: 'yes' }));
        await until(`${way}: a refusal`, async () => heard.includes('t_autoplay_not_allowed'), PATIENCE);
        assert.ok(!heard.includes('t_playing'), `${way} plays`);
        await page.click('#resume');
        await until(`${way}: to play`, async () => heard.includes('t_playing'), PATIENCE);
        await playing(page);
        assert.equal(await page.evaluate(() => document.querySelector('video')!.muted), false);
      }));
    } finally {
      await strict.close();
    }
  });

  test('end the push, and with it what is played', async () => {
    const page = await open('play', { url: `https://flv=${server.url('/live/0_200_anna_main.flv')}` });
    await page.click('#play');
    await playing(page);
    await anna.evaluate(() => pusher.stopPush());
    assert.equal(await anna.evaluate(() => pusher.isPushing()), false);
    await told(page, 't_error', ({ code }: { code: number }) => code === 13);
    assert.match((await page.textContent('#playerView')) ?? '', /ended/);
    await close(page);
    assert.deepEqual(said.filter((line) => !/404|409/.test(line)), []);
  });
});
