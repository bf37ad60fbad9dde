import { WebliveError, type ErrorType } from '../errors';

/** What calls reject with: a documented code and a sentence. */
export class TimError extends Error {
  override readonly name = 'TimError';

  constructor(
    readonly code: number,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Codes that this interface gives by itself; the server gives those of {@link WebliveError.codes}. */
export const Code = {
  notLoggedIn: 2024,
  repeatLogin: 2025,
  sendFailed: 2100,
  notInGroup: 2101,
  imageMissing: 2251,
  noEdit: 2481,
  noSuchGroup: 2603,
  notMember: 2623,
  noInvitation: 2661,
  loginForGroup: 2662,
  network: 2800,
  timeout: 2801,
  server: 2805,
  rate: 2996,
  notReady: 2999,
  badValue: 10004,
  userSigExpired: 70001,
} as const;

/** A value that the page has given. */
export function badValue(what: string, value: unknown, allowed: string | number, code: number = Code.badValue): TimError {
  return new TimError(code, `${what} ${String(value)} is not allowed; allowed is ${allowed}`);
}

/** Whatever was thrown, as this interface knows it. */
export function toTimError(thrown: unknown, fallback: number = Code.sendFailed): TimError {
  if (thrown instanceof TimError) return thrown;
  if (thrown instanceof WebliveError) return new TimError(thrown.codes?.chat ?? BY_TYPE[thrown.type] ?? fallback, thrown.message, { cause: thrown });
  return new TimError(fallback, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

const BY_TYPE: Partial<Record<ErrorType, number>> = {
  network: Code.network,
  timeout: Code.timeout,
  busy: Code.rate,
  http: Code.server,
  unsupported: Code.network,
  connection: Code.network,
  argument: Code.badValue,
  removed: Code.notLoggedIn,
};
