import { log } from '../log';

/** A value that changes, and tells those who want to know. */
export interface Store<T> {
  /** The value now. Not to be changed in place. */
  readonly value: T;
  /** Calls `listener` with each new value; the returned function ends it. The present value is not told. */
  subscribe(listener: (value: T) => void): () => void;
}

/** A {@link Store} that its owner writes. */
export class Cell<T> implements Store<T> {
  #value: T;
  readonly #listeners = new Set<(value: T) => void>();

  /** `wanted` is told when the first listener comes and when the last one has gone: for values that cost something. */
  constructor(
    value: T,
    private readonly wanted?: (isWanted: boolean) => void,
  ) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Whether anybody listens. */
  get isWanted(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: (value: T) => void): () => void {
    // A function that listens twice is two listeners.
    const own = (value: T) => listener(value);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.wanted?.(true);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.wanted?.(false);
    };
  }

  /** Sets the value and tells it; nothing where it is the same. */
  set(value: T): void {
    if (Object.is(this.#value, value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (thrown) {
        log.error('store', 'a listener has thrown', thrown);
      }
    }
  }
}
