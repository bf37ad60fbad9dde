/** Rows that things fly along, one behind the other. */
export class Lanes {
  readonly #freeAt: number[];

  /** `count` rows; one is free again `gap` milliseconds after it was taken. */
  constructor(
    count: number,
    readonly gap: number,
  ) {
    this.#freeAt = new Array<number>(count).fill(-Infinity);
  }

  /** The row that has been free for longest; null while all are taken. `now` in milliseconds. */
  take(now: number): number | null {
    let lane = 0;
    for (let at = 1; at < this.#freeAt.length; at += 1) if (this.#freeAt[at]! < this.#freeAt[lane]!) lane = at;
    if (this.#freeAt[lane]! > now) return null;
    this.#freeAt[lane] = now + this.gap;
    return lane;
  }
}
