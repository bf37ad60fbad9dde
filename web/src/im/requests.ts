import { Emitter } from '../emitter';
import type { BanList, MemberList, RoomId, UserId } from '../protocol/messages';
import type { Session } from '../signal/session';

/** What is asked of the server about a room's chat, and nothing is kept of. */
export abstract class ChatRequests<Events extends object> extends Emitter<Events> {
  abstract readonly session: Session;
  abstract readonly room: RoomId;

  /** Replaces all shared texts: at most 16, a name of 1 to 32 bytes, a text of up to 4 KB, 16 KB together. */
  async initAttributes(attributes: Record<string, string>): Promise<void> {
    await this.session.request('initAttributes', { room: this.room, attributes });
  }

  /** Adds and overwrites shared texts. */
  async setAttributes(attributes: Record<string, string>): Promise<void> {
    await this.session.request('setAttributes', { room: this.room, attributes });
  }

  /** Takes shared texts away; all of them where none is named. */
  async deleteAttributes(names: string[] = []): Promise<void> {
    await this.session.request('deleteAttributes', { room: this.room, names });
  }

  /** The numbers that the room shares. */
  async counters(): Promise<Record<string, number>> {
    return (await this.session.request('counters', { room: this.room })).counters;
  }

  /** Sets shared numbers: at most 20, a name of 1 to 32 bytes. Gives their new values. */
  async setCounters(counters: Record<string, number>): Promise<Record<string, number>> {
    return (await this.session.request('setCounters', { room: this.room, counters })).counters;
  }

  /** Adds to a shared number, which begins at 0. Gives its new value. */
  async addCounter(name: string, amount: number): Promise<Record<string, number>> {
    return (await this.session.request('addCounter', { room: this.room, name, amount })).counters;
  }

  /** One page of the members, ordered by user. */
  members(after?: UserId, count?: number): Promise<MemberList> {
    return this.session.request('listMembers', { room: this.room, ...pageOf(after, count) });
  }

  /** Removes members and keeps them out for a time (hosts, of those below). Gives those who were found. */
  async kick(users: UserId[], options: { message?: string; banSeconds?: number } = {}): Promise<UserId[]> {
    const most = this.session.login?.limits.usersPerRequest ?? 10;
    const found: UserId[] = [];
    for (let at = 0; at < Math.max(1, users.length); at += most) {
      const part = await this.session.request('kick', { room: this.room, users: users.slice(at, at + most), ...options });
      found.push(...part.users);
    }
    return found;
  }

  /** Lets somebody in again (hosts). */
  async unban(user: UserId): Promise<void> {
    await this.session.request('unban', { room: this.room, user });
  }

  /** One page of those who may not enter (hosts). */
  bans(after?: UserId, count?: number): Promise<BanList> {
    return this.session.request('listBans', { room: this.room, ...pageOf(after, count) });
  }

  /** Keeps a user from sending for `seconds`; 0 lets the user send again (hosts). */
  async mute(user: UserId, seconds: number): Promise<void> {
    await this.session.request('muteUser', { room: this.room, user, seconds });
  }

  /** Keeps everybody but the hosts from sending, or no more (hosts). */
  async muteAll(muted: boolean): Promise<void> {
    await this.session.request('muteAll', { room: this.room, muted });
  }

  /** Makes a member an administrator, or takes it back (the owner). */
  async setAdministrator(user: UserId, isAdministrator: boolean): Promise<void> {
    await this.session.request('setAdministrator', { room: this.room, user, isAdministrator });
  }

  /** Changes title and notice (hosts); what is absent stays. */
  async update(texts: { name?: string; notice?: string }): Promise<void> {
    await this.session.request('updateRoom', { room: this.room, ...texts });
  }
}

/** The fields that name a page of a list. */
export const pageOf = (after?: UserId, count?: number) => ({ ...(after !== undefined && { after }), ...(count !== undefined && { count }) });
