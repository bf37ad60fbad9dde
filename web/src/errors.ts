import type { ErrorBody, ErrorCodes, ErrorName } from './protocol/messages';
import { adviceFor } from './errors/advice';

/**
 * What went wrong, as a program can test it.
 *
 * - `http`: the server answered with an error status; `status` and `problem` say more.
 * - `refused`: the server refused a request of a room; `reason` says which way.
 * - `not-live`: nobody publishes this stream id now, or not yet long enough; it may be live soon.
 * - `busy`: the server takes no more for now; trying again later makes sense.
 * - `network`: no answer at all.
 * - `timeout`: no answer in time.
 * - `connection`: ICE or DTLS failed or was lost for good.
 * - `unsupported`: this browser cannot do it.
 * - `media`: the media was refused by the decoder or the container was wrong.
 * - `permission`: the user or the system refused camera or microphone.
 * - `device`: there is no such camera or microphone, or another program has it.
 * - `autoplay`: the browser lets no sound begin before the user has clicked something; resume from a click.
 * - `argument`: a value that was passed in is not allowed.
 * - `state`: the call is not possible now, for example before the one it builds on.
 * - `removed`: the user was removed from the room, or logged in elsewhere.
 */
export type ErrorType =
  | 'http'
  | 'refused'
  | 'not-live'
  | 'busy'
  | 'network'
  | 'timeout'
  | 'connection'
  | 'unsupported'
  | 'media'
  | 'permission'
  | 'device'
  | 'autoplay'
  | 'argument'
  | 'state'
  | 'removed';

/** The members of an RFC 9457 problem body that are shown to people. */
export interface Problem {
  type?: string;
  title?: string;
  detail?: string;
  status?: number;
  /** The server's word for the reason, such as `not-live`. */
  code?: string;
}

/** What is known of an error beside its kind and sentence. */
export interface ErrorDetails {
  /** HTTP status, where an answer came. */
  status?: number | null | undefined;
  /** The body of that answer. */
  problem?: Problem | null | undefined;
  /** The server's word for why a request was refused. */
  reason?: ErrorName | null | undefined;
  /** The documented codes of a refusal. */
  codes?: ErrorCodes | null | undefined;
  /** What is allowed, where that is a value or a bound. */
  allowed?: string | null | undefined;
  /** When to try again, in milliseconds, where waiting helps. */
  retryAfterMs?: number | null | undefined;
  /** What was thrown below. */
  cause?: unknown;
}

const BRAND: unique symbol = Symbol.for('weblive.error') as never;

/** Every failure that this library reports. `fatal` means that what failed has stopped by itself. */
export class WebliveError extends Error {
  override readonly name = 'WebliveError';
  /** @internal */
  readonly [BRAND] = true;
  /** HTTP status, where an answer came. */
  readonly status: number | null;
  /** The body of that answer. */
  readonly problem: Problem | null;
  /** The server's word for why a request was refused. */
  readonly reason: ErrorName | null;
  /** The documented codes of a refusal; null for what the server has not refused. */
  readonly codes: ErrorCodes | null;
  /** What is allowed, where that is a value or a bound. */
  readonly allowed: string | null;
  /** When to try again, in milliseconds, where waiting helps. */
  readonly retryAfterMs: number | null;

  constructor(
    readonly type: ErrorType,
    message: string,
    readonly fatal: boolean,
    /** May be another error, whose details this one has too. */
    details: ErrorDetails = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.status = details.status ?? null;
    this.problem = details.problem ?? null;
    this.reason = details.reason ?? null;
    this.codes = details.codes ?? null;
    this.allowed = details.allowed ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }

  /** Also true of errors that another script of this library on the page has made. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== WebliveError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  /** What to do about it: a sentence for whoever writes the page. */
  get advice(): string {
    return adviceFor(this.type, this.reason !== null, this.message);
  }
}

/** The same error, of which what failed has stopped by itself or has not. */
export function withFatal(error: WebliveError, fatal: boolean): WebliveError {
  return error.fatal === fatal ? error : new WebliveError(error.type, error.message, fatal, error);
}

/** A request that the server has refused. */
export function refusal(doing: string, body: ErrorBody): WebliveError {
  const { name: reason, codes, message, allowed, retryAfterMs } = body;
  const type = BUSY.has(reason) ? 'busy' : reason === 'notLive' ? 'not-live' : reason === 'timedOut' ? 'timeout' : 'refused';
  return new WebliveError(type, `${doing}: ${message}`, false, { reason, codes, allowed, retryAfterMs });
}

/** Reads an error answer: an `application/problem+json` body (RFC 9457) when there is one. */
export async function errorFromResponse(response: Response, doing: string): Promise<WebliveError> {
  const problem = await readProblem(response);
  const text = problem?.detail ?? problem?.title ?? `HTTP status ${response.status}`;
  return new WebliveError(typeOf(response.status, problem?.code), `${doing}: ${text}`, true, { status: response.status, problem });
}

function typeOf(status: number, code: string | undefined): ErrorType {
  if (code !== undefined && NOT_LIVE_CODES.has(code)) return 'not-live';
  // A file server or a CDN in between says no more than this.
  if (status === 404 && code === undefined) return 'not-live';
  return status === 503 ? 'busy' : 'http';
}

/** Turns anything thrown into a {@link WebliveError}. `fetch` rejects with a TypeError when there is no answer. */
export function toWebliveError(thrown: unknown, doing: string): WebliveError {
  if (thrown instanceof WebliveError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof TypeError) return new WebliveError('network', `${doing}: no answer from the server`, true, { cause: thrown });
  if (thrown instanceof DOMException && thrown.name in CAPTURE_ERRORS) {
    return new WebliveError(CAPTURE_ERRORS[thrown.name]!, `${doing}: ${text}`, true, { cause: thrown });
  }
  return new WebliveError('media', `${doing}: ${text}`, true, { cause: thrown });
}

async function readProblem(response: Response): Promise<Problem | null> {
  const type = response.headers.get('content-type') ?? '';
  if (!/^application\/(problem\+)?json\b/.test(type)) return null;
  try {
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null ? pickProblem(body as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function pickProblem(body: Record<string, unknown>): Problem {
  const problem: Problem = {};
  for (const name of ['type', 'title', 'detail', 'code'] as const) {
    const text = body[name];
    if (typeof text === 'string') problem[name] = text;
  }
  if (typeof body['status'] === 'number') problem.status = body['status'];
  return problem;
}

const NOT_LIVE_CODES: ReadonlySet<string> = new Set(['not-live', 'ended', 'not-yet']);

const BUSY: ReadonlySet<ErrorName> = new Set(['busy', 'serverStopping', 'tooManyPending', 'mediaLimit', 'tooManySessions', 'tooFast']);

/** What `getUserMedia` and `getDisplayMedia` reject with (Media Capture and Streams, section 10.2). */
const CAPTURE_ERRORS: Record<string, ErrorType> = {
  NotAllowedError: 'permission',
  SecurityError: 'permission',
  NotFoundError: 'device',
  NotReadableError: 'device',
  OverconstrainedError: 'device',
  AbortError: 'device',
};
