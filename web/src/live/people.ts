import { log } from '../log';
import type { Profile, UserId } from '../protocol/messages';
import type { Session } from '../signal/session';
import type { LiveUserInfo } from './types';

/** The nicks and pictures that a page has heard of. */
export class People {
  readonly #profiles = new Map<UserId, Profile>();

  /** Remembers how a user shows. */
  learn(user: UserId, profile: Profile): void {
    if (profile.nick === '' && profile.avatar === '' && this.#profiles.has(user)) return;
    this.#profiles.delete(user);
    this.#profiles.set(user, profile);
    if (this.#profiles.size > MAX_PROFILES) this.#profiles.delete(this.#profiles.keys().next().value!);
  }

  /** How a user shows, as far as it is known. */
  info(user: UserId): LiveUserInfo {
    const profile = this.#profiles.get(user);
    return { userId: user, userName: profile?.nick ?? '', avatarUrl: profile?.avatar ?? '' };
  }

  knows(user: UserId): boolean {
    return this.#profiles.has(user);
  }

  /** Asks the server for those who are not known. What it does not know stays unknown. */
  async lookUp(session: Session, users: readonly UserId[]): Promise<void> {
    const unknown = [...new Set(users)].filter((user) => !this.#profiles.has(user));
    for (let at = 0; at < unknown.length; at += PAGE) {
      try {
        const { profiles } = await session.request('showProfiles', { users: unknown.slice(at, at + PAGE) });
        for (const { user, profile } of profiles) this.learn(user, profile);
      } catch (thrown) {
        log.warn('live', `profiles: ${String(thrown)}`);
        return;
      }
    }
  }

  forget(): void {
    this.#profiles.clear();
  }
}

/** As many as one request may name. */
const PAGE = 50;

/** A room's audience list and its hosts, with room to spare. */
const MAX_PROFILES = 1_000;
