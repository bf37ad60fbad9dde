import { type ErrorType, toWebliveError, WebliveError } from '../errors';
import { TYPES } from '../errors/advice';
import { ErrorCode, type ErrorCodeValue, isErrorCode } from './codes';

/** Every failure that this interface reports. */
export class RtcError extends Error {
  /** `RtcError`; for devices that cannot be opened what the browser calls it, such as `NotAllowedError`. */
  override readonly name: string;
  /** What the server calls it, where it has a word of its own: a negative code, for example -100018 for a refused UserSig. Else 0. */
  readonly extraCode: number;
  /** What to do about it: a sentence for whoever writes the page. */
  readonly advice: string;
  /** Whether what has failed has stopped for good. */
  readonly fatal: boolean;
  readonly #code: ErrorCodeValue;

  constructor(code: ErrorCodeValue, message: string, details: RtcErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.#code = code;
    this.name = details.name ?? 'RtcError';
    this.extraCode = details.extraCode ?? 0;
    this.advice = details.advice ?? '';
    this.fatal = details.fatal ?? false;
  }

  /** One of {@link ErrorCode}. */
  getCode(): ErrorCodeValue {
    return this.#code;
  }

  /** {@link extraCode}. */
  getExtraCode(): number {
    return this.extraCode;
  }

  /** The code as a property, for pages that look there. */
  get code(): ErrorCodeValue {
    return this.#code;
  }
}

/** What is known of an error beside its code and sentence. */
export interface RtcErrorDetails {
  name?: string;
  extraCode?: number;
  advice?: string;
  fatal?: boolean;
  cause?: unknown;
}

/** A value that was passed in is not allowed. */
export function badParameter(message: string): RtcError {
  return new RtcError(ErrorCode.INVALID_PARAMETER, message, { advice: TYPES.argument });
}

/** A call that is not possible now. */
export function badOperation(message: string): RtcError {
  return new RtcError(ErrorCode.INVALID_OPERATION, message, { advice: TYPES.state });
}

/** How {@link toRtcError} chooses a code. */
export interface CodeChoice {
  /** For a refusal of the server, in place of the code that the server names. */
  refused?: ErrorCodeValue;
  /** For a missing answer. */
  timeout?: ErrorCodeValue;
  /** For a device. */
  device?: ErrorCodeValue;
  /** For everything that has no code of its own. */
  other?: ErrorCodeValue;
  /** For both: {@link refused} and {@link other}. */
  always?: ErrorCodeValue;
}

/** Turns anything thrown below into an {@link RtcError}. */
export function toRtcError(thrown: unknown, doing: string, choice: CodeChoice = {}): RtcError {
  if (thrown instanceof RtcError) return thrown;
  const error = toWebliveError(thrown, doing);
  const { always } = choice;
  if (always !== undefined) choice = { ...choice, refused: always, other: always };
  const serverCode = error.codes?.rtc ?? 0;
  const { cause, advice, fatal } = error;
  const details: RtcErrorDetails = { advice, fatal, cause: error, extraCode: isErrorCode(serverCode) && choice.refused === undefined ? 0 : serverCode };
  if (isCaptureError(error)) {
    const { name, message } = cause as DOMException;
    const code = choice.device ?? (name === 'NotFoundError' ? ErrorCode.DEVICE_NOT_FOUND : ErrorCode.INITIALIZE_FAILED);
    // Pages tell refusals apart by the browser's own name and sentence.
    return new RtcError(code, message || error.message, { ...details, name });
  }
  return new RtcError(codeOf(error, serverCode, choice), error.message, details);
}

function isCaptureError({ type, cause }: WebliveError): boolean {
  return (type === 'permission' || type === 'device') && cause instanceof DOMException;
}

function codeOf(error: WebliveError, serverCode: number, choice: CodeChoice): ErrorCodeValue {
  const { type } = error;
  if (error.codes) return choice.refused ?? (isErrorCode(serverCode) ? serverCode : choice.other ?? ErrorCode.UNKNOWN);
  if (type === 'timeout') return choice.timeout ?? ErrorCode.API_CALL_TIMEOUT;
  if (type === 'device' || type === 'permission') return choice.device ?? ErrorCode.INITIALIZE_FAILED;
  return CODES[type] ?? choice.other ?? ErrorCode.UNKNOWN;
}

const CODES: Partial<Record<ErrorType, ErrorCodeValue>> = {
  argument: ErrorCode.INVALID_PARAMETER,
  autoplay: ErrorCode.PLAY_NOT_ALLOWED,
  busy: ErrorCode.SERVER_TIMEOUT,
  network: ErrorCode.SIGNAL_CHANNEL_SETUP_FAILED,
  'not-live': ErrorCode.REMOTE_STREAM_NOT_EXIST,
  removed: ErrorCode.CLIENT_BANNED,
  state: ErrorCode.INVALID_OPERATION,
  unsupported: ErrorCode.NOT_SUPPORTED,
};
