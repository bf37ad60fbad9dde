/** What one direction of a path does to the datagrams on it. Nothing, where nothing is given. */
export interface Impairment {
  /** Milliseconds that each takes. */
  delay?: number;
  /** Up to so many milliseconds more, another number for each. None overtakes another. */
  jitter?: number;
  /** The share that is lost, 0 to 1. */
  loss?: number;
  /** What the narrowest part carries, in bits a second. */
  bps?: number;
  /** How long a datagram may wait for the narrowest part, in milliseconds: one that would wait longer is lost. Default 200. */
  queue?: number;
}

/** Both directions of a page's path to the server; can be changed while it carries. */
export interface Impairments {
  up?: Impairment;
  down?: Impairment;
}

/** One direction of a path: says when a datagram arrives. The same seed and the same datagrams give the same times. */
export class Way {
  #state: number;
  /** When the narrowest part has sent what it has. */
  #freeAt = 0;
  #lastAt = 0;
  readonly counts = { carried: 0, lost: 0, overflowed: 0 };

  /** `seed`: a whole number from 1 on. */
  constructor(seed: number) {
    this.#state = seed;
    // The first ones tell small seeds.
    for (let i = 0; i < 3; i += 1) this.#roll();
  }

  /** When a datagram arrives that is sent `now`, in milliseconds; null when it is lost. */
  arrival(bytes: number, now: number, { delay = 0, jitter = 0, loss = 0, bps = Infinity, queue = QUEUE }: Impairment): number | null {
    const [fate, late] = [this.#roll(), this.#roll()];
    if (fate < loss) return this.#count('lost');
    const begin = Math.max(now, this.#freeAt);
    if (begin - now > queue) return this.#count('overflowed');
    this.#freeAt = begin + (bytes * 8_000) / bps;
    this.#lastAt = Math.max(this.#lastAt, this.#freeAt + delay + late * jitter);
    this.counts.carried += 1;
    return this.#lastAt;
  }

  #count(what: 'lost' | 'overflowed'): null {
    this.counts[what] += 1;
    return null;
  }

  /** A number from 0 to 1, by a Lehmer generator. */
  #roll(): number {
    this.#state = (this.#state * 48_271) % MODULUS;
    return this.#state / MODULUS;
  }
}

/** A prime, so that each state but 0 comes once in a cycle. */
const MODULUS = 2 ** 31 - 1;

const QUEUE = 200;

/** Hands on each datagram of one direction when it arrives, in order. */
export class Lane {
  readonly #waiting: { data: Buffer; at: number }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly way: Way,
    private readonly impairment: () => Impairment,
    private readonly arrive: (data: Buffer) => void,
  ) {}

  send(data: Buffer): void {
    const now = performance.now();
    const at = this.way.arrival(data.length, now, this.impairment());
    if (at === null || this.#waiting.length >= LONGEST) return;
    if (at <= now && this.#waiting.length === 0) return this.arrive(data);
    this.#waiting.push({ data, at });
    this.#timer ??= setTimeout(() => this.#deliver(), at - now);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #deliver(): void {
    // A timer may be early by less than it can be told.
    const now = performance.now() + 0.5;
    while (this.#waiting[0] && this.#waiting[0].at <= now) this.arrive(this.#waiting.shift()!.data);
    const [next] = this.#waiting;
    this.#timer = next && setTimeout(() => this.#deliver(), next.at - now);
  }
}

/** Datagrams on the way in one direction. */
const LONGEST = 10_000;
