import { streamIdOf } from 'weblive';
import { useSession } from './session';

/** The id of what `user` publishes in `room`, as the server that this tab is signed in to names it. */
export function useStreamId(): (room: string, user: string) => string {
  const session = useSession();
  return (room, user) => {
    const number = Number(room);
    // Rooms that have numbers are named without the zeros and signs that a text may have.
    return streamIdOf(session.server.isOpen ? 0 : session.person.sdkAppId, String(number) === room ? number : room, user, 'main');
  };
}
