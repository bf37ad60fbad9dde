import { STREAM_ID } from 'weblive';

/** A recording, as its addresses name it. */
export interface RecordingName {
  stream: string;
  recording: string;
  /** The signature of its address, with its question mark; empty if there is none. */
  signature: string;
}

/** Where its files are, relative to the page, so that they are found behind a proxy that adds to the path. */
export interface RecordingAddresses {
  playlist: string;
  mp4: string;
}

/** What a recorder calls a recording: Unix milliseconds of its beginning, and a random number. */
const RECORDING_ID = /^(\d{13,16})-[\da-f]{8}$/;

/** A name from the parts of an address; null where no server has such a recording. */
export function nameOf(stream: string, recording: string, query: Readonly<Record<string, unknown>>): RecordingName | null {
  if (!STREAM_ID.test(stream) || !RECORDING_ID.test(recording)) return null;
  const { txSecret, txTime } = query;
  const isSigned = typeof txSecret === 'string' && typeof txTime === 'string';
  return { stream, recording, signature: isSigned ? `?${new URLSearchParams({ txSecret, txTime })}` : '' };
}

/** Reads what people paste: the address of a playlist, of a file or of a page, or a stream and a recording. */
export function readName(text: string): RecordingName | null {
  // The page's own address has the name behind its `#`.
  const [path = '', query = ''] = text.trim().replace(/^[^#]*#/, '').split('?', 2);
  const names = path.replace(/\/(index\.m3u8|recording\.mp4)?$/, '').split('/');
  const [stream = '', recording = ''] = names.slice(-2);
  return nameOf(stream, recording, Object.fromEntries(new URLSearchParams(query)));
}

export function addressesOfRecording({ stream, recording, signature }: RecordingName): RecordingAddresses {
  const folder = `recordings/${stream}/${recording}`;
  return { playlist: `${folder}/index.m3u8${signature}`, mp4: `${folder}/recording.mp4${signature}` };
}

/** The page's own path of it. */
export function pageOf({ stream, recording, signature }: RecordingName): string {
  return `/recording/${stream}/${recording}${signature}`;
}

/** When it began, as its name says. */
export function beganAt({ recording }: Pick<RecordingName, 'recording'>): Date | null {
  const ms = Number(RECORDING_ID.exec(recording)?.[1]);
  return Number.isFinite(ms) ? new Date(ms) : null;
}
