import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser } from '../harness';

let lab: LabBrowser;
before(async () => void (lab = await LabBrowser.start()));
after(() => lab?.stop());

for (const [width, height] of [[1280, 720], [960, 540], [480, 360]] as const) {
  test(`the painted clock is read through an encoder at ${width}x${height}, with sound beside it`, async () => {
    const page = await lab.page('loopback');
    await page.page.evaluate(([width, height]) => window.lab.loopback(width, height), [width, height] as const);
    // A browser that was held up begins with sound that is late, and catches up.
    const isBeside = (offset: number | null) => offset !== null && Math.abs(offset) < 150;
    const seen = await page.until('120 readings, and beeps beside them', (seen) => seen.readings >= 120 && isBeside(seen.avOffset));
    console.log(`  floor at ${width}x${height}: delay ${Math.round(seen.delay ?? NaN)} ms, ${seen.unreadable} unreadable of ${seen.readings}, sound ${Math.round(seen.avOffset ?? NaN)} ms late`);
    aim(seen.unreadable <= seen.readings * 0.02, `${seen.unreadable} of ${seen.readings} frames had no readable clock`);
    assert.ok(seen.delay !== null && seen.delay > 0, `delay ${seen.delay}`);
    aim(seen.delay < 150, `delay ${seen.delay}`);
    assert.ok(seen.totalAudioEnergy > 0);
    await page.close();
  });
}
