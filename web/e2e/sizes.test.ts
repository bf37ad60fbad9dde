import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, type LabPage, until, WebliveServer } from './harness';
import { enterAs, PATIENCE, type RoomPage } from './rooms';

/** Chromium sends a third layer from 960x540 on. */
const CARD = { width: 960, height: 540, frameRate: 15, codec: 'h264' } as const;

const LAYERS = [
  { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 400_000 },
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 1_200_000 },
];

/** Widths by the letter that a size has in addresses. */
const WIDTHS = { h: 960, m: 480, l: 240 } as const;

describe('a stream in three sizes', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let anna: RoomPage;
  let address: string;

  before(async () => {
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
    anna = await enterAs(lab, server.origin, { app: 0, user: 'anna' });
    await anna.ask('enterRoom', { room: 'sizes', part: 'media', role: 'anchor' });
    const { stream } = await anna.publish('sizes', { ...CARD, layers: LAYERS });
    address = `${server.origin}/live/${stream}`;
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  const text = async (end: string): Promise<string> => (await fetch(address + end)).text();

  test('has a playlist of them all, the largest first, and of the sound', async () => {
    const list = await until('all sizes', async () => {
      const list = await text('.m3u8');
      return Object.values(WIDTHS).every((width) => list.includes(`RESOLUTION=${width}x`)) ? list : null;
    }, PATIENCE);
    const variants = [...list.matchAll(/BANDWIDTH=(\d+),AVERAGE.*CODECS="([^"]+)"(?:,RESOLUTION=(\d+)x\d+,FRAME-RATE=([\d.]+))?\n.*_(\w+)\.m3u8/g)];
    assert.deepEqual(variants.map((variant) => variant[5]), ['h', 'm', 'l', 'audio'], list);
    assert.deepEqual(variants.map((variant) => Number(variant[3])).slice(0, 3), Object.values(WIDTHS), list);
    // Players take the order of rates for that of sizes, and do not go up to what moves less.
    const falls = (values: number[]) => values.every((value, i) => i === 0 || value <= values[i - 1]!);
    assert.ok(falls(variants.map((variant) => Number(variant[1]))), list);
    assert.ok(falls(variants.slice(0, 3).map((variant) => Number(variant[4]))), list);
    for (const [, , codecs] of variants.slice(0, 3)) assert.match(codecs!, /^avc1\.[0-9A-F]{6},mp4a\.40\.2$/);
  });

  test('begins its segments at the same times in all of them', async () => {
    const dates = async (name: string) => new Set([...(await text(`_${name}.m3u8`)).matchAll(/PROGRAM-DATE-TIME:(\S+)/g)].map(([, date]) => date!));
    const seen = await until('five segments that begin together', async () => {
      const [large, middle, small] = await Promise.all(['h', 'm', 'l'].map(dates));
      const common = [...large!].filter((date) => middle!.has(date) && small!.has(date));
      return common.length >= 5 ? { common, of: large!.size } : null;
    }, PATIENCE);
    console.log(`  ${seen.common.length} of ${seen.of} segments begin at the same millisecond in all sizes`);
  });

  test('is played in each of them, and in all of them by one address', async () => {
    const plays = async (kind: 'flv' | 'hls', end: string, width: number): Promise<LabPage> => {
      const viewer = await lab.viewer(kind, address + end);
      const seen = await viewer.until(`${width} wide`, ({ stats }) => stats.width === width && stats.framesDecoded > 20, PATIENCE);
      assert.deepEqual(seen.errors, []);
      return viewer;
    };
    const viewers = [
      await plays('hls', '.m3u8', WIDTHS.h),
      await plays('hls', '_l.m3u8', WIDTHS.l),
      await plays('flv', '_m.flv', WIDTHS.m),
      await plays('flv', '.flv', WIDTHS.h),
    ];
    const sound = await lab.viewer('hls', `${address}_audio.m3u8`);
    await sound.plays(0, { video: false });
    await Promise.all([...viewers, sound].map((viewer) => viewer.close()));
    await anna.assertClean();
  });
});
