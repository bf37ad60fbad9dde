/** What has come of the stream lately, as a rate in bits a second. */
export class ArrivalRate {
  #bits = 0;
  #seconds = 0;

  /**
   * Adds a part of so many bytes that lasts `duration`: its first byte came `wait` after it was asked for, its last one
   * `took` later, all in seconds. Gives the rate that a stream could have: parts come one after another.
   */
  add(bytes: number, duration: number, wait: number, took: number): number {
    this.#bits = this.#bits * KEPT + bytes * 8;
    this.#seconds = this.#seconds * KEPT + Math.max(took, LEAST);
    return (this.#bits / this.#seconds) * Math.max(0.1, 1 - wait / duration);
  }
}

/** What is known when a part has come. */
export interface Arrival {
  /** Bits a second that come. */
  rate: number;
  /** Bits a second of each size, the least first. */
  sizes: readonly number[];
  /** The size that the part is of. */
  size: number;
  /** Bits a second of the part. */
  bits: number;
  /** Seconds of its segment up to its end, and from there on: 0 with the last part. */
  done: number;
  rest: number;
  /** Seconds that can still be played. */
  ahead: number;
}

/** What comes next. */
export interface Choice {
  size: number;
  /** The segment under way is begun again in this size. */
  isAgain: boolean;
}

/**
 * Chooses the size of what comes next. It changes between segments: only there pictures stand on their own. Where what
 * can be played would not last so long, the segment is begun again in a lesser size. Browsers go on with the size
 * before up to the next key frame, so that this helps only while none of the segment is shown; or where so little comes
 * that nothing would be shown for long.
 */
export function chooseSize({ rate, sizes, size, bits, done, rest, ahead }: Arrival): Choice {
  let most = sizes.length - 1;
  while (most > 0 && sizes[most]! * (most > size ? UP : DOWN) > rate) most -= 1;
  if (rest === 0) return { size: most, isAgain: false };
  const stay = { size, isAgain: false };
  // Seconds for which nothing would be shown if it went on, and in another size.
  const on = rest * (bits / rate - 1) - ahead;
  if (most >= size || on < -MARGIN) return stay;
  if (done + MARGIN > ahead) return on > HOPELESS ? { size: 0, isAgain: true } : stay;
  const gap = (to: number) => BEGINNING + (done * sizes[to]!) / rate - ahead;
  let again = most;
  while (again > 0 && gap(again) > -MARGIN) again -= 1;
  return gap(again) < on ? { size: again, isAgain: true } : stay;
}

/** Share of what came before that counts when a part has come. */
const KEPT = 0.5;

/** Seconds that a part counts for at least: what comes at once says little of the way. */
const LEAST = 0.002;

/** What must come for a size, as a multiple of what it needs, and for a larger one than before. */
const DOWN = 1;
const UP = 1.4;

/** Seconds that are to be left over. */
const MARGIN = 0.1;

/** Seconds without a picture beyond which the size is left wherever it is. */
const HOPELESS = 3;

/** Seconds until the first byte of another size comes: its playlist, its initialization section. */
const BEGINNING = 0.1;
