import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser, until, WebliveServer } from '../harness';
import type { Reception, SentLayer } from '../lab/room';
import { enterAs, PATIENCE, type RoomPage } from '../rooms';

/** Chromium sends a third layer from 960x540 on. */
const CARD = { width: 960, height: 540, frameRate: 15 };

/** Pictures a second of one stream with layers. All of a key frame's take 0.2 s to be encoded and paced, which are not to be three pictures: that is a freeze. */
const RARE = 8;

const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 400_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_200_000 },
];

const WIDTHS = { small: 240, medium: 480, large: 960 } as const;

/** Milliseconds from the request for another picture to its first frame on the screen. */
const CHANGE = 2_000;

describe('the layers of a picture', () => {
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

  /** A publisher and a subscriber who has nothing yet. */
  async function pair(room: string): Promise<[RoomPage, RoomPage]> {
    const pages = await Promise.all(['anna', 'ben'].map((user) => enterAs(lab, server.origin, { app: 0, user })));
    const [anna, ben] = pages as [RoomPage, RoomPage];
    await anna.ask('enterRoom', { room, part: 'media', role: 'anchor' });
    await ben.ask('enterRoom', { room, part: 'media' });
    return [anna, ben];
  }

  /** Chooses the one and the other picture by turns, and sees each of them soon and whole. */
  async function changes(page: RoomPage, room: string, stream: string, name: string): Promise<void> {
    const begin = (await page.seen(stream))!;
    const took: number[] = [];
    for (const picture of ['small', 'large', 'small', 'large'] as const) {
      const wanted = { room, user: 'anna', track: 'main', audio: true, video: true, picture } as const;
      took.push(await page.lab.page.evaluate(
        ([wanted, stream, width, patience]) => window.room.choose(wanted, stream, width, patience),
        [wanted, stream, WIDTHS[picture], PATIENCE] as const,
      ));
      await page.plays(stream, WIDTHS[picture], 10);
    }
    const end = (await page.seen(stream))!;
    console.log(`  ${name}: another picture after ${took.map(Math.round).join(', ')} ms; ${figures(begin, end)}`);
    aim(took.every((milliseconds) => milliseconds < CHANGE), `changes took ${took.join(', ')} ms`);
    aimAtWhole(begin, end);
  }

  const sent = (page: RoomPage, room: string): Promise<SentLayer[]> => page.lab.page.evaluate((room) => window.room.sentLayers(room, 'main'), room);

  for (const codec of ['h264', 'vp8', 'vp9'] as const) {
    test(`three of ${codec} are sent, and who asks for another one sees it at once and whole`, async () => {
      const room = `layers-${codec}`;
      const [anna, ben] = await pair(room);
      // Without a mode Chromium makes one scalable stream of three encodings of VP9.
      const layers = LAYERS.map((layer) => (codec === 'vp9' ? { ...layer, scalabilityMode: 'L1T3' } : layer));
      const { stream } = await anna.publish(room, { ...CARD, codec, layers });
      await until(`three layers of ${codec}`, async () => {
        const layers = await sent(anna, room);
        return layers.length === 3 && layers.every(({ width, frames }, i) => width === Object.values(WIDTHS)[i] && frames > 15);
      }, PATIENCE);
      await ben.subscribe(room, 'anna');
      const begin = await ben.plays(stream, WIDTHS.large);
      assert.equal(begin.codec.toLowerCase(), `video/${codec}`);

      await changes(ben, room, stream, codec);
      for (const page of [anna, ben]) await page.assertClean();
      await Promise.all([anna.close(), ben.close()]);
    });
  }

  for (const [codec, scalabilityMode] of [['av1', 'L1T3'], ['av1', 'L3T3_KEY'], ['vp9', 'L3T3_KEY']] as const) {
    test(`one stream of ${codec} in the mode ${scalabilityMode} arrives with all of its layers, or with those that are asked for`, async () => {
      const room = `${codec}-${scalabilityMode}`;
      const [anna, ben] = await pair(room);
      const { stream } = await anna.publish(room, { ...CARD, frameRate: RARE, codec, layers: [{ scalabilityMode, maxBitrate: 1_200_000 }] });
      await until(`${codec} in the mode ${scalabilityMode}`, async () => {
        const [layer] = await sent(anna, room);
        return layer?.scalabilityMode === scalabilityMode && layer.width === CARD.width && layer.frames > 15;
      }, PATIENCE);
      await ben.subscribe(room, 'anna');
      const begin = await ben.plays(stream, CARD.width);
      // A frame of each spatial layer is counted, though they are one picture.
      const encoded = async () => (await sent(anna, room))[0]!.frames / Number(scalabilityMode[1]);
      const before = await encoded();
      const end = await ben.plays(stream, CARD.width, 45);
      const count = (await encoded()) - before;
      console.log(`  ${codec} ${scalabilityMode}: ${Math.round(count)} pictures sent, ${figures(begin, end)}`);
      aimAtWhole(begin, end);
      // Each temporal layer that is missing would halve it.
      const received = end.framesDecoded - begin.framesDecoded;
      assert.ok(received > count * 0.8, `${received} frames received of ${count}`);
      if (scalabilityMode === 'L3T3_KEY') await changes(ben, room, stream, `${codec} ${scalabilityMode}`);
      for (const page of [anna, ben]) await page.assertClean();
      await Promise.all([anna.close(), ben.close()]);
    });
  }
});

function figures(begin: Reception, end: Reception): string {
  const since = (name: 'framesDecoded' | 'framesDropped' | 'freezes' | 'plis' | 'unreadable') => end[name] - begin[name];
  return `${since('framesDecoded')} frames received, ${since('framesDropped')} dropped, ${since('freezes')} freezes, ${since('plis')} key frames asked for, ` +
    `${since('unreadable')} unreadable, longest gap ${Math.round(end.longestGap)} ms`;
}

/**
 * No frame was broken, and the decoder missed none. What the browser drops is no fault: a player that is late leaves
 * out frames that none after them needs, such as those of a temporal layer or before the key frame of another picture.
 */
function aimAtWhole(begin: Reception, end: Reception): void {
  const since = (name: 'plis' | 'unreadable' | 'freezes') => end[name] - begin[name];
  aim(since('plis') === 0, `the decoder asked for ${since('plis')} key frames`);
  aim(since('unreadable') === 0, `${since('unreadable')} frames without a readable clock`);
  aim(since('freezes') === 0, `${since('freezes')} freezes`);
}
