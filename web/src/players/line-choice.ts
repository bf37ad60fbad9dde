import type { WebliveError } from '../errors';

/** What is known of how a line does. */
interface Health {
  failures: number;
  /** Not to be tried again before this time. */
  until: number;
  /** It can never work here. */
  isOut: boolean;
  error: WebliveError | null;
}

/** Which line to try next. Lines are known by their index; times are milliseconds of any clock. */
export class LineChoice {
  readonly #health: Health[];
  #chosen: number | null = null;
  #isAutomatic: boolean;

  constructor(count: number, isAutomatic: boolean) {
    this.#health = Array.from({ length: count }, () => ({ failures: 0, until: 0, isOut: false, error: null }));
    this.#isAutomatic = isAutomatic;
  }

  /** The line that the viewer has chosen; null where the order decides. */
  get chosen(): number | null {
    return this.#chosen;
  }

  set chosen(index: number | null) {
    this.#chosen = index;
    const health = index === null ? undefined : this.#health[index];
    // Whoever asks for a line wants it tried now.
    if (health) Object.assign(health, { failures: 0, until: 0, isOut: false });
  }

  /** Whether other lines may take over. */
  get isAutomatic(): boolean {
    return this.#isAutomatic;
  }

  set isAutomatic(isAutomatic: boolean) {
    this.#isAutomatic = isAutomatic;
  }

  /** The lines that may be played, best first. */
  get order(): number[] {
    const all = this.#health.map((_, index) => index);
    const first = this.#chosen ?? 0;
    if (!this.#isAutomatic) return [first];
    return this.#chosen === null ? all : [first, ...all.filter((index) => index !== first)];
  }

  /** The best line that may be tried at `now`, other than `except`. */
  next(now: number, except: number | null): number | null {
    return this.order.find((index) => index !== except && this.#isFree(index, now)) ?? null;
  }

  /** When a line that is better than `index` may be tried again; null where there is none. */
  returnAt(index: number): number | null {
    const order = this.order;
    const at = order.indexOf(index);
    const better = (at < 0 ? order : order.slice(0, at)).map((i) => this.#health[i]!).filter(({ isOut }) => !isOut);
    return better.length === 0 ? null : Math.min(...better.map(({ until }) => until));
  }

  /** A line has failed; it is left alone for a time that doubles with each failure. */
  failed(index: number, error: WebliveError, now: number): void {
    const health = this.#health[index]!;
    health.failures += 1;
    health.error = error;
    health.isOut = error.type === 'unsupported';
    health.until = now + Math.min(LONGEST_PENALTY, PENALTY * 2 ** (health.failures - 1));
  }

  /** A line has played for a while. */
  proven(index: number): void {
    Object.assign(this.#health[index]!, { failures: 0, until: 0, error: null });
  }

  /** Lets every line be tried again that can ever work. */
  forgive(): void {
    for (const health of this.#health) health.until = 0;
  }

  /** Whether nothing can ever be played. */
  get isHopeless(): boolean {
    return this.order.every((index) => this.#health[index]!.isOut);
  }

  /** Whether nobody publishes: a line says so, and the others say so too or nothing. */
  get isNotLive(): boolean {
    return this.error?.type === 'not-live';
  }

  /** The error that says most: of the best line what has gone wrong, before that nobody publishes, before mere silence. */
  get error(): WebliveError | null {
    const errors = this.order.map((index) => this.#health[index]!.error).filter((error) => error !== null);
    const best = (those: WebliveError[]) => those.reduce<WebliveError | null>((a, b) => (a && weight(a) >= weight(b) ? a : b), null);
    return best(errors);
  }

  #isFree(index: number, now: number): boolean {
    const { isOut, until } = this.#health[index]!;
    return !isOut && until <= now;
  }
}

function weight({ type }: WebliveError): number {
  return type === 'unsupported' ? 0 : type === 'timeout' ? 1 : type === 'not-live' ? 2 : 3;
}

/** Milliseconds for which a line is left alone after its first failure. */
export const PENALTY = 10_000;

/** And at most. */
const LONGEST_PENALTY = 120_000;
