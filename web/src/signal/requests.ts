import { refusal, WebliveError } from '../errors';
import type { RequestBody, RequestName, Results, ServerMessage, SessionLimits } from '../protocol/messages';
import { Pace } from './pace';

/** The fields of a request. */
export type Fields<T extends RequestName> = Omit<Extract<RequestBody, { type: T }>, 'type'>;

/** What the server says to a request. */
export type Response = Extract<ServerMessage, { type: 'response' }>;

interface Pending {
  id: number;
  type: RequestName;
  frame: string;
  isSent: boolean;
  timer: ReturnType<typeof setTimeout>;
  resolve(result: never): void;
  reject(error: WebliveError): void;
}

/**
 * The requests of a session that have no response yet. They wait while the queue is shut, and go out in their order
 * at the server's rate.
 */
export class Requests {
  #isOpen = false;
  #nextId = 1;
  #pace: Pace | null = null;
  #maxBytes = MAX_BYTES;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pending = new Map<number, Pending>();

  /** `send` puts a frame on the present socket. */
  constructor(readonly send: (frame: string) => void) {}

  /** An id for a frame that goes past the queue. */
  takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  /** Asks; rejects after `timeout` milliseconds, which count while the queue is shut too. */
  add<T extends RequestName>(type: T, fields: Fields<T>, timeout: number): Promise<Results[T]> {
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new WebliveError('busy', `${type}: ${MAX_PENDING} requests wait for their responses already`, false));
    }
    const id = this.takeId();
    const frame = JSON.stringify({ id, type, ...fields });
    if (isLonger(frame, this.#maxBytes)) {
      const allowed = `${this.#maxBytes} bytes`;
      return Promise.reject(new WebliveError('argument', `${type}: larger than the server takes; allowed is ${allowed}`, false, { allowed }));
    }
    return new Promise<Results[T]>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        const [kind, why] = this.#isOpen ? (['timeout', 'no response in time'] as const) : (['network', 'no connection to the server'] as const);
        reject(new WebliveError(kind, `${type}: ${why}`, false));
      }, timeout);
      this.#pending.set(id, { id, type, frame, isSent: false, timer, resolve, reject });
      this.#flush();
    });
  }

  /** Takes what the server said at login that one has to keep to. */
  keepTo({ requestsPerSecond, requestBurst, maxRequestBytes }: SessionLimits): void {
    // Pings and what goes past the queue count too.
    this.#pace = new Pace(requestsPerSecond * 0.9, Math.max(1, requestBurst - 4), performance.now());
    this.#maxBytes = maxRequestBytes;
  }

  /** Lets requests out from now on. `first` may ask before those that have waited. */
  open(first?: () => void): void {
    this.#isOpen = true;
    const waiting = this.#pending;
    this.#pending = new Map();
    first?.();
    for (const [id, pending] of waiting) this.#pending.set(id, pending);
    this.#flush();
  }

  /** Lets them wait. */
  shut(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  }

  /** Sends all that were sent and not answered once more: the same frames under the same ids, in the old order. */
  repeat(): void {
    for (const { isSent, frame } of this.#pending.values()) if (isSent) this.send(frame);
  }

  /** Gives those up that were sent to a session that is gone: nobody knows whether they were carried out. */
  forgetSent(): void {
    for (const pending of this.#pending.values()) {
      if (pending.isSent) this.#reject(pending, new WebliveError('network', `${pending.type}: the session was lost before the response came`, false));
    }
  }

  /** A response has come; one that nobody waits for any more is no fault. */
  settle(response: Response): void {
    const pending = this.#pending.get(response.id);
    if (!pending) return;
    this.#pending.delete(pending.id);
    clearTimeout(pending.timer);
    if ('error' in response) pending.reject(refusal(pending.type, response.error));
    else pending.resolve(response.result as never);
  }

  /** Gives all of them up. */
  rejectAll(error: WebliveError): void {
    this.shut();
    for (const pending of [...this.#pending.values()]) this.#reject(pending, error);
  }

  #reject(pending: Pending, error: WebliveError): void {
    this.#pending.delete(pending.id);
    clearTimeout(pending.timer);
    pending.reject(error);
  }

  #flush(): void {
    if (!this.#isOpen) return;
    for (const pending of this.#pending.values()) {
      if (pending.isSent) continue;
      const wait = this.#pace?.take(performance.now()) ?? 0;
      if (wait > 0) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#flush(), wait);
        return;
      }
      pending.isSent = true;
      this.send(pending.frame);
    }
  }
}

/** Whether a text has more than `limit` bytes in UTF-8, of which a UTF-16 unit takes 1 to 3. */
function isLonger(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && new TextEncoder().encode(text).length > limit);
}

/** As many as the server remembers of a session for repeats. */
const MAX_PENDING = 128;

/** Bytes of a request, until login has told. */
const MAX_BYTES = 196_608;
