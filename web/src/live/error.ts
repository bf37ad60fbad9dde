import { toWebliveError, WebliveError } from '../errors';

/** A refusal or failure as pages of live rooms know it: with the documented number in `code`. */
export class LiveError extends WebliveError {
  /** The documented code; -1 for what the server has not refused. */
  readonly code: number;

  constructor(error: WebliveError, code = error.codes?.live ?? CODES[error.type] ?? FAILED) {
    super(error.type, error.message, error.fatal, { ...error, cause: error.cause ?? error });
    this.code = code;
  }
}

/** Turns anything thrown into a {@link LiveError}. */
export function toLiveError(thrown: unknown, doing: string): LiveError {
  return thrown instanceof LiveError ? thrown : new LiveError(toWebliveError(thrown, doing));
}

/** A value that is not allowed. */
export function badArgument(message: string): LiveError {
  return new LiveError(new WebliveError('argument', message, false));
}

/** A call before the one that it builds on. */
export function tooEarly(message: string, code = FAILED): LiveError {
  return new LiveError(new WebliveError('state', message, false), code);
}

const FAILED = -1;

const CODES: Partial<Record<WebliveError['type'], number>> = { argument: -1001, permission: -1003 };
