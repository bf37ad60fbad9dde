import { toWebliveError, WebliveError } from '../errors';

/** Gathers likes: however fast somebody clicks, the server is asked twice a second at most, within its bounds. */
export class LikeTally {
  #waiting: { count: number; resolve(): void; reject(error: WebliveError): void }[] = [];
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isBusy = false;
  #nextAt = 0;

  constructor(
    /** Tells the server. */
    readonly send: (count: number) => Promise<unknown>,
    /** The most likes in one request. */
    readonly most: () => number,
  ) {}

  /** Likes `count` times; resolves when the server has counted them. Rejects where too many wait already. */
  add(count = 1): Promise<void> {
    if (!Number.isInteger(count) || count < 1) {
      return Promise.reject(new WebliveError('argument', `likes: ${count} is not allowed; allowed is a whole number from 1`, false, { allowed: 'a whole number from 1' }));
    }
    if (this.#count + count > CAPACITY) {
      return Promise.reject(new WebliveError('busy', `likes: ${CAPACITY} wait already`, false, { codes: { chat: 2996, live: 2996, rtc: 0x1001 } }));
    }
    this.#count += count;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ count, resolve, reject });
      this.#plan();
    });
  }

  /** Gives up what waits. */
  close(error: WebliveError): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting.splice(0);
    this.#count = 0;
    for (const { reject } of waiting) reject(error);
  }

  #plan(): void {
    if (this.#isBusy || this.#timer !== undefined || this.#count === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#flush();
    }, Math.max(0, this.#nextAt - Date.now()));
  }

  async #flush(): Promise<void> {
    const batch = Math.min(this.#count, this.most());
    this.#isBusy = true;
    this.#nextAt = Date.now() + INTERVAL;
    try {
      await this.send(batch);
      this.#take(batch);
    } catch (thrown) {
      const error = toWebliveError(thrown, 'like');
      if (error.reason === 'tooFast') this.#nextAt = Date.now() + Math.max(INTERVAL, error.retryAfterMs ?? 0);
      else this.close(error);
    }
    this.#isBusy = false;
    this.#plan();
  }

  /** The server has counted `likes`; who asked first is served first. */
  #take(likes: number): void {
    let left = Math.min(likes, this.#count);
    this.#count -= left;
    while (left > 0) {
      const first = this.#waiting[0]!;
      const part = Math.min(left, first.count);
      first.count -= part;
      left -= part;
      if (first.count === 0) this.#waiting.shift()!.resolve();
    }
  }
}

/** Milliseconds between requests: the room tells totals as often. */
const INTERVAL = 500;

/** Likes that may wait. */
const CAPACITY = 1_000;
