import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { launchBrowser, until } from './harness';
import { close, Evening, eventsOf, PATIENCE, room } from './tweblive';

describe('pages written for TWebLive', () => {
  let evening: Evening;
  let anna: Page;

  before(async () => {
    [evening, anna] = await Evening.start();
  });
  after(async () => {
    await evening?.stop();
  });

  test('push in three steps, are played in three steps, and chat in three steps', async () => {
    assert.equal(await anna.evaluate(() => pusher.isPushing()), true);
    assert.equal(await anna.evaluate(() => pusher.getLiveStreamURL()), evening.live('flv'));
    assert.ok(await anna.evaluate(() => pusher.getCurrentCamera()));
    await evening.told(anna, 't_im_ready');
    await evening.told(anna, 't_connection_state_changed', ({ state }: { state: string }) => state === 'CONNECTED');

    const zoe = await evening.open('play', { url: room('zoe') });
    await zoe.click('#play');
    await evening.playing(zoe);
    await evening.told(zoe, 't_playing');
    await evening.told(zoe, 't_network-quality', ({ downlinkNetworkQuality }: { downlinkNetworkQuality: number }) => downlinkNetworkQuality > 0);
    assert.equal(await zoe.evaluate(() => player.isPlaying()), true);

    // Who has not logged in may listen.
    const guest = await evening.open('play', { url: `https://flv=${evening.live('flv')}` });
    const entered = await guest.evaluate(() => im.enterRoom(200));
    assert.equal(entered.data.status, 'JoinedSuccess');
    const login = await zoe.evaluate(() => im.login({ userID: 'zoe', userSig: 'unsigned' }));
    assert.equal(login.data.repeatLogin, false);
    await zoe.evaluate(() => im.enterRoom(200));
    await evening.told(anna, 't_remote_user_join', (tips: { payload: { userIDList: string[] } }[]) => tips.some(({ payload }) => payload.userIDList.includes('zoe')));
    await zoe.evaluate(() => im.sendTextMessage({ roomID: 200, text: '<b>hello</b> 晚上好' }));
    await zoe.evaluate(() => im.sendCustomMessage({ roomID: 200, data: 'like' }));
    for (const page of [anna, guest]) {
      await evening.told(page, 't_text_message_received', ([{ payload, from }]: [{ payload: { text: string }; from: string }]) => payload.text === '<b>hello</b> 晚上好' && from === 'zoe');
      await evening.told(page, 't_custom_message_received', ([{ payload }]: [{ payload: { data: string } }]) => payload.data === 'like');
    }

    // The room is left, and entered again.
    await zoe.evaluate(() => player.stopPlay());
    assert.deepEqual((await eventsOf(zoe)).at(-1), ['t_connection_state_changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }]);
    assert.equal(await zoe.evaluate(() => player.isPlaying()), false);
    await zoe.click('#play');
    await evening.playing(zoe);
    await zoe.evaluate(() => player.pauseVideo());
    assert.equal((await eventsOf(zoe)).at(-1)?.[0], 't_pause');
    await zoe.evaluate(() => player.resumeVideo());
    await anna.evaluate(() => im.stopPush({ roomID: 200, postscript: 'good night' }));
    await evening.told(zoe, 't_push_stopped', (postscript: string) => postscript === 'good night');
    await Promise.all([close(zoe), close(guest)]);
  });

  test('share a screen by a pusher of its own, seen alone, beside the camera, and gone', async () => {
    const zoe = await evening.open('play', { url: room('zoe') });
    await zoe.click('#play');
    await evening.playing(zoe);
    /** Who is seen, with the frames that were shown so far. */
    const seen = (): Promise<Record<string, number>> => zoe.evaluate(() =>
      Object.fromEntries([...document.querySelectorAll('video')].map((video) => [video.dataset['user'] ?? '', video.getVideoPlaybackQuality().totalVideoFrames])));
    const shows = (...users: string[]) => until(users.join(), async () => JSON.stringify(Object.keys(await seen()).sort()) === JSON.stringify(users), PATIENCE);
    await shows('anna');

    const screen = await evening.open('share', {});
    await screen.evaluate(() => begin());
    await shows('screen-anna');
    assert.deepEqual((await zoe.evaluate(() => player.getStreams())).map(({ user }) => user), ['anna', 'screen-anna']);
    await zoe.evaluate(() => player.setRoomView({ layout: 'grid' }));
    await shows('anna', 'screen-anna');
    const before = await seen();
    await until('both pictures to go on', async () => Object.entries(await seen()).every(([user, frames]) => frames > (before[user] ?? 0) + 3), PATIENCE);

    await screen.evaluate(() => tracks.forEach((track) => track.dispatchEvent(new Event('ended'))));
    await evening.told(screen, 't_screen_capture_stopped');
    await until('the end of the push', () => screen.evaluate(() => !pusher.isPushing()), PATIENCE);
    await shows('anna');
    await Promise.all([close(zoe), close(screen)]);
  });

  test('fall back to HLS when FLV stands still', async () => {
    const live = `${evening.pages.origin}/live/0_200_anna_main.flv`;
    const page = await evening.open('play', { url: `https://flv=${encodeURIComponent(live)}&hls=${encodeURIComponent(evening.live('m3u8'))}` });
    await page.click('#play');
    await evening.playing(page);
    const shown = () => page.evaluate(() => player.getLines().find(({ isShown }) => isShown)?.kind);
    assert.equal(await shown(), 'flv');
    evening.pages.silence();
    await until('HLS', async () => (await shown()) === 'hls', PATIENCE);
    await evening.playing(page);
    const names = (await eventsOf(page)).map(([name]) => name);
    const change = names.lastIndexOf('t_line_changed');
    assert.deepEqual(names.slice(0, 2), ['t_line_changed', 't_playing'], names.join());
    // Only the change is looked at: a player so near to the live edge may wait again on a busy machine.
    assert.deepEqual(names.slice(change - 1, change + 2), ['t_waiting', 't_line_changed', 't_playing'], names.join());
    assert.ok(!names.includes('t_error'), names.join());
    assert.equal(await page.evaluate(() => document.querySelectorAll('video').length), 1);
    await close(page);
  });

  test('tell of refused autoplay, and play after a click', async () => {
    const strict = await launchBrowser(false);
    try {
      const ways = { room: room('kim'), flv: `https://flv=${evening.live('flv')}` };
      await Promise.all(Object.entries(ways).map(async ([way, url]) => {
        const page = await (await strict.newContext()).newPage();
        const heard: string[] = [];
        page.on('console', (message) => message.text().startsWith('event') && heard.push(message.text().slice(6)));
        await page.goto(evening.pages.url('play', { url, auto: 'yes' }));
        await until(`${way}: a refusal`, async () => heard.includes('t_autoplay_not_allowed'), PATIENCE);
        assert.ok(!heard.includes('t_playing'), `${way} plays`);
        await page.click('#resume');
        await until(`${way}: to play`, async () => heard.includes('t_playing'), PATIENCE);
        await evening.playing(page);
        assert.equal(await page.evaluate(() => document.querySelector('video')!.muted), false);
      }));
    } finally {
      await strict.close();
    }
  });

  test('end the push, and with it what is played', async () => {
    const page = await evening.open('play', { url: `https://flv=${evening.live('flv')}` });
    await page.click('#play');
    await evening.playing(page);
    await anna.evaluate(() => pusher.stopPush());
    assert.equal(await anna.evaluate(() => pusher.isPushing()), false);
    await evening.told(page, 't_error', ({ code }: { code: number }) => code === 13);
    assert.match((await page.textContent('#playerView')) ?? '', /ended/);
    await close(page);
    assert.deepEqual(evening.said.filter((line) => !/404|409/.test(line)), []);
  });
});
