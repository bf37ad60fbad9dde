import type { Message } from '../protocol/messages';

/** Which messages of a room the page has, so that each is shown once. */
export class SeenMessages {
  #last = 0;
  readonly #own = new Set<string>();

  /** The room's last message that is known. */
  get last(): number {
    return this.#last;
  }

  /** Notes a message; false for one that was there before. Notices of the room itself have no place in it. */
  take(message: Message): boolean {
    const { ID, sequence } = message;
    if (this.#own.has(ID)) {
      this.#last = Math.max(this.#last, sequence);
      return false;
    }
    if (sequence === 0) return true;
    if (sequence <= this.#last) return false;
    this.#last = sequence;
    return true;
  }

  /** Notes a message of one's own, whose place in the room is not told. */
  sent(message: Message): void {
    this.#own.add(message.ID);
    for (const first of this.#own) {
      if (this.#own.size <= MAX_OWN) break;
      this.#own.delete(first);
    }
  }
}

/** More than a room's history that is read again. */
const MAX_OWN = 1_000;
