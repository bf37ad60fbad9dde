import type { Browser, Page } from 'playwright-core';
import { launchBrowser, until, WebliveServer } from './harness';
import { Pages } from './pages';

export const PATIENCE = 45_000;

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

/** Where `user` finds what anna pushes. */
export const room = (user: string) => `room://sdkappid=1400000000&roomid=200&userid=${user}&usersig=unsigned`;

/** A server with pages written for TWebLive, of which `anna` pushes. */
export class Evening {
  /** What the pages wrote to their consoles, and their failures. */
  readonly said: string[] = [];

  private constructor(readonly server: WebliveServer, readonly browser: Browser, readonly pages: Pages) {}

  static async start(): Promise<[Evening, Page]> {
    const [server, browser] = await Promise.all([WebliveServer.start('--relay-linger', '1s'), launchBrowser()]);
    const pages = await Pages.start({ push: push(server.origin), play: play(server.origin), share: share(server.origin) }, server.origin);
    const evening = new Evening(server, browser, pages);
    try {
      const anna = await evening.open('push', {});
      await anna.evaluate(() => begun);
      return [evening, anna];
    } catch (error) {
      await evening.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.pages.stop();
    await this.server.stop();
  }

  /** Where what anna pushes is played by HTTP. */
  live(extension: 'flv' | 'm3u8'): string {
    return this.server.url(`/live/0_200_anna_main.${extension}`);
  }

  async open(name: string, values: Record<string, string>): Promise<Page> {
    const page = await (await this.browser.newContext()).newPage();
    page.on('pageerror', (error) => this.said.push(`${name}: ${error.message}`));
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && this.said.push(`${name}: ${message.text()}`));
    await page.goto(this.pages.url(name, values));
    return page;
  }

  /** An event of `name` with data that `accept` takes. */
  async told(page: Page, name: string, accept: (data: never) => boolean = () => true): Promise<void> {
    await until(name, async () => (await eventsOf(page)).some(([of, data]) => of === name && accept(data as never)), PATIENCE).catch(async (error: Error) => {
      throw new Error(`${error.message}; there were ${JSON.stringify(await eventsOf(page))}; console ${JSON.stringify(this.said.slice(-5))}`);
    });
  }

  /** `count` more frames on the screen. */
  async playing(page: Page, count = 10): Promise<void> {
    const before = await page.evaluate(() => painted);
    await until('frames', async () => (await page.evaluate(() => painted)) >= before + count, PATIENCE).catch(async (error: Error) => {
      const state = await page.evaluate(() => [events, failure, painted]);
      throw new Error(`${error.message}; ${JSON.stringify(state)}; console ${JSON.stringify(this.said.slice(-5))}`);
    });
  }
}

export const eventsOf = (page: Page): Promise<[string, unknown][]> => page.evaluate(() => events);

export const close = (page: Page): Promise<void> => page.context().close();
