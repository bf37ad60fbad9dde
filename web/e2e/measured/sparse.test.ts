import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import type { PublishPlan } from '../lab/lab';
import { LabBrowser, WebliveServer } from '../harness';
import { fetchPlaylist } from '../media';
import { assertLowLatency, readLowLatency } from '../playlists';

/**
 * Streams of which most parts have no picture, and how many milliseconds behind they play. A part is out when the
 * picture after it has come: hls.js keeps a second more of distance after each stall, until that is enough.
 */
const STREAMS: Record<string, { plan: Partial<PublishPlan>; behind: number; perStall: number; stalls: number }> = {
  'sound alone': { plan: { video: false }, behind: 1_500, perStall: 0, stalls: 0 },
  'two pictures a second and sound': { plan: { frameRate: 2 }, behind: 1_500, perStall: 1_000, stalls: Infinity },
  'two pictures a second': { plan: { audio: false, frameRate: 2 }, behind: 1_500, perStall: 1_000, stalls: Infinity },
};

/** Milliseconds in which a player that has stalled is as near as it can be. */
const NEAR_WITHIN = 30_000;

/** Stalls after which it is no more distance that helps. */
const MOST_STALLS = 4;

const stallsIn = ({ states }: { states: string[] }) => states.filter((state) => state === 'stalled').length;

describe('over HLS by parts', () => {
  let server: WebliveServer;
  let lab: LabBrowser;

  before(async () => {
    [server, lab] = await Promise.all([WebliveServer.start(), LabBrowser.start()]);
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  for (const [name, { plan, ...most }] of Object.entries(STREAMS)) {
    test(`${name} plays on`, async () => {
      const { whip, hls } = server.addresses(name.replaceAll(' ', '-'));
      const publisher = await lab.publisher({ whip, width: 640, height: 360, ...plan });
      const viewer = await lab.viewer('hls', hls);
      const files: string[] = [];
      viewer.page.on('request', (request) => files.push(request.url()));
      const media = { audio: plan.audio ?? true, video: plan.video ?? true };
      const begin = await viewer.plays(2, media);
      // Over several segments.
      const later = await viewer.until('ten more seconds', ({ currentTime }) => currentTime > begin.currentTime + 10, 20_000);
      const isNear = (seen: typeof later) => seen.stats.estimatedDelay! < most.behind + most.perStall * Math.min(stallsIn(seen), MOST_STALLS);
      const end = await viewer.until('to be near the live edge', isNear, NEAR_WITHIN).catch(() => viewer.observe());
      aim(isNear(end), `${Math.round(end.stats.estimatedDelay ?? NaN)} ms behind the live edge`);
      const stalls = stallsIn(end) - stallsIn(begin);
      console.log(`  ${name}: ${Math.round(later.stats.estimatedDelay ?? NaN)} ms behind, then ${Math.round(end.stats.estimatedDelay ?? NaN)} ms, time to glass ${Math.round(end.delay ?? NaN)} ms, ${stalls} stalls`);
      assert.deepEqual(end.errors, []);
      // What has nothing in it is not asked for again and again. (Parts of segment 0 are by hls.js 1.7 until the next one is
      // there, if nothing else was when it came: it takes that number for none.)
      const again = files.filter((file, at) => file.endsWith('.m4s') && !/-0\.\d+\.m4s$/.test(file) && files.indexOf(file) < at);
      assert.ok(again.length < 10, `${again.length} of ${files.length} requests for what was there`);
      aim(stalls <= most.stalls, `${stalls} stalls`);
      assertLowLatency(readLowLatency((await fetchPlaylist(hls)).text));
      await viewer.close();
      await publisher.close();
    });
  }
});
