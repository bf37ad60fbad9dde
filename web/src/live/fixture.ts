import type { Entered, MemberView, Publication, Rank, RoomInfo, SeatView, UserId } from '../protocol/messages';
import { FakeServer, type Frame } from '../signal/fake-server';
import { SessionPool } from '../signal/pool';
import { LiveContext } from './context';

/** A room as the server of unit tests has it, and a page that is in it. */
export class LiveFixture {
  readonly server = new FakeServer();
  readonly context = new LiveContext(new SessionPool(this.server.open));
  info: RoomInfo = {
    room: 'show', name: 'Evening show', notice: 'be kind', introduction: '', cover: '/images/show.png', hidden: false, owner: 'olga', scene: 'live', online: 2, totalEntered: 7,
    seats: { count: 3, mode: 'applyToTake', keepOwnerOnSeat: true }, createdAt: 1_700_000_000_000,
  };
  seats: SeatView[] = [seat(0, 'olga', 'owner'), seat(1), seat(2)];
  anchors: MemberView[] = [];
  history: unknown[] = [];
  members: MemberView[] = [];
  attributes: Record<string, string> = {};
  /** What an answer to one who enters has beside all that. */
  entered: Partial<Entered> = {};

  constructor() {
    const { answers } = this.server;
    answers['setProfile'] = (frame) => ({ result: frame['profile'] });
    answers['showRoom'] = (frame) => ({ result: { ...this.info, room: frame['room'] } });
    answers['enterRoom'] = (frame) => ({
      result: {
        info: { ...this.info, room: frame['room'] }, already: false, role: frame['part'] === 'media' ? (frame['role'] ?? 'audience') : null,
        anchors: this.anchors, seats: this.seats, coHosts: [], history: this.history, ...this.entered,
      },
    });
    answers['attributes'] = () => ({ result: { attributes: this.attributes } });
    answers['listMembers'] = () => ({ result: { members: this.members, more: false } });
    answers['listMutes'] = () => ({ result: { allMuted: false, users: [] } });
    answers['showProfiles'] = (frame) => ({
      result: { profiles: (frame['users'] as UserId[]).map((user) => ({ user, profile: profileOf(user), details: { gender: '', selfSignature: '' } })) },
    });
    for (const type of ['takeSeat', 'applyForSeat', 'answerApplication', 'answerInvitation', 'moveSeat', 'moveUser']) answers[type] = () => ({ result: {} });
  }

  /** Logs `user` in. */
  async login(user: string): Promise<void> {
    await this.context.login.login({ sdkAppId: 0, userId: user, server: 'http://live.test', userName: user.toUpperCase() });
  }

  /** Logs `user` in and joins the room; requests so far are forgotten. */
  async join(user: string, liveId = 'show'): Promise<void> {
    await this.login(user);
    await this.context.liveList.joinLive({ liveId });
    await settle();
    this.server.requests.length = 0;
  }

  /** Tells an event of the room. */
  tell(event: string, fields: Record<string, unknown> = {}): void {
    this.server.tell({ event, room: this.info.room, ...fields });
  }

  /** The fields of the requests of a type so far. */
  asked(type: string): Record<string, unknown>[] {
    return this.server.asked(type).map(({ id: _, type: __, ...fields }: Frame) => fields);
  }
}

/** A seat, taken or free. */
export function seat(index: number, user?: UserId, rank: Rank = 'generalUser', more: Partial<SeatView> = {}): SeatView {
  return {
    index, isLocked: false, isAudioLocked: false, isVideoLocked: false,
    user: user === undefined ? null : { user, profile: profileOf(user), rank, microphoneOn: true, cameraOn: false, away: false },
    ...more,
  };
}

/** An anchor who publishes sound and picture. */
export function anchor(user: UserId, rank: Rank = 'generalUser', main: Publication | null = BOTH): MemberView {
  return { user, profile: profileOf(user), rank, role: 'anchor', tracks: { main, aux: null } };
}

export const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };

export const profileOf = (user: UserId) => ({ nick: user.toUpperCase(), avatar: `/images/${user}.png` });

/** How a user is shown. */
export const shownAs = (user: UserId) => ({ userId: user, userName: user.toUpperCase(), avatarUrl: `/images/${user}.png` });

/** Lets everything happen that waits for nothing but the fake server. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
}
