/**
 * Clients and streams by the names of TRTC. The default export is what `trtc.js` sets as the global `TRTC`.
 *
 * @module weblive/trtc
 */

import { type LogLevel, setLogLevel } from '../log';
import { Client } from './client';
import { ErrorCode } from './codes';
import { LocalStream } from './local-stream';
import { checkSystemRequirements, getCameras, getDevices, getMicrophones, getSpeakers, isScreenShareSupported, isSmallStreamSupported } from './system';
import type { ClientConfig, StreamConfig } from './types';
import { badParameter } from './rtc-error';

/** Makes a client; throws `INVALID_PARAMETER` where a member of the configuration is not allowed. */
export function createClient(config: ClientConfig): Client {
  return new Client(config);
}

/** Makes a local stream; call its `initialize` next. Throws `INVALID_PARAMETER` where the configuration makes no sense. */
export function createStream(config: StreamConfig): LocalStream {
  return new LocalStream(config);
}

/** How much is written to the console. */
export const Logger = {
  LogLevel: { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, NONE: 5 },
  /** From 0 (trace) to 5 (nothing). */
  setLogLevel(level: LogLevel): void {
    if (!Number.isInteger(level) || level < 0 || level > 5) throw badParameter(`setLogLevel: ${String(level)}; allowed is 0 to 5`);
    setLogLevel(level);
  },
  /** Taken for compatibility: logs never leave the page. */
  enableUploadLog(): void {},
  /** Taken for compatibility. */
  disableUploadLog(): void {},
} as const;

/** The version of the interface that this is compatible with. */
export const VERSION = '4.15.22';

/** The global of `trtc.js`. */
const TRTC = {
  VERSION, Logger, ErrorCode, checkSystemRequirements, isScreenShareSupported, isSmallStreamSupported, getDevices, getCameras, getMicrophones, getSpeakers, createClient,
  createStream,
} as const;

export default TRTC;
export { Client, LocalStream, TRTC };
export { ErrorCode, type ErrorCodeName, type ErrorCodeValue } from './codes';
export { RemoteStream } from './remote-stream';
export { RtcError, type RtcErrorDetails, toRtcError } from './rtc-error';
export { Stream } from './stream';
export { checkSystemRequirements, getCameras, getDevices, getMicrophones, getSpeakers, isScreenShareSupported, isSmallStreamSupported, type SystemRequirements } from './system';
export type * from './types';
