import type { LiveInfo } from 'weblive/vue';

/** What the list shows of a live room. */
export interface Poster {
  id: string;
  title: string;
  /** Whose stream it is. */
  owner: string;
  host: string;
  avatar: string;
  cover: string;
  viewers: number;
  hasSeats: boolean;
}

/** What is shown of a room; the host counts as nobody who watches. */
export function posterOf(live: LiveInfo): Poster {
  const host = live.liveOwner.userName || live.liveOwner.userId;
  return {
    id: live.liveId,
    owner: live.liveOwner.userId,
    title: live.liveName || host || live.liveId,
    host,
    avatar: live.liveOwner.avatarUrl,
    cover: live.coverUrl,
    viewers: Math.max(0, live.currentViewerCount - 1),
    hasSeats: live.isSeatEnabled && live.maxSeatCount > 1,
  };
}

/**
 * The most watched first; rooms whose title, host or id has the query in it. A room that a host has made and gone away
 * from stays until it is ended: nobody is in it, and it is not shown.
 */
export function chooseRooms(lives: readonly LiveInfo[], query: string): Poster[] {
  const wanted = query.trim().toLocaleLowerCase();
  const posters = lives.filter((live) => live.isPublicVisible && live.currentViewerCount > 0).map(posterOf);
  const found = wanted === '' ? posters : posters.filter(({ id, title, host }) => [id, title, host].some((text) => text.toLocaleLowerCase().includes(wanted)));
  return found.sort((a, b) => b.viewers - a.viewers || a.title.localeCompare(b.title));
}
