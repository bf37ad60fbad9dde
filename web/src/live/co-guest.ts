import type { ApplicationView, NoResponse, UserId } from '../protocol/messages';
import type { LiveCore } from './core';
import { NoResponseReason } from './enums';
import type { LiveError } from './error';
import { type CoGuestEvents, Subscribable } from './events';
import { seatOf, timeoutOf } from './ids';
import type { LiveSeatState } from './live-seat';
import { Cell, type Store } from './store';
import type { LiveUserInfo, SeatUserInfo } from './types';

/**
 * Guests come to seats: they apply, or are invited. The methods resolve when the server has taken the request; how it
 * ends is told by events. A seat is not media: who sits opens camera and microphone of the device state.
 */
export class CoGuestState extends Subscribable<CoGuestEvents> {
  readonly #core: LiveCore;
  readonly #seats: LiveSeatState;
  readonly #connected = new Cell<SeatUserInfo[]>([]);
  readonly #applicants = new Cell<LiveUserInfo[]>([]);
  readonly #invitees = new Cell<LiveUserInfo[]>([]);
  readonly #candidates = new Cell<LiveUserInfo[]>([]);

  constructor(core: LiveCore, seats: LiveSeatState) {
    super();
    this.#core = core;
    this.#seats = seats;
    seats.seatList.subscribe((list) => this.#connected.set(list.flatMap(({ userInfo }) => userInfo ?? [])));
    core.on('view', ({ applications = [] }) => this.#take(applications));
    core.on('left', () => {
      this.#applicants.set([]);
      this.#invitees.set([]);
    });
    this.#hearAsHost();
    this.#hearAsGuest();
  }

  /** Who sits on a seat. */
  get connected(): Store<SeatUserInfo[]> {
    return this.#connected;
  }

  /** Hosts: who applies for a seat, the first one first. */
  get applicants(): Store<LiveUserInfo[]> {
    return this.#applicants;
  }

  /** Hosts: whom one has invited, and who has not answered. */
  get invitees(): Store<LiveUserInfo[]> {
    return this.#invitees;
  }

  /** Always empty. */
  get candidates(): Store<LiveUserInfo[]> {
    return this.#candidates;
  }

  /** Applies for a seat (-1 is any); `timeout` in seconds, 0 is never. Where seats are free to take one sits down at once. */
  readonly applyForSeat = async (params: { seatIndex?: number; timeout?: number } = {}): Promise<void> => {
    const fields = { ...seatOf(params.seatIndex), ...timeoutOf(params.timeout) };
    const live = this.#core.needRoom('applyForSeat');
    try {
      const { seat } = await this.#core.ask('applyForSeat', 'applyForSeat', fields);
      const host = live.info.owner;
      if (seat === undefined || host === null || host === this.#core.user) return;
      // Nobody had to be asked; pages wait for the event all the same.
      this.emit('onGuestApplicationResponded', { isAccept: true, hostUser: this.#core.people.info(host) });
    } catch (thrown) {
      const { code, message } = thrown as LiveError;
      this.emit('onGuestApplicationError', { code, message });
      throw thrown;
    }
  };

  /** Takes one's application back; nothing where there is none, also outside of a room. */
  readonly cancelApplication = async (): Promise<void> => {
    if (this.#core.room) await this.#core.ask('cancelApplication', 'cancelApplication', {}).then(nothing, ignoreGone);
  };

  /** Gives an applicant the seat (hosts); nothing where there is no such application. */
  readonly acceptApplication = ({ userId }: { userId: string }): Promise<void> => this.#answer(userId, true);

  /** Refuses an application (hosts); nothing where there is none. */
  readonly rejectApplication = ({ userId }: { userId: string }): Promise<void> => this.#answer(userId, false);

  /** Invites somebody to a seat (hosts; -1 is any); `timeout` in seconds, 0 is never. */
  readonly inviteToSeat = async (params: { userId: string; seatIndex?: number; timeout?: number }): Promise<void> => {
    const { userId } = params;
    await this.#core.ask('inviteToSeat', 'inviteToSeat', { guest: userId, ...seatOf(params.seatIndex), ...timeoutOf(params.timeout) });
    const { people, room, session } = this.#core;
    this.#invitees.set([...without(this.#invitees.value, userId), people.info(userId)]);
    if (!session || people.knows(userId)) return;
    // Whoever came into a large room has not shown a name here yet.
    await people.lookUp(session, [userId]);
    if (this.#core.room === room) this.#invitees.set(this.#invitees.value.map((user) => people.info(user.userId)));
  };

  /** Takes an invitation back (hosts); nothing where there is none. */
  readonly cancelInvitation = async ({ inviteeId }: { inviteeId: string }): Promise<void> => {
    await this.#core.ask('cancelInvitation', 'cancelInvitation', { guest: inviteeId }).then(nothing, ignoreGone);
    this.#invitees.set(without(this.#invitees.value, inviteeId));
  };

  /** Sits down where one is invited to. */
  readonly acceptInvitation = async ({ inviterId }: { inviterId: string }): Promise<void> => {
    await this.#core.ask('acceptInvitation', 'answerInvitation', { host: inviterId, accept: true });
  };

  /** Refuses an invitation. */
  readonly rejectInvitation = async ({ inviterId }: { inviterId: string }): Promise<void> => {
    await this.#core.ask('rejectInvitation', 'answerInvitation', { host: inviterId, accept: false }).then(nothing, ignoreGone);
  };

  /** Leaves the seat. */
  readonly disConnect = (): Promise<void> => this.#seats.leaveSeat();

  /** What is open, for a host who has come, or has come back: the invitations of one who was away are taken back. */
  #take(applications: ApplicationView[]): void {
    const { people } = this.#core;
    for (const { guest, profile } of applications) people.learn(guest, profile);
    const before = this.#applicants.value;
    const now = applications.map(({ guest }) => people.info(guest));
    if (before.length + now.length > 0) this.#applicants.set(now);
    if (this.#invitees.value.length > 0) this.#invitees.set([]);
    for (const guestUser of now) if (!has(before, guestUser)) this.emit('onGuestApplicationReceived', { guestUser });
    for (const guestUser of before) if (!has(now, guestUser)) this.emit('onGuestApplicationCancelled', { guestUser });
  }

  async #answer(guest: UserId, accept: boolean): Promise<void> {
    try {
      await this.#core.ask(accept ? 'acceptApplication' : 'rejectApplication', 'answerApplication', { guest, accept });
    } catch (thrown) {
      ignoreGone(thrown as LiveError);
    }
    this.#applicants.set(without(this.#applicants.value, guest));
  }

  #hearAsHost(): void {
    const { people } = this.#core;
    this.#core.hear('applicationReceived', ({ guest, profile }) => {
      people.learn(guest, profile);
      const guestUser = people.info(guest);
      this.#applicants.set([...without(this.#applicants.value, guest), guestUser]);
      this.emit('onGuestApplicationReceived', { guestUser });
    });
    this.#core.hear('applicationEnded', ({ guest, result, host }) => {
      this.#applicants.set(without(this.#applicants.value, guest));
      const guestUser = people.info(guest);
      if (host !== null) this.emit('onGuestApplicationProcessedByOtherHost', { guestUser, hostUser: people.info(host) });
      else if (result !== 'accepted' && result !== 'rejected') this.emit('onGuestApplicationCancelled', { guestUser });
    });
    this.#core.hear('invitationAnswered', ({ guest, accepted }) => {
      this.#invitees.set(without(this.#invitees.value, guest));
      this.emit('onHostInvitationResponded', { isAccept: accepted, guestUser: people.info(guest) });
    });
    this.#core.hear('invitationUnanswered', ({ guest, reason }) => {
      this.#invitees.set(without(this.#invitees.value, guest));
      this.emit('onHostInvitationNoResponse', { guestUser: people.info(guest), reason: reasonOf(reason) });
    });
  }

  #hearAsGuest(): void {
    const { people } = this.#core;
    this.#core.hear('invitationReceived', ({ host, profile }) => {
      people.learn(host, profile);
      this.emit('onHostInvitationReceived', { hostUser: people.info(host) });
    });
    this.#core.hear('invitationEnded', ({ host }) => this.emit('onHostInvitationCancelled', { hostUser: people.info(host) }));
    this.#core.hear('applicationAnswered', ({ accepted, host }) => {
      this.emit('onGuestApplicationResponded', { isAccept: accepted, hostUser: people.info(host) });
    });
    this.#core.hear('applicationUnanswered', ({ reason }) => this.emit('onGuestApplicationNoResponse', { reason: reasonOf(reason) }));
    // The operator is shown as a user without a name.
    this.#core.hear('kickedOffSeat', ({ seat, host }) => this.emit('onKickedOffSeat', { seatIndex: seat, hostUser: people.info(host ?? '') }));
  }
}

const has = (users: LiveUserInfo[], { userId }: LiveUserInfo) => users.some((user) => user.userId === userId);

const without = (users: LiveUserInfo[], userId: UserId) => users.filter((user) => user.userId !== userId);

const nothing = () => undefined;

/** One who has left does not answer either. */
const reasonOf = (reason: NoResponse) => (reason === 'alreadySeated' ? NoResponseReason.AlreadySeated : NoResponseReason.Timeout);

function ignoreGone(error: LiveError): void {
  if (error.reason !== 'notApplied') throw error;
}
