import type { UserId, UserProfile } from '../protocol/messages';
import type { Session } from '../signal/session';

/** How users show, there or not; of those who are known. Not for guests. */
export async function showProfiles(session: Session, users: readonly UserId[]): Promise<UserProfile[]> {
  const wanted = [...new Set(users)];
  const parts: Promise<{ profiles: UserProfile[] }>[] = [];
  for (let at = 0; at < wanted.length; at += MOST) parts.push(session.request('showProfiles', { users: wanted.slice(at, at + MOST) }));
  return (await Promise.all(parts)).flatMap(({ profiles }) => profiles);
}

/** Users in one request. */
const MOST = 50;
