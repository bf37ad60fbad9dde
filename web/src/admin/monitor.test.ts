import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Monitor, type Seen, totals } from './monitor';
import { type Measure, type PublishedStream, Rest, RestError, type Sample } from './rest';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const sample = (at: number, bitRateBps = 1000, loss: number | null = 0): Sample => ({ at, bitRateBps, loss, rttMs: 20, viewers: 1, viewerLoss: null });
const measure = (streamId: string, ...samples: Sample[]): Measure => ({ streamId, user: null, relayedAs: null, width: 1280, height: 720, samples });
const publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };
const published: PublishedStream = { room: 42, user: 'anna', track: 'main', publication, streamId: '0_42_anna_main', relayedAs: 'evening' };

/** A server whose measures come in turn; the last ones stay. */
class FakeRest extends Rest {
  readonly after: number[] = [];
  slow = 0;
  error: RestError | null = null;

  constructor(readonly rounds: Measure[][]) {
    super('', '');
  }

  override server() {
    return Promise.resolve({ version: '1', isOpen: true, givesTokens: false, relayMode: 'automatic' as const });
  }
  override rooms() {
    this.slow += 1;
    return this.error ? Promise.reject(this.error) : Promise.resolve([]);
  }
  override streams() {
    return Promise.resolve([published]);
  }
  override deliveries() {
    return Promise.resolve([]);
  }
  override measures(after: number) {
    this.after.push(after);
    return Promise.resolve(this.rounds.length > 1 ? this.rounds.shift()! : this.rounds[0]!);
  }
}

async function watching(rest: FakeRest): Promise<{ monitor: Monitor; last: () => Seen; locked: RestError[] }> {
  const monitor = new Monitor(rest, () => 1);
  const all: Seen[] = [];
  const locked: RestError[] = [];
  monitor.on('seen', (seen) => all.push(seen));
  monitor.on('locked', (error) => locked.push(error));
  monitor.start();
  await vi.advanceTimersByTimeAsync(0);
  return { monitor, last: () => all.at(-1)!, locked };
}

describe('the monitor', () => {
  it('puts measures and rooms together, and asks for what is new', async () => {
    const rest = new FakeRest([[measure('0_42_anna_main', sample(2000)), measure('cam', sample(3000))], [measure('0_42_anna_main', sample(4000))]]);
    const { last } = await watching(rest);
    expect(last().streams.map(({ streamId, user, relayedAs, published }) => [streamId, user, relayedAs, published?.room])).toEqual([
      ['0_42_anna_main', 'anna', 'evening', 42],
      ['cam', null, null, undefined],
    ]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(rest.after).toEqual([0, 3000]);
    expect(last().streams).toHaveLength(1);
    expect(last().streams[0]!.samples.map(({ at }) => at)).toEqual([2000, 4000]);
    expect(last().streams[0]!.size).toEqual({ width: 1280, height: 720 });
  });

  it('keeps five minutes and asks for rooms in every third round', async () => {
    const rest = new FakeRest([[measure('a', ...Array.from({ length: 149 }, (_, at) => sample(at + 1)))], [measure('a', sample(500), sample(501), sample(502))]]);
    const { last } = await watching(rest);
    await vi.advanceTimersByTimeAsync(6000);
    expect(rest.slow).toBe(2);
    expect(last().streams.find(({ streamId }) => streamId === 'a')!.samples).toHaveLength(150);
  });

  it('goes on behind an error, and shows what was seen last', async () => {
    const rest = new FakeRest([[measure('a', sample(1))]]);
    const { last } = await watching(rest);
    rest.error = new RestError(0, 'offline', 'no answer');
    await vi.advanceTimersByTimeAsync(6000);
    expect(last()).toMatchObject({ error: { code: 'offline' }, at: 1 });
    expect(last().streams).toHaveLength(2);
    rest.error = null;
    await vi.advanceTimersByTimeAsync(2000);
    expect(last().error).toBeNull();
  });

  it('stops where the token is not taken', async () => {
    const rest = new FakeRest([[]]);
    rest.error = new RestError(401, 'token-invalid', 'no');
    const { locked } = await watching(rest);
    expect(locked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rest.slow).toBe(1);
  });

  it('asks nothing while it is stopped', async () => {
    const rest = new FakeRest([[]]);
    const { monitor } = await watching(rest);
    monitor.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rest.after).toHaveLength(1);
  });
});

describe('the sum of streams', () => {
  it('is taken moment by moment, loss weighed by bit rate', () => {
    const of = (streamId: string, ...samples: Sample[]) => ({ streamId, user: null, relayedAs: null, size: null, published: null, samples });
    const sum = totals([of('a', sample(2000, 3000, 0.4), sample(4000, 100, null)), of('b', sample(2500, 1000, 0), sample(4500, 50, null))]);
    expect(sum.map(({ bitRateBps, viewers }) => [bitRateBps, viewers])).toEqual([[4000, 2], [150, 2]]);
    expect(sum[0]!.loss).toBeCloseTo(0.3);
    expect(sum[1]!.loss).toBeNull();
    // A moment of which one stream has not told yet is not shown.
    expect(totals([of('a', sample(2000), sample(4000)), of('b', sample(2500))])).toHaveLength(1);
  });
});
