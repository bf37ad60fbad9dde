import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from './aims';
import { LabBrowser, type LabPage, run, until, WebliveServer } from './harness';
import { fetchPlaylist } from './media';

/** Segments of 2 s that are there before anybody goes back. */
const SEGMENTS = 25;

describe('time shift', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let publisher: LabPage;
  const id = 'past';
  const address = () => server.url(`/live/${id}/dvr.m3u8`);

  before(async () => {
    server = await WebliveServer.start('--relay-time-shift', '10m');
    lab = await LabBrowser.start();
    publisher = await lab.publisher({ whip: server.addresses(id).whip, width: 640, height: 360 });
    await until('a full size picture', async () => (await publisher.page.evaluate(() => window.lab.sent())).width === 640);
    await until('a window', async () => (await fetch(address())).ok && (await fetchPlaylist(address())).text.split('#EXTINF').length > SEGMENTS, 120_000);
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  test('hls.js begins live, loads what is new alone, and goes back to the beginning', { timeout: 120_000 }, async () => {
    const viewer = await lab.page('viewer');
    const asked: string[] = [];
    viewer.page.on('request', (request) => asked.push(request.url()));
    await viewer.page.evaluate((url) => window.lab.play('plain-hls', url), address());
    const live = await viewer.plays();
    assert.ok(live.delay !== null, 'no readable clock');
    aim(live.delay < 15_000, `${live.delay} ms behind`);
    const playlists = () => asked.filter((url) => url.includes('dvr.m3u8'));
    await until('updates', async () => playlists().filter((url) => url.includes('_HLS_skip=YES')).length >= 3);
    // A player that has waited for long takes all of it again.
    const whole = playlists().filter((url) => !url.includes('_HLS_skip')).length;
    aim(whole === 1, `all of the playlist is loaded ${whole} times`);

    const first = (await fetchPlaylist(address())).text.split('\n').find((line) => line !== '' && !line.startsWith('#'))!;
    assert.ok(!asked.some((url) => url.endsWith(first)));
    await viewer.page.evaluate(() => {
      const video = document.querySelector('video')!;
      video.currentTime = video.seekable.start(0) + 0.5;
    });
    const past = await viewer.until('a picture of the beginning', (seen) => seen.clock !== null && seen.clock < live.clock! - 25_000);
    assert.ok(asked.some((url) => url.endsWith(first)));
    const later = await viewer.plays(60);
    assert.ok(later.clock! > past.clock! && later.clock! < live.clock!, 'it goes on from there');
    assert.deepEqual(later.errors, []);
  });

  test('ffmpeg plays the window from its beginning', { timeout: 90_000 }, async () => {
    // Errors alone: it reads the initialization section again with each playlist, and warns of that.
    const args = ['-hide_banner', '-v', 'error', '-xerror', '-live_start_index', '0', '-i', address(), '-t', '30', '-map', '0', '-enc_time_base:v', '-1', '-f', 'null', '-'];
    const begin = Date.now();
    const { stdout, stderr } = await run('ffmpeg', args, 80_000);
    console.log(`  ffmpeg: 30 s in ${((Date.now() - begin) / 1_000).toFixed(1)} s`);
    assert.equal(`${stdout.toString()}${stderr}`.trim(), '');
  });
});
