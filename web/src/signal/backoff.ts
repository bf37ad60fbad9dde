/** Pauses between tries that grow from none to five seconds, with a random part so that pages do not come back in step. */
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
    const step = PAUSES[Math.min(this.#tries, PAUSES.length - 1)] ?? 0;
    this.#tries += 1;
    return Math.round(step * (0.75 + 0.5 * this.random()));
  }

  /** Leaves the short pauses out: the server has asked for patience. */
  skip(): void {
    this.#tries = Math.max(this.#tries, 2);
  }

  /** It has worked: begin with no pause the next time. */
  reset(): void {
    this.#tries = 0;
  }
}

const PAUSES = [0, 300, 1_000, 2_000, 4_000];
