import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import type { LabPlayer } from '../lab/lab';
import { LabBrowser, type LabPage, until, WebliveServer } from '../harness';

/** Seconds that are watched. */
const SPAN = 60;

/** Seconds that players may keep behind what is shown. */
const KEPT = 35;

/**
 * Milliseconds to glass. By segments hls.js begins three of them before the end, which is two of them and what the
 * newest has so far before the glass.
 */
const AIMS: Partial<Record<LabPlayer, number>> = { hls: 1_500, flv: 700, 'plain-hls': 9_000 };

describe('for a minute, a painted clock at 720p', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let publisher: LabPage;
  const id = 'minute';

  before(async () => {
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
    publisher = await lab.publisher({ whip: server.addresses(id).whip, width: 1280, height: 720 });
    await until('a full size picture', async () => (await publisher.page.evaluate(() => window.lab.sent())).width === 1280);
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  for (const kind of ['hls', 'flv', 'plain-hls'] as const) {
    test(`is played by ${kind} without a stall and in time`, async () => {
      const most = AIMS[kind]!;
      const viewer = await lab.viewer(kind, server.addresses(id)[kind === 'flv' ? 'flv' : 'hls']);
      await viewer.plays(30);
      await viewer.until('a delay as of its line', ({ delay }) => delay !== null && delay < 2 * most);
      await viewer.page.evaluate(() => window.lab.watch());
      const seen = await until(`${SPAN} s`, async () => {
        const seen = await viewer.page.evaluate(() => window.lab.watched());
        return seen.span >= SPAN * 1_000 && seen;
      }, (SPAN + 10) * 1_000, 1_000);
      const { delay, kept, longestGap, longestPaintedGap, readings, stalls } = seen;
      const { errors, stats } = await viewer.observe();
      console.log(
        `  ${kind}: time to glass ${Math.round(delay.median)} ms, p99 ${Math.round(delay.p99)} ms, at worst ${Math.round(delay.worst)} ms; ` +
          `${readings} frames in ${Math.round(seen.span / 1_000)} s, ${stats.framesDropped} dropped, the longest gap ${Math.round(longestGap)} ms (${Math.round(longestPaintedGap)} ms as painted), ${stalls} stalls, ${Math.round(kept)} s kept`,
      );
      await viewer.close();
      assert.deepEqual(errors, []);
      aim(stalls === 0, `${stalls} stalls`);
      if (kind !== 'plain-hls') assert.ok(kept < KEPT, `${kept} s are kept behind`);
      aim(delay.worst < most, `time to glass is ${delay.worst} ms at worst`);
    });
  }
});
