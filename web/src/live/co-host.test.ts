import { describe, expect, test } from 'vitest';
import { CoHostLayoutTemplate, CoHostStatus } from './enums';
import { type CoHostEvents, CoHostEvent } from './events';
import { anchor, BOTH, LiveFixture, settle, shownAs } from './fixture';

const NAMES = Object.values(CoHostEvent).filter((name) => name.startsWith('onCoHost')) as (keyof CoHostEvents)[];

async function host(): Promise<{ page: LiveFixture; told: [string, Record<string, { userId?: string; liveId?: string }>][] }> {
  const page = new LiveFixture();
  await page.join('olga');
  page.server.answers['showRoom'] = (frame) => ({ result: { ...page.info, room: frame['room'], owner: frame['room'] === 'next door' ? 'hugo' : 'ida' } });
  const told: [string, never][] = [];
  for (const name of NAMES) page.context.coHost.subscribeEvent(name, (info) => told.push([name, info as never]));
  return { page, told };
}

const view = (room: string, owner: string, isMuted = false) => ({ room, owner, isMuted, anchors: [anchor(owner, 'owner', { ...BOTH, videoMuted: true })] });

describe('asking another room', () => {
  test('goes out with its timeout, and ends as the other side says', async () => {
    const { page, told } = await host();
    const { requestHostConnection, invitees } = { ...page.context.coHost, invitees: page.context.coHost.invitees };
    const codes = await requestHostConnection({ liveId: 'next door', layoutTemplate: CoHostLayoutTemplate.HostDynamicGrid, timeout: 20, extensionInfo: 'shall we?' });
    expect([...codes]).toEqual([['next door', 0]]);
    await requestHostConnection({ liveId: '12' });
    await requestHostConnection({ liveId: 'far', layoutTemplate: 400, timeout: 0 });
    await requestHostConnection({ liveId: 'over', timeout: 0 });
    expect(page.asked('requestCoHost')).toEqual([
      { room: 'show', other: 'next door', timeoutSeconds: 20, extension: 'shall we?' },
      { room: 'show', other: 12, timeoutSeconds: 30 },
      { room: 'show', other: 'far' },
      { room: 'show', other: 'over' },
    ]);
    expect(invitees.value.map(({ liveId, userId }) => [liveId, userId])).toEqual([['next door', 'hugo'], ['12', 'ida'], ['far', 'ida'], ['over', 'ida']]);
    page.tell('coHostRequestEnded', { other: 'next door', sent: true, result: 'accepted' });
    page.tell('coHostRequestEnded', { other: 12, sent: true, result: 'rejected' });
    page.tell('coHostRequestEnded', { other: 'far', sent: true, result: 'timeout' });
    page.tell('coHostRequestEnded', { other: 'over', sent: true, result: 'left' });
    expect(invitees.value).toEqual([]);
    expect(told.map(([name, info]) => [name, info['invitee']?.liveId, info['inviter']?.userId])).toEqual([
      ['onCoHostRequestAccepted', 'next door', undefined], ['onCoHostRequestRejected', '12', undefined], ['onCoHostRequestTimeout', 'far', 'olga'],
      ['onCoHostRequestTimeout', 'over', 'olga'],
    ]);
    expect(told[0]![1]['invitee']).toMatchObject({ ...shownAs('hugo'), role: 0 });
  });

  test.each([
    ['noSuchRoom', 1], ['coHostPending', 2], ['coHostConnected', 2], ['coHostElsewhere', 3], ['coHostFull', 4], ['busy', 5], ['tooFast', 5],
  ] as const)('that is refused with %s is the code %i', async (reason, code) => {
    const { page } = await host();
    page.server.answers['requestCoHost'] = () => ({ refused: reason });
    expect([...await page.context.coHost.requestHostConnection({ liveId: 'far', timeout: 30 })]).toEqual([['far', code]]);
    expect(page.context.coHost.invitees.value).toEqual([]);
  });

  test('without the right to rejects, and so does a layout that there is not', async () => {
    const { page } = await host();
    page.server.answers['requestCoHost'] = () => ({ refused: 'noPermission' });
    await expect(page.context.coHost.requestHostConnection({ liveId: 'far' })).rejects.toMatchObject({ reason: 'noPermission' });
    await expect(page.context.coHost.requestHostConnection({ liveId: 'far', layoutTemplate: 7 as 600 })).rejects.toMatchObject({ code: -1001 });
  });

  test('is taken back', async () => {
    const { page } = await host();
    await page.context.coHost.requestHostConnection({ liveId: 'far' });
    await page.context.coHost.cancelHostConnection({ liveId: 'far' });
    expect(page.asked('cancelCoHost')).toEqual([{ room: 'show', other: 'far' }]);
    expect(page.context.coHost.invitees.value).toEqual([]);
  });
});

describe('being asked', () => {
  test('tells who asks, one after the other, and answers', async () => {
    const { page, told } = await host();
    const { coHost } = page.context;
    page.tell('coHostRequested', { other: 'next door', extension: 'shall we?' });
    page.tell('coHostRequested', { other: 'far', extension: '' });
    await settle();
    expect(told.map(([name, info]) => [name, info['inviter']?.userId, info['extensionInfo']])).toEqual([
      ['onCoHostRequestReceived', 'hugo', 'shall we?'], ['onCoHostRequestReceived', 'ida', ''],
    ]);
    expect(coHost.applicant.value).toMatchObject({ liveId: 'next door', ...shownAs('hugo') });
    await coHost.acceptHostConnection({ liveId: 'next door' });
    expect(coHost.applicant.value?.liveId).toBe('far');
    await coHost.rejectHostConnection({ liveId: 'far' });
    expect(coHost.applicant.value).toBeNull();
    expect(page.asked('answerCoHost')).toEqual([{ room: 'show', other: 'next door', accept: true }, { room: 'show', other: 'far', accept: false }]);
  });

  test('is over when it was taken back or nobody answers', async () => {
    const { page, told } = await host();
    for (const [other, result] of [['next door', 'cancelled'], ['far', 'timeout'], ['gone', 'accepted']] as const) {
      page.tell('coHostRequested', { other, extension: '' });
      await settle();
      page.tell('coHostRequestEnded', { other, sent: false, result });
    }
    expect(page.context.coHost.applicant.value).toBeNull();
    const ends = told.filter(([name]) => name !== 'onCoHostRequestReceived');
    expect(ends.map(([name, info]) => [name, info['inviter']?.liveId, info['invitee']?.userId])).toEqual([
      ['onCoHostRequestCancelled', 'next door', 'olga'], ['onCoHostRequestTimeout', 'far', 'olga'],
    ]);
  });

  test('by a request that is gone before its host is known tells nothing', async () => {
    const { page, told } = await host();
    page.tell('coHostRequested', { other: 'next door', extension: '' });
    page.tell('coHostRequestEnded', { other: 'next door', sent: false, result: 'accepted' });
    await settle();
    expect([told, page.context.coHost.applicant.value]).toEqual([[], null]);
  });
});

describe('connected rooms', () => {
  test('come and go', async () => {
    const { page, told } = await host();
    const { coHost } = page.context;
    page.tell('coHostsChanged', { coHosts: [view('next door', 'hugo')] });
    expect(coHost.coHostStatus.value).toBe(CoHostStatus.Connected);
    expect(coHost.connected.value).toMatchObject([
      { userId: 'olga', liveId: 'show' }, { ...shownAs('hugo'), liveId: 'next door', role: 0, microphoneStatus: 1, cameraStatus: 0 },
    ]);
    page.tell('coHostsChanged', { coHosts: [view('next door', 'hugo', true), view('far', 'ida')] });
    expect([...coHost.mutedHosts.value]).toEqual(['next door']);
    page.tell('coHostsChanged', { coHosts: [] });
    expect([coHost.coHostStatus.value, coHost.connected.value, coHost.mutedHosts.value.size]).toEqual([CoHostStatus.Disconnected, [], 0]);
    expect(told.map(([name, info]) => [name, info['userInfo']?.userId])).toEqual([
      ['onCoHostUserJoined', 'hugo'], ['onCoHostUserJoined', 'ida'], ['onCoHostUserLeft', 'hugo'], ['onCoHostUserLeft', 'ida'],
    ]);
  });

  test('show the own host as the own room does', async () => {
    const page = new LiveFixture();
    page.anchors = [anchor('olga', 'owner', { ...BOTH, audioMuted: true })];
    await page.join('zoe');
    page.tell('coHostsChanged', { coHosts: [view('next door', 'hugo')] });
    const own = () => page.context.coHost.connected.value.map(({ userId, microphoneStatus, cameraStatus }) => [userId, microphoneStatus, cameraStatus])[0];
    expect(own()).toEqual(['olga', 0, 1]);
    page.tell('trackChanged', { user: 'olga', track: 'main', publication: { ...BOTH, videoMuted: true } });
    page.tell('seatsChanged', { seats: page.seats });
    expect(own()).toEqual(['olga', 1, 0]);
  });

  test('are left, and muted for this room', async () => {
    const { page } = await host();
    await page.context.coHost.muteRemoteHostAudio('12', true);
    await page.context.coHost.exitHostConnection();
    expect(page.asked('muteCoHost')).toEqual([{ room: 'show', other: 12, muted: true }]);
    expect(page.asked('exitCoHost')).toEqual([{ room: 'show' }]);
  });

  test('are forgotten outside', async () => {
    const { page } = await host();
    page.tell('coHostsChanged', { coHosts: [view('next door', 'hugo')] });
    await page.context.coHost.requestHostConnection({ liveId: 'far' });
    await page.context.liveList.endLive();
    const { coHostStatus, connected, invitees, applicant } = page.context.coHost;
    expect([coHostStatus.value, connected.value, invitees.value, applicant.value]).toEqual(['Disconnected', [], [], null]);
  });
});

test('candidates are the other rooms\' hosts, page by page', async () => {
  const { page } = await host();
  const room = (name: string, owner: string | null) => ({ ...page.info, room: name, owner });
  page.server.answers['listRooms'] = (frame) => ({
    result: frame['after'] === undefined ? { rooms: [room('show', 'olga'), room('call', null), room('next door', 'hugo')], more: true } : { rooms: [room('far', 'ida')], more: false },
  });
  const { coHost } = page.context;
  await coHost.getCoHostCandidates('');
  expect(coHost.candidates.value).toMatchObject([{ ...shownAs('hugo'), liveId: 'next door' }]);
  await coHost.getCoHostCandidates(coHost.candidatesCursor.value);
  expect(coHost.candidates.value.map(({ liveId }) => liveId)).toEqual(['next door', 'far']);
  expect(coHost.candidatesCursor.value).toBe('');
});

test('a host who comes back sees whom one has asked, and who asks', async () => {
  const page = new LiveFixture();
  page.entered = { coHostRequests: [{ other: 'next door', sent: true, extension: '' }, { other: 'far', sent: false, extension: 'battle' }] };
  const received: unknown[] = [];
  page.context.coHost.subscribeEvent('onCoHostRequestReceived', ({ inviter, extensionInfo }) => received.push([inviter.liveId, extensionInfo]));
  await page.join('olga');
  const { invitees, applicant } = page.context.coHost;
  expect(invitees.value).toMatchObject([{ liveId: 'next door', ...shownAs('olga') }]);
  expect(applicant.value).toMatchObject({ liveId: 'far' });
  expect(received).toEqual([['far', 'battle']]);
  page.tell('coHostRequestEnded', { other: 'next door', sent: true, result: 'rejected' });
  await page.context.coHost.acceptHostConnection({ liveId: 'far' });
  expect([invitees.value, applicant.value]).toEqual([[], null]);
  expect(page.asked('answerCoHost')).toEqual([{ room: 'show', other: 'far', accept: true }]);
});
