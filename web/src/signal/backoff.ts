/**
 * Pauses between tries. They stay short for the first minute, so that a network that returns finds a try soon, and
 * have a random part so that pages do not come back in step.
 */
export class Backoff {
  #tries = 0;

  /** `random` gives numbers from 0 to 1. */
  constructor(readonly random: () => number = Math.random) {}

  /** Pauses that were given since the last {@link reset}. */
  get tries(): number {
    return this.#tries;
  }

  /** Milliseconds until the next try. */
  next(): number {
    const step = PAUSES[this.#tries] ?? (this.#tries < PATIENT_TRIES ? PAUSES.at(-1)! : LONG_PAUSE);
    this.#tries += 1;
    return Math.round(step * (0.75 + 0.5 * this.random()));
  }

  /** Leaves the shortest pauses out: the server has asked for patience. */
  skip(): void {
    this.#tries = Math.max(this.#tries, PAUSES.length - 1);
  }

  /** It has worked: begin with no pause the next time. */
  reset(): void {
    this.#tries = 0;
  }
}

const PAUSES = [0, 300, 1_000];

/** Tries with short pauses; with those that hang, several minutes. */
const PATIENT_TRIES = 40;

const LONG_PAUSE = 5_000;
