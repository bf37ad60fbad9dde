import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { close, Evening, room } from '../tweblive';

/** Milliseconds from the click to the first frame on the screen. */
const AIMS = { WebRTC: 400, FLV: 500, HLS: 1_000 };

/** Clicks of each kind, each on a page of its own. */
const CLICKS = 5;

describe('the first picture of a page written for TWebLive', () => {
  let evening: Evening;

  before(async () => {
    [evening] = await Evening.start();
  });
  after(async () => {
    await evening?.stop();
  });

  for (const way of ['WebRTC', 'FLV', 'HLS'] as const) {
    test(`comes soon after the click by ${way}`, async () => {
      const url = { WebRTC: room('tim'), FLV: `https://flv=${evening.live('flv')}`, HLS: `https://hls=${evening.live('m3u8')}` }[way];
      const times: number[] = [];
      for (let i = 0; i < CLICKS; i += 1) {
        const page = await evening.open('play', { url });
        await page.click('#play');
        await evening.playing(page, 3);
        times.push(Math.round((await page.evaluate(() => took))!));
        await close(page);
      }
      console.log(`  ${times.join(', ')} ms`);
      const middle = times.toSorted((a, b) => a - b)[CLICKS >> 1]!;
      aim(middle < AIMS[way], `${middle} ms, the aim is ${AIMS[way]} ms`);
    });
  }
});
