import { shared } from '../page';
import type { RoomId } from '../protocol/messages';
import type { Session } from '../signal/session';
import type { ChatRoom } from './room';

/** The chats that the page has entered, by session and room: the server knows them as one, and leaves when the last leaves. */
const entered = shared('chats', () => new WeakMap<Session, Map<RoomId, Set<ChatRoom>>>());

/** Notes that a chat is entered. */
export function join(room: ChatRoom): void {
  let rooms = entered.get(room.session);
  if (!rooms) entered.set(room.session, (rooms = new Map()));
  let set = rooms.get(room.room);
  if (!set) rooms.set(room.room, (set = new Set()));
  set.add(room);
}

/** Notes that a chat is left. */
export function part(room: ChatRoom): void {
  const rooms = entered.get(room.session);
  const set = rooms?.get(room.room);
  set?.delete(room);
  if (set?.size === 0) rooms?.delete(room.room);
}

/** The others of the page in the same room, on the same session. */
export function fellows(room: ChatRoom): ChatRoom[] {
  return [...(entered.get(room.session)?.get(room.room) ?? [])].filter((one) => one !== room);
}
