/**
 * What went wrong, as a program can test it.
 *
 * - `http`: the server answered with an error status; `status` and `problem` say more.
 * - `not-live`: nobody publishes this stream id now, or not yet long enough; it may be live soon.
 * - `busy`: the server takes no more for now (HTTP 503); trying again later makes sense.
 * - `network`: no answer at all.
 * - `connection`: ICE or DTLS failed or was lost for good.
 * - `unsupported`: this browser cannot do it.
 * - `media`: the media was refused by the decoder or the container was wrong.
 * - `permission`: the user or the system refused camera or microphone.
 */
export type ErrorType = 'http' | 'not-live' | 'busy' | 'network' | 'connection' | 'unsupported' | 'media' | 'permission';

/** The members of an RFC 9457 problem body that are shown to people. */
export interface Problem {
  type?: string;
  title?: string;
  detail?: string;
  status?: number;
  /** The server's word for the reason, such as `not-live`. */
  code?: string;
}

/** Every failure that this library reports. `fatal` means that it has stopped by itself. */
export class WebliveError extends Error {
  override readonly name = 'WebliveError';

  constructor(
    readonly type: ErrorType,
    message: string,
    readonly fatal: boolean,
    readonly status: number | null = null,
    readonly problem: Problem | null = null,
  ) {
    super(message);
  }
}

/** Reads an error answer: an `application/problem+json` body (RFC 9457) when there is one. */
export async function errorFromResponse(response: Response, doing: string): Promise<WebliveError> {
  const problem = await readProblem(response);
  const text = problem?.detail ?? problem?.title ?? `HTTP status ${response.status}`;
  return new WebliveError(typeOf(response.status, problem?.code), `${doing}: ${text}`, true, response.status, problem);
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
  if (thrown instanceof TypeError) return new WebliveError('network', `${doing}: no answer from the server`, true);
  if (thrown instanceof DOMException && (thrown.name === 'NotAllowedError' || thrown.name === 'NotFoundError')) {
    return new WebliveError('permission', `${doing}: ${text}`, true);
  }
  return new WebliveError('media', `${doing}: ${text}`, true);
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
  if (typeof body['type'] === 'string') problem.type = body['type'];
  if (typeof body['title'] === 'string') problem.title = body['title'];
  if (typeof body['detail'] === 'string') problem.detail = body['detail'];
  if (typeof body['status'] === 'number') problem.status = body['status'];
  if (typeof body['code'] === 'string') problem.code = body['code'];
  return problem;
}

const NOT_LIVE_CODES: ReadonlySet<string> = new Set(['not-live', 'ended', 'not-yet']);
