import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { median } from '../../src/testcard/clockreader';
import { LabBrowser, RESULTS, until, WebliveServer } from '../harness';
import type { Impairments } from '../impairment';
import type { Recording, Sample } from '../lab/recorder';
import type { SendingPlan } from '../lab/room';
import { Network } from '../network';
import { plot } from '../plot';
import { enterAs, PATIENCE, type RoomPage } from '../rooms';

/** The least picture that Chromium sends three layers of. */
const CARD: SendingPlan = {
  width: 960, height: 540, frameRate: 20, isNoisy: true,
  layers: [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 400_000 },
    { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_200_000 },
  ],
};
const [SMALL, LARGE] = [240, 960];

describe('on a bad network', () => {
  let network: Network;
  let server: WebliveServer;
  let lab: LabBrowser;
  const pages: RoomPage[] = [];

  before(async () => {
    network = await Network.start();
    [server, lab] = await Promise.all([WebliveServer.start(...network.options), LabBrowser.start()]);
    network.leadTo(server.origin);
  });
  after(async () => {
    await lab?.stop();
    await network?.stop();
    await server?.stop();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });

  async function user(name: string, room: string, role: 'anchor' | 'audience'): Promise<RoomPage> {
    const page = await enterAs(lab, network.origin, { app: 0, user: name });
    pages.push(page);
    await page.ask('enterRoom', { room, part: 'media', role });
    return page;
  }

  /** Somebody who publishes and somebody who sees it, each by a path of one's own. */
  async function scene(room: string, up: Impairments, down: Impairments): Promise<Scene> {
    const ben = await user('ben', room, 'audience');
    const anna = await user('anna', room, 'anchor');
    network.impair(up);
    const { stream } = await anna.publish(room, CARD);
    await until('three layers', async () => {
      const layers = await anna.lab.page.evaluate((room) => window.room.sentLayers(room, 'main'), room);
      return layers.length === 3 && layers.every(({ width, frames }, i) => width === SMALL * 2 ** i && frames > 10);
    }, PATIENCE);
    network.impair(down);
    await ben.subscribe(room, 'anna');
    await ben.sees('a picture', stream, (seen) => seen.readings > 0);
    await ben.lab.page.evaluate((stream) => window.room.record(stream), stream);
    return new Scene(room, ben, stream);
  }

  test('a link that gets narrow for a while has a lesser picture meanwhile', async () => {
    const link = { delay: 20, bps: 3_000_000, queue: 300 };
    const on = await scene('step', {}, { down: link });
    await on.until('the large picture for two seconds', (samples) => samples.slice(-10).every(({ width }) => width === LARGE), 10);
    on.mark('0.5 Mbit/s');
    link.bps = 500_000;
    await on.until('a lesser picture', (samples) => samples.at(-1)!.width < LARGE);
    await on.lasts(5_000);
    on.mark('3 Mbit/s');
    link.bps = 3_000_000;
    await on.until('the large picture again', (samples) => samples.at(-1)!.width === LARGE);
    await on.lasts(2_000);
    assertGoesOn(await on.report({ link: [3_000, 500, 3_000] }), 5_000);
  });

  test('a tenth of the datagrams to a page is lost', async () => {
    const on = await scene('lossy', {}, { up: { delay: 50 }, down: { delay: 50, loss: 0.1 } });
    await on.lasts(10_000);
    assertGoesOn(await on.report(), 4_000);
  });

  test('the uplink of a publisher loses and jitters', async () => {
    const on = await scene('uplink', { up: { delay: 20, jitter: 60, loss: 0.05 }, down: { delay: 20 } }, {});
    await on.lasts(10_000);
    assertGoesOn(await on.report(), 4_000);
  });
});

/**
 * Fails if no picture comes in the end. It is not to stand still for longer than `gap` milliseconds, is to be readable,
 * and to come within a second in the end: bounds that are far from what a quiet machine shows.
 */
function assertGoesOn({ samples, longestGap }: Recording, gap: number): void {
  const sum = (value: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + value(sample), 0);
  const [read, unreadable] = [sum((sample) => sample.read), sum((sample) => sample.unreadable)];
  aim(unreadable * 50 <= read, `${unreadable} frames without a readable clock beside ${read}`);
  aim(longestGap < gap, `no frame for ${longestGap} ms`);
  const delay = median(samples.slice(-10).flatMap((sample) => sample.delay ?? []));
  assert.ok(delay !== null, 'no readable clock in the last two seconds');
  aim(delay < 1_000, `time to glass ${delay} ms in the last two seconds`);
}

/** What is seen of a stream while something happens to its way. */
class Scene {
  readonly #begin = Date.now();
  readonly #marks: [seconds: number, what: string][] = [];

  constructor(
    readonly name: string,
    readonly page: RoomPage,
    readonly stream: string,
  ) {}

  recording(): Promise<Recording> {
    return this.page.lab.page.evaluate((stream) => window.room.recording(stream), this.stream);
  }

  /** Waits until `accept` holds for what was seen since the last mark, and there are `least` samples of it. */
  async until(what: string, accept: (samples: Sample[]) => boolean, least = 1): Promise<void> {
    const since = Date.now();
    let samples: Sample[] = [];
    try {
      await until(what, async () => {
        samples = (await this.recording()).samples.filter(({ at }) => at >= since);
        return samples.length >= least && accept(samples);
      }, PATIENCE);
    } catch (error) {
      await this.report();
      throw new Error(`${(error as Error).message}; last seen ${JSON.stringify(samples.slice(-3))}`);
    }
    console.log(`  ${this.name}: ${what} after ${Date.now() - since} ms`);
  }

  /** Goes on for so many milliseconds. */
  async lasts(milliseconds: number): Promise<void> {
    const end = Date.now() + milliseconds;
    await until('the end', async () => (await this.recording()).samples.some(({ at }) => at >= end), milliseconds + PATIENCE, 200);
  }

  mark(what: string): void {
    this.#marks.push([(Date.now() - this.#begin) / 1_000, what]);
  }

  /** Leaves a picture of what was seen in `test-results/scenes`, and says it in short. */
  async report({ link = [] }: { link?: number[] } = {}): Promise<Recording> {
    const recording = await this.recording();
    const { samples, longestGap } = recording;
    const of = (value: (sample: Sample) => number | null): [number, number | null][] => samples.map((sample) => [(sample.at - this.#begin) / 1_000, value(sample)]);
    const first = samples[0]!;
    const steps: [number, number | null][] = link.map((kbps, i) => [i === 0 ? 0 : this.#marks[i - 1]![0], kbps]);
    if (steps.length > 0) steps.push([(samples.at(-1)!.at - this.#begin) / 1_000, steps.at(-1)![1]]);
    const svg = plot(this.name, [
      { title: 'Time to glass', unit: 'ms', top: 200, curves: [{ name: 'median of 200 ms', colour: '#1f6fb4', points: of(({ delay }) => delay) }] },
      { title: 'Width', unit: 'pixels', top: LARGE, curves: [{ name: 'on the screen', colour: '#2c8a4b', points: of(({ width }) => width), isStep: true }] },
      {
        title: 'Rate', unit: 'kbit/s', top: 500, curves: [
          { name: 'received', colour: '#b3541e', points: of(({ bps }) => bps / 1_000) },
          ...(steps.length > 0 ? [{ name: 'link', colour: '#999', points: steps, isStep: true }] : []),
        ],
      },
      {
        title: 'So far', unit: 'times', top: 4, curves: [
          { name: 'freezes', colour: '#c0392b', points: of(({ freezes }) => freezes - first.freezes), isStep: true },
          { name: 'key frames asked for', colour: '#7a3fb0', points: of(({ plis }) => plis - first.plis), isStep: true },
        ],
      },
    ], this.#marks);
    await mkdir(join(RESULTS, 'scenes'), { recursive: true });
    await writeFile(join(RESULTS, 'scenes', `${this.name}.svg`), svg);
    const delays = samples.flatMap(({ delay }) => delay ?? []).sort((a, b) => a - b);
    const at = (share: number) => Math.round(delays[Math.floor(share * (delays.length - 1))] ?? NaN);
    const last = samples.at(-1)!;
    const sum = (value: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + value(sample), 0);
    console.log(
      `  ${this.name}: time to glass p50 ${at(0.5)} p95 ${at(0.95)} ms, ${last.freezes - first.freezes} freezes, longest gap ${Math.round(longestGap)} ms, ` +
        `${sum(({ read }) => read)} frames, ${sum(({ unreadable }) => unreadable)} unreadable, ${last.plis - first.plis} key frames asked for, ` +
        `${last.nacks - first.nacks} NACKs, ${last.lost - first.lost} lost, widths ${[...new Set(samples.map(({ width }) => width))].join(', ')}`,
    );
    return recording;
  }
}
