import { WebliveError } from '../errors';
import { originOf, server } from '../server';

/** What a `room://` address says. */
export interface RoomAddress {
  sdkAppId: number;
  /** A number, or a name where it came as `strroomid`: 123 and "123" are two rooms. */
  room: number | string;
  userId: string;
  userSig: string;
  /** The stream id of one's own for the relay's addresses. */
  streamId: string | null;
  /** The domain that plays it. */
  liveDomainName: string | null;
  privateMapKey: string | null;
  /** The server's HTTP origin. */
  server: string;
}

/** Whether an address is one of a room. */
export function isRoomUrl(url: string): boolean {
  return url.startsWith(SCHEME);
}

/**
 * Reads `room://` + `k=v` joined by `&`, in any order. Values are taken as they are, without percent-decoding, except
 * that of `server`. Unknown keys are ignored. Throws a {@link WebliveError} that names what is missing.
 */
export function parseRoomUrl(url: string): RoomAddress {
  if (!isRoomUrl(url)) throw new WebliveError('argument', 'Unsupported protocol!', false);
  const values = new Map<string, string>();
  for (const pair of url.slice(SCHEME.length).split('&')) {
    const at = pair.indexOf('=');
    if (at > 0) values.set(pair.slice(0, at), pair.slice(at + 1));
  }
  const sdkAppId = Number.parseInt(values.get('sdkappid') ?? '', 10);
  if (Number.isNaN(sdkAppId)) throw missing('sdkappid', 'a number');
  const userId = values.get('userid');
  if (!userId) throw missing('userid', 'the id of the user');
  const named = values.get('server');
  return {
    sdkAppId,
    room: roomOf(values),
    userId,
    userSig: values.get('usersig') ?? '',
    streamId: values.get('streamid') || null,
    liveDomainName: values.get('livedomainname') || null,
    privateMapKey: values.get('privatemapkey') || null,
    server: named ? originOf(decoded(named)) : server(),
  };
}

function roomOf(values: Map<string, string>): number | string {
  const name = values.get('strroomid');
  if (name) return name;
  const room = Number.parseInt(values.get('roomid') ?? '', 10);
  if (Number.isInteger(room) && room >= 1 && room <= MAX_ROOM) return room;
  throw missing('roomid', `a whole number from 1 to ${MAX_ROOM}; names of rooms go into strroomid`);
}

/** Percent-decoded where that is possible, else as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function missing(key: string, allowed: string): WebliveError {
  return new WebliveError('argument', `room address: ${key} is missing or wrong; allowed is ${allowed}`, false, { allowed });
}

const SCHEME = 'room://';

const MAX_ROOM = 4_294_967_294;
