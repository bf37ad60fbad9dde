import { WebliveError } from '../errors';
import type { Message, MessageContent, Priority } from '../protocol/messages';

/** A message that is to be sent. */
export interface Draft {
  content: MessageContent;
  /** What goes first when the room has too much to deliver; `Normal` when absent. */
  priority?: Priority;
  /** The page's own data, passed on. */
  cloudCustomData?: string;
  /** A number of the page's that tells this message from others; drawn when absent. Sending a message again keeps it. */
  random?: number;
}

/** What the outbox needs of its room. */
export interface Outlet {
  /** Whether messages can go now. */
  isOpen(): boolean;
  /** Hands a message to the server; `timeout` in milliseconds. */
  deliver(draft: Draft, timeout: number): Promise<Message>;
  /** The message that bears this number, if the room has it already. */
  find(random: number): Promise<Message | null>;
}

interface Entry {
  draft: Draft & { random: number };
  until: number;
  isSent: boolean;
  timer: ReturnType<typeof setTimeout>;
  resolve(message: Message): void;
  reject(error: WebliveError): void;
}

/**
 * The messages of one room on their way. With a connection each goes at once; without one they wait, and go one after
 * the other in the order of their writing when it is back. One whose response was lost is looked for in the room before
 * it is sent again, so that nobody reads it twice.
 */
export class Outbox {
  readonly #entries: Entry[] = [];
  readonly #uncertain = new Set<number>();
  /** Whether messages have waited: then they go one by one. */
  #isQueue = false;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly outlet: Outlet,
    /** Milliseconds until a message is given up. */
    readonly patience = PATIENCE,
  ) {}

  /** Messages that are on their way. */
  get size(): number {
    return this.#entries.length;
  }

  /** Whether a number is that of a message that is on its way, or perhaps taken already. */
  has(random: number): boolean {
    return this.#uncertain.has(random) || this.#entries.some(({ draft }) => draft.random === random);
  }

  /** Sends a message, now or when the connection is back. */
  post(draft: Draft): Promise<Message> {
    if (this.#entries.length >= CAPACITY) {
      return Promise.reject(new WebliveError('busy', `message: ${CAPACITY} messages wait already`, false, {
        codes: { chat: 2996, live: 2996, rtc: 0x1001 }, allowed: String(CAPACITY),
      }));
    }
    const random = draft.random ?? Math.floor(Math.random() * 0xffff_ffff) + 1;
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        draft: { ...draft, random }, until: Date.now() + this.patience, isSent: false, resolve, reject,
        timer: setTimeout(() => {
          if (!entry.isSent) this.#fail(entry, new WebliveError('network', 'message: no connection to the server', false));
        }, this.patience),
      };
      this.#entries.push(entry);
      if (!this.outlet.isOpen()) this.#isQueue = true;
      this.#pump();
    });
  }

  /** Messages may go again. */
  wake(): void {
    this.#pump();
  }

  /** Gives everything up that has not been taken. */
  close(error: WebliveError): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    for (const entry of [...this.#entries]) this.#fail(entry, error);
  }

  #pump(): void {
    if (!this.outlet.isOpen() || this.#pause !== undefined) return;
    if (this.#entries.length === 0) this.#isQueue = false;
    for (const entry of [...this.#entries]) {
      if (!entry.isSent) void this.#send(entry);
      if (this.#isQueue) return;
    }
  }

  async #send(entry: Entry): Promise<void> {
    entry.isSent = true;
    const { draft } = entry;
    try {
      const isOld = this.#uncertain.has(draft.random);
      const known = isOld ? await this.outlet.find(draft.random) : null;
      const message = known ?? (await this.outlet.deliver(draft, Math.max(1, entry.until - Date.now())));
      this.#uncertain.delete(draft.random);
      this.#forget(entry);
      entry.resolve(message);
    } catch (thrown) {
      this.#missed(entry, thrown as WebliveError);
    }
    this.#pump();
  }

  #missed(entry: Entry, error: WebliveError): void {
    const isLost = error.type === 'network' || error.type === 'timeout';
    if (isLost) this.#doubt(entry.draft.random);
    const isLate = Date.now() >= entry.until;
    if (isLost && !isLate && this.#entries.includes(entry)) {
      entry.isSent = false;
      this.#isQueue = true;
    } else if (error.reason === 'tooFast' && this.#isQueue && !isLate) {
      entry.isSent = false;
      this.#pause = setTimeout(() => {
        this.#pause = undefined;
        this.#pump();
      }, Math.max(error.retryAfterMs ?? 0, SHORTEST_PAUSE));
    } else {
      this.#fail(entry, error);
    }
  }

  #doubt(random: number): void {
    this.#uncertain.add(random);
    for (const oldest of this.#uncertain) {
      if (this.#uncertain.size <= CAPACITY) break;
      this.#uncertain.delete(oldest);
    }
  }

  #fail(entry: Entry, error: WebliveError): void {
    this.#forget(entry);
    entry.reject(error);
  }

  #forget(entry: Entry): void {
    clearTimeout(entry.timer);
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
  }
}

/** Milliseconds until a message is given up: as long as the server keeps a lost session. */
const PATIENCE = 30_000;

/** Messages that may wait; below what a session may have open. */
const CAPACITY = 100;

/** Milliseconds between tries where the server does not say when. */
const SHORTEST_PAUSE = 100;
