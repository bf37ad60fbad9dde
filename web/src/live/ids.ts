import type { RoomId } from '../protocol/messages';
import { badArgument } from './error';

/**
 * The room of a live room's id. Live rooms are named by texts, rooms for media by numbers too: a text that is such a
 * number names the room that `room://` addresses and chat groups reach by it.
 */
export function roomOf(liveId: string): RoomId {
  const text = typeof liveId === 'number' ? String(liveId) : liveId;
  if (typeof text !== 'string' || text === '') throw badArgument('liveId: allowed is a text that is not empty');
  const number = Number(text);
  return Number.isInteger(number) && number >= 1 && number <= MAX_NUMBER && String(number) === text ? number : text;
}

/** The live room's id of a room. */
export function liveIdOf(room: RoomId): string {
  return String(room);
}

/**
 * The seconds of a timeout that a page gives. Pages give seconds by the documentation and milliseconds by some
 * typings: what is above 1000 counts as milliseconds. `{}` is none.
 */
export function timeoutOf(timeout: number | undefined): { timeoutSeconds?: number } {
  if (timeout === undefined || timeout === null || timeout === 0) return {};
  if (!Number.isFinite(timeout) || timeout < 0) throw badArgument(`timeout ${timeout}: allowed are seconds from 0 (never)`);
  return { timeoutSeconds: timeout > 1000 ? Math.ceil(timeout / 1000) : Math.ceil(timeout) };
}

/** The seat that a page names; `{}` is any: -1, or none. */
export function seatOf(seatIndex: number | undefined): { seat?: number } {
  if (seatIndex === undefined || seatIndex === null || seatIndex === -1) return {};
  return { seat: indexOf(seatIndex) };
}

/** The seat that a page has to name. */
export function indexOf(seatIndex: number): number {
  if (!Number.isInteger(seatIndex) || seatIndex < 0) throw badArgument(`seatIndex ${seatIndex}: allowed are whole numbers from 0, and -1 for any seat where one is taken`);
  return seatIndex;
}

const MAX_NUMBER = 4_294_967_294;
