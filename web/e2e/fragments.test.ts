import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, until, WebliveServer } from './harness';

describe('the endless stream of fMP4 in Media Source Extensions', () => {
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

  const hasBegun = (id: string) =>
    until(`${id} has begun`, async () => {
      const answer = await fetch(server.url(`/live/${id}/stream.mp4`), { method: 'HEAD' });
      return /codecs=/.test(answer.headers.get('content-type') ?? '') || null;
    });

  test('Chromium plays it, over a second publisher with pictures of another size', async () => {
    const { whip } = server.addresses('endless');
    const first = await lab.publisher({ whip, width: 640, height: 360 });
    await hasBegun('endless');
    const page = await lab.viewer('fragments', server.url('/live/endless/stream.mp4'));
    const seen = await page.plays();
    assert.match(seen.stats.codec ?? '', /^avc1\.[0-9A-Fa-f]{6},mp4a\.40\.2$/);
    assert.deepEqual(seen.errors, []);
    const { avOffset, delay } = await page.until('beeps', ({ avOffset }) => avOffset !== null);
    console.log(`  the sound is ${Math.round(avOffset!)} ms late, time to glass ${Math.round(delay ?? NaN)} ms`);

    const second = await lab.publisher({ whip, width: 480, height: 270 });
    await page.until("the second publisher's size", ({ stats }) => stats.width === 480);
    const after = await page.plays();
    assert.deepEqual(after.errors, []);
    assert.ok(!after.states.includes('failed'), after.states.join(', '));
    await Promise.all([first, second, page].map((one) => one.close()));
  });

  test('it plays on over a WebSocket when two seconds of it are skipped', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('skipped').whip, width: 640, height: 360 });
    await hasBegun('skipped');
    const page = await lab.viewer('fragments', server.url('/live/skipped/stream.mp4#gap').replace(/^http/, 'ws'));
    const from = (await page.plays()).currentTime;
    const seen = await page.until('twelve seconds more', ({ currentTime }) => currentTime > from + 12);
    assert.deepEqual(seen.errors, []);
    await page.plays();
    await Promise.all([publisher, page].map((one) => one.close()));
  });
});
