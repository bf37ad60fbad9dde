import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from './aims';
import { LabBrowser, until, WebliveServer } from './harness';

describe('sound as its publisher sent it', () => {
  let server: WebliveServer;
  let lab: LabBrowser;

  before(async () => {
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  const listOf = (id: string) =>
    until(`${id} has its list`, async () => {
      const answer = await fetch(server.url(`/live/${id}/opus.m3u8`));
      const text = await answer.text();
      return answer.ok ? text : null;
    });

  test('hls.js plays the pictures with Opus, in sync, over a second publisher', async () => {
    const { whip } = server.addresses('own');
    const first = await lab.publisher({ whip, width: 640, height: 360 });
    const list = await listOf('own');
    assert.match(list, /^#EXT-X-MEDIA:TYPE=AUDIO,.*URI="\.\.\/own_opus\.m3u8"$/m);
    assert.match(list, /CODECS="avc1\.[0-9A-Fa-f]{6},opus",RESOLUTION=640x360/);
    const page = await lab.viewer('opus-hls', server.url('/live/own/opus.m3u8'));
    const seen = await page.plays();
    assert.equal(seen.stats.codec?.toLowerCase(), 'opus');
    assert.deepEqual(seen.errors, []);
    const { avOffset, delay } = await page.until('beeps', ({ avOffset }) => avOffset !== null);
    console.log(`  the sound is ${Math.round(avOffset!)} ms late, time to glass ${Math.round(delay ?? NaN)} ms`);
    aim(Math.abs(avOffset!) < 80, `the sound is ${Math.round(avOffset!)} ms late, less than 80 are aimed at`);

    const second = await lab.publisher({ whip, width: 480, height: 270 });
    await page.until("the second publisher's size", ({ stats }) => stats.width === 480);
    const after = await page.plays();
    assert.deepEqual(after.errors, []);
    assert.ok(!after.states.includes('failed'), after.states.join(', '));
    await Promise.all([first, second, page].map((one) => one.close()));
  });

  test('pictures that come twice a second leave parts without one, and are played all the same', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('slow').whip, width: 640, height: 360, frameRate: 2 });
    await listOf('slow');
    const page = await lab.viewer('opus-hls', server.url('/live/slow/opus.m3u8'));
    const seen = await page.plays(8);
    assert.deepEqual(seen.errors, []);
    assert.equal(seen.stats.codec?.toLowerCase(), 'opus');
    const from = seen.currentTime;
    await page.until('ten seconds more', ({ currentTime }) => currentTime > from + 10);
    await Promise.all([publisher, page].map((one) => one.close()));
  });

  test('the sound alone is played by its own address, and by the list where there is no picture', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('alone').whip, video: false });
    assert.doesNotMatch(await listOf('alone'), /EXT-X-MEDIA/);
    for (const address of ['/live/alone_opus.m3u8', '/live/alone/opus.m3u8']) {
      const page = await lab.viewer('opus-hls', server.url(address));
      const seen = await page.plays(0, { video: false });
      assert.equal(seen.stats.codec?.toLowerCase(), 'opus', address);
      assert.deepEqual(seen.errors, [], address);
      await page.close();
    }
    await publisher.close();
  });

  test('who does not ask for it has AAC as ever', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('usual').whip, width: 640, height: 360 });
    await listOf('usual');
    const usual = await (await fetch(server.addresses('usual').hls)).text();
    assert.match(usual, /#EXTINF/);
    assert.doesNotMatch(usual, /opus/i);
    const own = server.url('/live/usual/opus.m3u8');
    for (const [kind, address, codec] of [['hls', server.addresses('usual').hls, null], ['opus-hls', server.addresses('usual').hls, 'mp4a.40.2'], ['opus-hls', own, 'opus']] as const) {
      const page = await lab.viewer(kind, address);
      const seen = await page.until('beeps', ({ readings, avOffset }) => readings > 200 && avOffset !== null);
      assert.deepEqual(seen.errors, []);
      if (codec) assert.ok(seen.stats.codec?.toLowerCase().includes(codec), seen.stats.codec ?? 'no codec');
      console.log(`  ${kind} of ${address.slice(server.url('').length)}: the sound is ${Math.round(seen.avOffset!)} ms late`);
      await page.close();
    }
    await publisher.close();
  });
});
