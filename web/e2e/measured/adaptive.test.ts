import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser, until, WebliveServer } from '../harness';
import { enterAs, PATIENCE } from '../rooms';

const CARD = { width: 1280, height: 720, frameRate: 20 };

const LAYERS = [
  { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
];

/** Bits a second that carry no more than the middle size. */
const NARROW = 600_000;

/** Milliseconds until the picture is one that the link carries. */
const DOWN = 10_000;
const UP = 10_000;

describe('a stream in three sizes', () => {
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

  test('is played in the size that the link carries, down and up again without a stall', async () => {
    const anna = await enterAs(lab, server.origin, { app: 0, user: 'anna' });
    await anna.ask('enterRoom', { room: 'adaptive', part: 'media', role: 'anchor' });
    const { stream } = await anna.publish('adaptive', { ...CARD, codec: 'h264', layers: LAYERS });
    const address = `${server.origin}/live/${stream}.m3u8`;
    await until('all sizes', async () => {
      const list = await (await fetch(address)).text();
      return ['1280x720', '640x360', '320x180'].every((size) => list.includes(`RESOLUTION=${size}`));
    }, PATIENCE);

    const viewer = await lab.viewer('hls', address);
    const large = await viewer.until('the large picture', (seen) => seen.stats.width === 1280 && seen.stats.framesDecoded > 60, PATIENCE);
    const network = await viewer.page.context().newCDPSession(viewer.page);
    const carries = (bitsPerSecond: number) => network.send('Network.emulateNetworkConditions', {
      offline: false, latency: 10, uploadThroughput: -1, downloadThroughput: bitsPerSecond / 8,
    });
    await network.send('Network.enable');
    const start = performance.now();
    await carries(NARROW);
    const small = await viewer.until('a lesser picture', ({ stats }) => stats.width === 320 || stats.width === 640, PATIENCE);
    const down = performance.now() - start;
    const begin = await viewer.until('a while of it', ({ stats }) => stats.framesDecoded > small.stats.framesDecoded + 60, PATIENCE);
    const settled = await viewer.until('some seconds of it', ({ stats }) => stats.framesDecoded > begin.stats.framesDecoded + 150, PATIENCE);
    const again = performance.now();
    await carries(-8);
    const end = await viewer.until('the large picture again', (seen) => seen.stats.width === 1280, PATIENCE);
    const up = performance.now() - again;
    const stalls = (from: typeof end, to: typeof end) => to.states.slice(from.states.length).filter((state) => state === 'stalled').length;
    console.log(
      `  over ${NARROW / 1e3} kbit/s ${settled.stats.width} wide after ${Math.round(down)} ms and ${stalls(large, begin)} stalls, ${Math.round(settled.delay ?? NaN)} ms late; ` +
        `large again after ${Math.round(up)} ms`,
    );
    assert.deepEqual(end.errors, []);
    // Sizes change between segments. What a viewer can still play when the link narrows may not last so long.
    aim(down < DOWN && up < UP, `down after ${down} ms, up after ${up} ms`);
    aim(stalls(large, begin) <= 1, `${stalls(large, begin)} stalls on the way down`);
    aim(stalls(begin, end) === 0, `${stalls(begin, end)} stalls in the size that the link carries, and on the way up`);
  });
});
