import { Emitter } from '../emitter';
import { type Delivery, type Measure, type PublishedStream, Rest, RestError, type RoomInfo, type Sample, type ServerInfo } from './rest';

/** A published stream with what is known of it. */
export interface WatchedStream {
  streamId: string;
  user: string | null;
  relayedAs: string | null;
  size: { width: number; height: number } | null;
  /** The member's publication; null where it came over WHIP. */
  published: PublishedStream | null;
  /** Oldest first, of the last five minutes. */
  samples: Sample[];
}

/** What the page shows. */
export interface Seen {
  server: ServerInfo | null;
  rooms: RoomInfo[];
  streams: WatchedStream[];
  deliveries: Delivery[];
  /** Unix milliseconds of the last answer. */
  at: number | null;
  /** What is wrong now; the rest is what was seen last. */
  error: RestError | null;
}

/** Asks the server again and again, and puts together what it says. */
export class Monitor extends Emitter<{ seen: Seen; locked: RestError }> {
  readonly #histories = new Map<string, Measure>();
  #published: PublishedStream[] = [];
  #seen: Seen = { server: null, rooms: [], streams: [], deliveries: [], at: null, error: null };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round = 0;
  #newest = 0;
  #isOn = false;

  constructor(
    readonly rest: Rest,
    private readonly now: () => number = Date.now,
  ) {
    super();
  }

  start(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    void this.#look();
  }

  stop(): void {
    this.#isOn = false;
    clearTimeout(this.#timer);
  }

  /** Looks at everything at once: something was changed. */
  refresh(): void {
    if (!this.#isOn) return;
    clearTimeout(this.#timer);
    this.#round = 0;
    void this.#look();
  }

  async #look(): Promise<void> {
    const round = this.#round++;
    try {
      if (round % SLOW === 0) {
        this.#seen.server ??= await this.rest.server();
        const [rooms, published, deliveries] = await Promise.all([this.rest.rooms(), this.rest.streams(), this.rest.deliveries()]);
        this.#published = published;
        Object.assign(this.#seen, { rooms, deliveries });
      }
      this.#take(await this.rest.measures(this.#newest));
      Object.assign(this.#seen, { at: this.now(), error: null });
    } catch (thrown) {
      const error = thrown instanceof RestError ? thrown : new RestError(0, 'unknown', String(thrown));
      this.#seen.error = error;
      // Everything is asked for again once there are answers.
      this.#round = 0;
      if (LOCKED.has(error.code)) {
        this.stop();
        this.emit('locked', error);
        return;
      }
    }
    if (!this.#isOn) return;
    this.emit('seen', { ...this.#seen });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), INTERVAL_MS);
  }

  #take(measures: Measure[]): void {
    const ids = new Set(measures.map(({ streamId }) => streamId));
    for (const id of this.#histories.keys()) if (!ids.has(id)) this.#histories.delete(id);
    for (const measure of measures) {
      const samples = [...(this.#histories.get(measure.streamId)?.samples ?? []), ...measure.samples].slice(-KEPT);
      this.#histories.set(measure.streamId, { ...measure, samples });
      this.#newest = Math.max(this.#newest, samples.at(-1)?.at ?? 0);
    }
    this.#seen.streams = joined(this.#published, this.#histories);
  }
}

/** Streams of rooms and of WHIP, those of rooms first. */
function joined(published: PublishedStream[], measures: ReadonlyMap<string, Measure>): WatchedStream[] {
  const left = new Map(measures);
  const streams = published.map((one): WatchedStream => {
    const measure = left.get(one.streamId);
    left.delete(one.streamId);
    return { ...watched(one.streamId, measure), user: one.user, relayedAs: one.relayedAs, published: one };
  });
  for (const [id, measure] of left) streams.push(watched(id, measure));
  return streams;
}

function watched(streamId: string, measure: Measure | undefined): WatchedStream {
  const { width = null, height = null } = measure ?? {};
  return {
    streamId,
    user: measure?.user ?? null,
    relayedAs: measure?.relayedAs ?? null,
    size: width !== null && height !== null ? { width, height } : null,
    published: null,
    samples: measure?.samples ?? [],
  };
}

/** The sum of all streams, moment by moment. */
export function totals(streams: readonly WatchedStream[]): { at: number; bitRateBps: number; loss: number | null; viewers: number }[] {
  const slots = new Map<number, { at: number; bits: number; lost: number; known: number; viewers: number; streams: number }>();
  for (const { samples } of streams) {
    const seen = new Set<number>();
    for (const { at, bitRateBps, loss, viewers } of samples) {
      const key = Math.floor(at / INTERVAL_MS);
      // Two samples of a stream in one slot are one too many; the next slot then has none.
      if (seen.has(key)) continue;
      seen.add(key);
      const slot = slots.get(key) ?? { at: key * INTERVAL_MS, bits: 0, lost: 0, known: 0, viewers: 0, streams: 0 };
      slot.streams += 1;
      slot.bits += bitRateBps;
      slot.viewers += viewers;
      if (loss !== null) {
        slot.lost += loss * bitRateBps;
        slot.known += bitRateBps;
      }
      slots.set(key, slot);
    }
  }
  const sums = [...slots.values()].sort((a, b) => a.at - b.at);
  // The newest moment is whole once all streams have told of it.
  const [before, newest] = sums.slice(-2);
  if (before && newest && newest.streams < before.streams && streams.length >= before.streams) sums.pop();
  return sums
    .map(({ at, bits, lost, known, viewers }) => ({ at, bitRateBps: bits, loss: known > 0 ? lost / known : null, viewers }));
}

const INTERVAL_MS = 2000;

/** Rooms and deliveries are asked for in every third round. */
const SLOW = 3;

/** As many samples as the server keeps. */
const KEPT = 150;

/** Nothing will be shown before somebody has given a token or chosen an app. */
const LOCKED: ReadonlySet<string> = new Set([
  'credentials-missing', 'credentials-malformed', 'token-invalid', 'unknown-app', 'app-missing', 'not-local', 'foreign-page',
]);
