import { shared } from '../page';
import { type Identity, Session, type Socket } from './session';

/**
 * The sessions of this page. A user has one, whatever on the page needs it: the server ends the older of two sessions
 * of the same user. Each holder releases it; the last one ends it.
 */
export class SessionPool {
  readonly #held = new Map<string, { session: Session; holders: number }>();

  constructor(readonly open?: (url: string) => Socket) {}

  /** The session of `identity`, begun if there is none. Guests get one of their own each time. */
  acquire(identity: Identity): Lease {
    const key = keyOf(identity);
    const held = key === null ? undefined : this.#held.get(key);
    if (held && held.session.state !== 'closed') {
      held.holders += 1;
      if (identity.userSig !== undefined) held.session.renewUserSig(identity.userSig);
      return this.#lease(key, held);
    }
    const session = new Session(identity, this.open);
    const entry = { session, holders: 1 };
    if (key !== null) {
      this.#held.set(key, entry);
      session.on('closed', () => this.#held.get(key) === entry && this.#held.delete(key));
    }
    return this.#lease(key, entry);
  }

  #lease(key: string | null, entry: { session: Session; holders: number }): Lease {
    let isHeld = true;
    const release = async () => {
      if (!isHeld) return;
      isHeld = false;
      entry.holders -= 1;
      if (entry.holders > 0) return;
      if (key !== null && this.#held.get(key) === entry) this.#held.delete(key);
      await entry.session.close();
    };
    return { session: entry.session, release };
  }
}

/** A holder's part in a session. */
export interface Lease {
  readonly session: Session;
  /** Gives it back, once; the session ends with its last holder. */
  release(): Promise<void>;
}

/** The page's sessions, the same for every script of this library on it. */
export const sessions = shared('sessions', () => new SessionPool());

function keyOf({ server, app, user }: Identity): string | null {
  return user === undefined ? null : JSON.stringify([server, app, user]);
}
