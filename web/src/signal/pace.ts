/** Says when the next request may go, so that a page keeps to the server's rate by itself. */
export class Pace {
  #tokens: number;
  #at: number;

  /** `perSecond` in the long run, `burst` at once; `now` in milliseconds. */
  constructor(
    readonly perSecond: number,
    readonly burst: number,
    now: number,
  ) {
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes a place at `now`; milliseconds to wait when there is none, 0 when it was taken. */
  take(now: number): number {
    this.#tokens = Math.min(this.burst, this.#tokens + (Math.max(0, now - this.#at) * this.perSecond) / 1000);
    this.#at = now;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.ceil(((1 - this.#tokens) * 1000) / this.perSecond);
  }
}
