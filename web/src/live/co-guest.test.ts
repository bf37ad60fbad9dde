import { describe, expect, test, vi } from 'vitest';
import { NoResponseReason } from './enums';
import { LiveError } from './error';
import { CoGuestEvent, CoHostEvent, GuestEvent, HostEvent } from './events';
import { LiveFixture, profileOf, seat, settle, shownAs } from './fixture';

const EVENTS = { ...HostEvent, ...GuestEvent };

/** A page in the room, and all that its co-guest state has told. */
async function pageOf(user: string): Promise<{ page: LiveFixture; told: [string, unknown][] }> {
  const page = new LiveFixture();
  await page.join(user);
  const told: [string, unknown][] = [];
  for (const name of Object.values(EVENTS)) page.context.coGuest.subscribeEvent(name, (info) => told.push([name, info]));
  return { page, told };
}

describe('names of events', () => {
  test('are their own values, in both spellings', () => {
    expect(CoGuestEvent).toBe(GuestEvent);
    for (const [name, value] of Object.entries({ ...HostEvent, ...GuestEvent, ...CoHostEvent })) expect(value).toBe(name);
    expect(CoHostEvent).toMatchObject(HostEvent);
    expect(Object.keys(CoHostEvent)).toContain('onCoHostRequestReceived');
  });
});

describe('a guest', () => {
  test.each([
    [{ seatIndex: -1, timeout: 30 }, { timeoutSeconds: 30 }],
    [{ seatIndex: 2, timeout: 0 }, { seat: 2 }],
    [{}, {}],
    [{ seatIndex: 0, timeout: 30_000 }, { seat: 0, timeoutSeconds: 30 }],
    [{ timeout: 1000 }, { timeoutSeconds: 1000 }],
    [{ timeout: 1001 }, { timeoutSeconds: 2 }],
    [{ timeout: 0.2 }, { timeoutSeconds: 1 }],
  ])('applies with %j, in seconds, or milliseconds above a thousand', async (params, fields) => {
    const { page, told } = await pageOf('gina');
    await page.context.coGuest.applyForSeat(params);
    expect(page.asked('applyForSeat')).toEqual([{ room: 'show', ...fields }]);
    expect(told).toEqual([]);
  });

  test('is told at once where seats are free to take', async () => {
    const { page, told } = await pageOf('gina');
    page.server.answers['applyForSeat'] = () => ({ result: { seat: 1 } });
    await page.context.coGuest.applyForSeat({ seatIndex: 1, timeout: 30 });
    expect(told).toEqual([['onGuestApplicationResponded', { isAccept: true, hostUser: shownAs('olga') }]]);
  });

  test('learns of a refusal with its code, by the promise and by event', async () => {
    const { page, told } = await pageOf('gina');
    page.server.answers['applyForSeat'] = () => ({ refused: 'allSeatsOccupied' });
    const error: unknown = await page.context.coGuest.applyForSeat({ seatIndex: -1, timeout: 30 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LiveError);
    // The fixture's server gives 2 as the code of live rooms.
    expect(error).toMatchObject({ code: 2, reason: 'allSeatsOccupied' });
    expect(told).toEqual([['onGuestApplicationError', { code: 2, message: (error as Error).message }]]);
  });

  test.each([[{ seatIndex: 1.5 }], [{ seatIndex: -2 }], [{ timeout: -1 }], [{ timeout: Number.NaN }]])('is not let out with %j', async (params) => {
    const { page } = await pageOf('gina');
    await expect(page.context.coGuest.applyForSeat(params)).rejects.toMatchObject({ code: -1001, type: 'argument' });
    expect(page.asked('applyForSeat')).toEqual([]);
  });

  test('takes an application back, and need not have one', async () => {
    const { page } = await pageOf('gina');
    page.server.answers['cancelApplication'] = () => ({ refused: 'notApplied' });
    await page.context.coGuest.cancelApplication();
    expect(page.asked('cancelApplication')).toEqual([{ room: 'show' }]);
    page.server.answers['cancelApplication'] = () => ({ refused: 'noSeats' });
    await expect(page.context.coGuest.cancelApplication()).rejects.toMatchObject({ reason: 'noSeats' });
  });

  test('is told how it ends', async () => {
    const { page, told } = await pageOf('gina');
    page.tell('applicationAnswered', { accepted: false, host: 'olga' });
    page.tell('applicationUnanswered', { reason: 'timeout' });
    page.tell('applicationUnanswered', { reason: 'alreadySeated' });
    page.tell('kickedOffSeat', { seat: 1, host: 'olga' });
    page.tell('kickedOffSeat', { seat: 2, host: null });
    expect(told).toEqual([
      ['onGuestApplicationResponded', { isAccept: false, hostUser: shownAs('olga') }],
      ['onGuestApplicationNoResponse', { reason: 0 }],
      ['onGuestApplicationNoResponse', { reason: 1 }],
      ['onKickedOffSeat', { seatIndex: 1, hostUser: shownAs('olga') }],
      ['onKickedOffSeat', { seatIndex: 2, hostUser: { userId: '', userName: '', avatarUrl: '' } }],
    ]);
  });

  test('answers invitations, and stands up', async () => {
    const { page, told } = await pageOf('gina');
    page.tell('invitationReceived', { host: 'paul', profile: profileOf('paul'), seat: null });
    page.tell('invitationEnded', { host: 'paul', result: 'cancelled' });
    const { acceptInvitation, rejectInvitation, disConnect } = page.context.coGuest;
    await acceptInvitation({ inviterId: 'paul' });
    await rejectInvitation({ inviterId: 'paul' });
    await disConnect();
    expect(told).toEqual([
      ['onHostInvitationReceived', { hostUser: shownAs('paul') }],
      ['onHostInvitationCancelled', { hostUser: shownAs('paul') }],
    ]);
    expect(page.asked('answerInvitation')).toEqual([{ room: 'show', host: 'paul', accept: true }, { room: 'show', host: 'paul', accept: false }]);
    expect(page.asked('leaveSeat')).toEqual([{ room: 'show' }]);
  });
});

describe('a host', () => {
  test('sees who applies, and answers', async () => {
    const { page, told } = await pageOf('olga');
    page.tell('applicationReceived', { guest: 'gina', profile: profileOf('gina'), seat: null });
    page.tell('applicationReceived', { guest: 'ben', profile: profileOf('ben'), seat: 2 });
    expect(page.context.coGuest.applicants.value).toEqual([shownAs('gina'), shownAs('ben')]);
    await page.context.coGuest.acceptApplication({ userId: 'gina' });
    await page.context.coGuest.rejectApplication({ userId: 'ben' });
    expect(page.asked('answerApplication')).toEqual([{ room: 'show', guest: 'gina', accept: true }, { room: 'show', guest: 'ben', accept: false }]);
    expect(page.context.coGuest.applicants.value).toEqual([]);
    expect(told).toEqual([
      ['onGuestApplicationReceived', { guestUser: shownAs('gina') }],
      ['onGuestApplicationReceived', { guestUser: shownAs('ben') }],
    ]);
  });

  test('answering nobody is nothing; a seat that is gone is an error and leaves the application open', async () => {
    const { page } = await pageOf('olga');
    page.server.answers['answerApplication'] = () => ({ refused: 'notApplied' });
    await page.context.coGuest.acceptApplication({ userId: 'nobody' });
    page.tell('applicationReceived', { guest: 'gina', profile: profileOf('gina'), seat: 1 });
    page.server.answers['answerApplication'] = () => ({ refused: 'seatOccupied' });
    await expect(page.context.coGuest.acceptApplication({ userId: 'gina' })).rejects.toMatchObject({ reason: 'seatOccupied' });
    expect(page.context.coGuest.applicants.value).toEqual([shownAs('gina')]);
  });

  test.each([
    [{ result: 'cancelled', host: null }, ['onGuestApplicationCancelled', { guestUser: shownAs('gina') }]],
    [{ result: 'left', host: null }, ['onGuestApplicationCancelled', { guestUser: shownAs('gina') }]],
    [{ result: 'timeout', host: null }, ['onGuestApplicationCancelled', { guestUser: shownAs('gina') }]],
    [{ result: 'accepted', host: 'paul' }, ['onGuestApplicationProcessedByOtherHost', { guestUser: shownAs('gina'), hostUser: { userId: 'paul', userName: '', avatarUrl: '' } }]],
    [{ result: 'rejected', host: 'olga' }, ['onGuestApplicationProcessedByOtherHost', { guestUser: shownAs('gina'), hostUser: shownAs('olga') }]],
  ])('is told that an application is over: %j', async (end, event) => {
    const { page, told } = await pageOf('olga');
    page.tell('applicationReceived', { guest: 'gina', profile: profileOf('gina'), seat: null });
    page.tell('applicationEnded', { guest: 'gina', ...end });
    expect(page.context.coGuest.applicants.value).toEqual([]);
    expect(told.slice(1)).toEqual([event]);
  });

  test('invites, and is told how it ends', async () => {
    const { page, told } = await pageOf('olga');
    const { inviteToSeat, cancelInvitation, invitees } = { ...page.context.coGuest, invitees: page.context.coGuest.invitees };
    page.tell('profileChanged', { user: 'gina', profile: profileOf('gina') });
    for (const userId of ['gina', 'ben', 'carl', 'dora', 'ed']) await inviteToSeat({ userId, seatIndex: userId === 'gina' ? 1 : -1, timeout: 15 });
    expect(page.asked('inviteToSeat').slice(0, 2)).toEqual([
      { room: 'show', guest: 'gina', seat: 1, timeoutSeconds: 15 }, { room: 'show', guest: 'ben', timeoutSeconds: 15 },
    ]);
    expect(invitees.value).toEqual(['gina', 'ben', 'carl', 'dora', 'ed'].map(shownAs));
    page.tell('invitationAnswered', { guest: 'gina', accepted: true });
    page.tell('invitationUnanswered', { guest: 'ben', reason: 'timeout' });
    page.tell('invitationUnanswered', { guest: 'carl', reason: 'alreadySeated' });
    page.tell('invitationUnanswered', { guest: 'dora', reason: 'left' });
    await cancelInvitation({ inviteeId: 'ed' });
    expect(invitees.value).toEqual([]);
    expect(page.asked('cancelInvitation')).toEqual([{ room: 'show', guest: 'ed' }]);
    // Whom the page had not heard of it has asked for.
    expect(page.asked('showProfiles').map(({ users }) => users)).toEqual([['ben'], ['carl'], ['dora'], ['ed']]);
    expect(told).toEqual([
      ['onHostInvitationResponded', { isAccept: true, guestUser: shownAs('gina') }],
      ['onHostInvitationNoResponse', { guestUser: shownAs('ben'), reason: NoResponseReason.timeout }],
      ['onHostInvitationNoResponse', { guestUser: shownAs('carl'), reason: NoResponseReason.alreadySeated }],
      ['onHostInvitationNoResponse', { guestUser: shownAs('dora'), reason: NoResponseReason.Timeout }],
    ]);
  });

  test('has nobody left when the live ends', async () => {
    const { page } = await pageOf('olga');
    await page.context.coGuest.inviteToSeat({ userId: 'ben', timeout: 0 });
    page.tell('applicationReceived', { guest: 'gina', profile: profileOf('gina'), seat: null });
    expect(page.context.coGuest.connected.value.map(({ userId }) => userId)).toEqual(['olga']);
    await page.context.liveList.endLive();
    const { applicants, invitees, connected, candidates } = page.context.coGuest;
    expect([applicants.value, invitees.value, connected.value, candidates.value]).toEqual([[], [], [], []]);
  });
});

test('whoever sits is connected', async () => {
  const { page } = await pageOf('zoe');
  const seen = vi.fn();
  page.context.coGuest.connected.subscribe(seen);
  page.tell('seatsChanged', { seats: [seat(0, 'olga', 'owner'), seat(1, 'gina'), seat(2)] });
  expect(seen).toHaveBeenCalledTimes(1);
  expect(page.context.coGuest.connected.value).toMatchObject([{ ...shownAs('olga'), role: 0 }, { ...shownAs('gina'), role: 2, liveId: 'show' }]);
});

test('a callback that was unsubscribed is told no more', async () => {
  const { page } = await pageOf('olga');
  const [kept, ended] = [vi.fn(), vi.fn()];
  for (const callback of [kept, ended]) page.context.coGuest.subscribeEvent(HostEvent.onGuestApplicationReceived, callback);
  page.context.coGuest.unsubscribeEvent(HostEvent.onGuestApplicationReceived, ended);
  page.tell('applicationReceived', { guest: 'gina', profile: profileOf('gina'), seat: null });
  await settle();
  expect(kept).toHaveBeenCalledTimes(1);
  expect(ended).not.toHaveBeenCalled();
});

test('outside of a room every method says so', async () => {
  const page = new LiveFixture();
  await expect(page.context.coGuest.applyForSeat({})).rejects.toMatchObject({ type: 'state', code: -1 });
  await page.login('gina');
  const { coGuest, seat: seats } = page.context;
  await expect(coGuest.inviteToSeat({ userId: 'ben' })).rejects.toThrow('join a live room first');
  for (const call of [() => coGuest.applyForSeat({}), () => coGuest.acceptApplication({ userId: 'ben' }), () => coGuest.disConnect(), () => seats.takeSeat({ seatIndex: 1 })]) {
    await expect(call()).rejects.toMatchObject({ code: 100_005 });
  }
  // There is nothing to be taken back.
  await coGuest.cancelApplication();
  expect(page.asked('cancelApplication')).toEqual([]);
});

describe('a host who comes back', () => {
  const open = [
    { guest: 'gina', profile: profileOf('gina'), seat: 1 },
    { guest: 'ben', profile: profileOf('ben'), seat: null },
  ];

  test('after a reload sees who applies, and can answer', async () => {
    const page = new LiveFixture();
    page.entered = { applications: open };
    const received: unknown[] = [];
    page.context.coGuest.subscribeEvent('onGuestApplicationReceived', ({ guestUser }) => received.push(guestUser));
    await page.join('olga');
    expect(page.context.coGuest.applicants.value).toEqual([shownAs('gina'), shownAs('ben')]);
    expect(received).toEqual([shownAs('gina'), shownAs('ben')]);
    await page.context.coGuest.acceptApplication({ userId: 'gina' });
    expect(page.context.coGuest.applicants.value).toEqual([shownAs('ben')]);
  });

  test('after a lost session sees who applies now', async () => {
    vi.useFakeTimers();
    const { page, told } = await pageOf('olga');
    page.tell('applicationReceived', { ...open[0] });
    page.tell('applicationReceived', { guest: 'rob', profile: profileOf('rob'), seat: null });
    await page.context.coGuest.inviteToSeat({ userId: 'ida' });
    told.length = 0;
    page.entered = { applications: open };
    page.server.cut({ knows: false });
    await vi.advanceTimersByTimeAsync(1_000);
    vi.useRealTimers();
    expect(page.context.coGuest.applicants.value).toEqual([shownAs('gina'), shownAs('ben')]);
    expect(page.context.coGuest.invitees.value).toEqual([]);
    expect(told).toEqual([
      ['onGuestApplicationReceived', { guestUser: shownAs('ben') }], ['onGuestApplicationCancelled', { guestUser: shownAs('rob') }],
    ]);
  });
});
