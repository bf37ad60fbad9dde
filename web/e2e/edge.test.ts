import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, until, WebliveServer } from './harness';
import type { Observation } from './lab/lab';
import { enterAs, PATIENCE } from './rooms';

/** Milliseconds to glass by way of an edge: those of the origin's own players, and one more server's. */
const AIMS = { flv: 800, hls: 1_800 };

describe('by way of an edge', () => {
  let origin: WebliveServer;
  let edge: WebliveServer;
  let lab: LabBrowser;
  const id = 'far';

  before(async () => {
    [origin, lab] = await Promise.all([WebliveServer.start(), LabBrowser.start()]);
    edge = await WebliveServer.edge(origin);
    const publisher = await lab.publisher({ whip: origin.addresses(id).whip, width: 640, height: 360 });
    await until('a full size picture', async () => (await publisher.page.evaluate(() => window.lab.sent())).width === 640);
  });
  after(async () => {
    await lab?.stop();
    await edge?.stop();
    await origin?.stop();
  });

  /** FLV streams that the origin gives. */
  async function pulls(): Promise<number> {
    const metrics = await (await fetch(origin.url('/metrics'))).text();
    return Number(/^weblive_relay_viewers\{protocol="flv"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
  }

  test('a broadcast is played over FLV and HLS in time, and the origin gives it once', async () => {
    assert.equal(await pulls(), 0, 'nobody watches');
    const viewers = await Promise.all((['flv', 'hls'] as const).map(async (kind) => ({ kind, page: await lab.viewer(kind, edge.addresses(id)[kind]) })));
    for (const { kind, page } of viewers) {
      await page.plays(30);
      // hls.js keeps a second more behind after each stall, which a busy machine makes.
      const aimOf = (seen: Observation) => AIMS[kind] + 1_000 * Math.min(2, seen.states.filter((state) => state === 'stalled').length);
      const { delay, avOffset } = await page.until(`${kind}: a delay within the aim`, (seen) => seen.delay !== null && seen.delay < aimOf(seen) && Math.abs(seen.avOffset ?? Infinity) < 80);
      console.log(`  ${kind}: time to glass ${Math.round(delay!)} ms, the sound ${Math.round(avOffset!)} ms late`);
      const { errors } = await page.observe();
      assert.deepEqual(errors, []);
    }
    assert.equal(await pulls(), 1);
  });

  test('a stream in two sizes is played in the one that the link carries', async () => {
    const anna = await enterAs(lab, origin.origin, { app: 0, user: 'anna' });
    await anna.ask('enterRoom', { room: 'sizes', part: 'media', role: 'anchor' });
    const layers = [
      { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
      { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
    ];
    const { stream } = await anna.publish('sizes', { width: 1280, height: 720, frameRate: 20, codec: 'h264', layers });
    const listed = async (server: WebliveServer) => {
      const list = await (await fetch(server.url(`/live/${stream}.m3u8`))).text();
      return ['1280x720', '320x180'].every((size) => list.includes(`RESOLUTION=${size}`));
    };
    // Who asks the edge first fixes what it has: a list.
    await until('both sizes at the origin', () => listed(origin), PATIENCE);
    await until('both sizes at the edge', () => listed(edge), PATIENCE);

    const viewer = await lab.viewer('hls', edge.url(`/live/${stream}.m3u8`));
    await viewer.until('the large picture', (seen) => seen.stats.width === 1280 && seen.stats.framesDecoded > 60, PATIENCE);
    const network = await viewer.page.context().newCDPSession(viewer.page);
    const carries = (bitsPerSecond: number) => network.send('Network.emulateNetworkConditions', {
      offline: false, latency: 10, uploadThroughput: -1, downloadThroughput: bitsPerSecond / 8,
    });
    await network.send('Network.enable');
    await carries(400_000);
    const small = await viewer.until('the small picture', ({ stats }) => stats.width === 320, PATIENCE);
    await viewer.until('a while of it', ({ stats }) => stats.framesDecoded > small.stats.framesDecoded + 100, PATIENCE);
    await carries(-8);
    const { errors, states } = await viewer.until('the large picture again', (seen) => seen.stats.width === 1280, PATIENCE);
    assert.deepEqual(errors, []);
    console.log(`  stalls: ${states.filter((state) => state === 'stalled').length}`);
  });

  test('what the origin does not have is not there', async () => {
    const refused = await fetch(edge.addresses('nobody').flv);
    assert.equal(refused.status, 404, await refused.text());
    assert.equal(refused.headers.get('content-type'), 'application/problem+json');
  });
});
