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
    // A whole frame of sound and more: what is heard at another time than it was sent.
    assert.ok(Math.abs(avOffset!) < 400, `the sound is ${avOffset} ms late`);
    aim(Math.abs(avOffset!) < 80, `the sound is ${Math.round(avOffset!)} ms late, less than 80 are aimed at`);

    const second = await lab.publisher({ whip, width: 480, height: 270 });
    await page.until("the second publisher's size", ({ stats }) => stats.width === 480);
    const after = await page.plays();
    assert.deepEqual(after.errors, []);
    assert.ok(!after.states.includes('failed'), after.states.join(', '));
    await Promise.all([first, second, page].map((one) => one.close()));
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
    const pages = [await lab.viewer('hls', server.addresses('usual').hls), await lab.viewer('opus-hls', server.addresses('usual').hls)];
    for (const page of pages) assert.deepEqual((await page.plays()).errors, []);
    await Promise.all([publisher, ...pages].map((page) => page.close()));
  });
});
