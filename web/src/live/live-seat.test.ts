import { describe, expect, test } from 'vitest';
import { DeviceControlPolicy, MoveSeatPolicy, Role, SeatLayoutTemplate } from './enums';
import { LiveSeatEvent } from './events';
import { LiveFixture, seat, settle, shownAs } from './fixture';
import { regions } from './regions';

describe('the seats', () => {
  test('are shown with who sits there, and where', async () => {
    const page = new LiveFixture();
    page.seats = [
      seat(0, 'olga', 'owner'),
      seat(1, 'gina', 'administrator', { isAudioLocked: true, isVideoLocked: true }),
      seat(2, undefined, undefined, { isLocked: true }),
      { ...seat(3, 'ben'), user: { user: 'ben', profile: { nick: '', avatar: '' }, rank: 'generalUser', microphoneOn: false, cameraOn: true, away: true } },
    ];
    await page.join('zoe');
    const { seatList, canvas } = page.context.seat;
    expect(canvas.value).toEqual({ width: 720, height: 1280, background: '#000000' });
    expect(seatList.value).toEqual([
      {
        index: 0, isLocked: false, isAudioLocked: false, isVideoLocked: false, region: { x: 0, y: 0, w: 720, h: 427, zOrder: 0 },
        userInfo: {
          ...shownAs('olga'), liveId: 'show', role: Role.Owner, microphoneStatus: 1, cameraStatus: 0, allowOpenMicrophone: true, allowOpenCamera: true, userSuspendStatus: 0,
        },
      },
      {
        index: 1, isLocked: false, isAudioLocked: true, isVideoLocked: true, region: { x: 0, y: 427, w: 720, h: 426, zOrder: 0 },
        userInfo: expect.objectContaining({ userId: 'gina', role: Role.Administrator, allowOpenMicrophone: false, allowOpenCamera: false }) as unknown,
      },
      { index: 2, isLocked: true, isAudioLocked: false, isVideoLocked: false, region: { x: 0, y: 0, w: 0, h: 0, zOrder: 0 } },
      expect.objectContaining({ index: 3, userInfo: expect.objectContaining({ userId: 'ben', microphoneStatus: 0, cameraStatus: 1, userSuspendStatus: 1 }) as unknown }),
    ]);
  });

  test('change as the server tells, and are gone outside', async () => {
    const page = new LiveFixture();
    await page.join('zoe');
    page.tell('seatsChanged', { seats: [seat(0, 'olga', 'owner'), seat(1, 'gina'), seat(2)] });
    expect(page.context.seat.seatList.value[1]?.userInfo).toMatchObject(shownAs('gina'));
    await page.context.liveList.leaveLive();
    expect(page.context.seat.seatList.value).toEqual([]);
  });

  test('have fixed places where the template says so', async () => {
    const page = new LiveFixture();
    page.attributes = { live: JSON.stringify({ seatTemplate: SeatLayoutTemplate.VideoFixedGrid9Seats }) };
    await page.join('zoe');
    for (const { region } of page.context.seat.seatList.value) expect(region.w).toBeGreaterThan(0);
    page.tell('attributesChanged', { set: { live: JSON.stringify({ seatTemplate: SeatLayoutTemplate.VideoLandscape4Seats }) }, deleted: [] });
    expect(page.context.seat.canvas.value).toMatchObject({ width: 1280, height: 720 });
    expect(page.context.seat.seatList.value.map(({ region }) => region.w)).toEqual([1280, 0, 0]);
  });
});

describe('requests', () => {
  test('go out as they are documented', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    const { seat: seats } = page.context;
    await seats.takeSeat({ seatIndex: 2 });
    await seats.takeSeat({ seatIndex: -1 });
    await seats.leaveSeat();
    await seats.lockSeat({ seatIndex: 1 });
    await seats.unlockSeat({ seatIndex: 1 });
    await seats.unLockSeat({ seatIndex: 2 });
    await seats.kickUserOutOfSeat({ userId: 'gina' });
    await seats.moveUserToSeat({ userId: 'gina', targetIndex: 2, policy: MoveSeatPolicy.SwapPosition });
    await seats.moveUserToSeat({ userId: 'gina', targetIndex: 2, policy: MoveSeatPolicy.ForceReplace });
    await seats.moveUserToSeat({ userId: 'gina', targetIndex: 1 });
    await seats.moveUserToSeat({ userId: 'olga', targetIndex: 1 });
    await seats.openRemoteCamera({ userId: 'gina', policy: DeviceControlPolicy.UnlockOnly });
    await seats.closeRemoteCamera({ userId: 'gina' });
    await seats.openRemoteMicrophone({ userId: 'gina', policy: DeviceControlPolicy.UnlockOnly });
    await seats.closeRemoteMicrophone({ userId: 'gina' });
    const room = 'show';
    expect(page.server.requests.map(({ id: _, ...frame }) => frame)).toEqual([
      { type: 'takeSeat', room, seat: 2 },
      { type: 'takeSeat', room },
      { type: 'leaveSeat', room },
      { type: 'lockSeat', room, seat: 1, locked: true },
      { type: 'lockSeat', room, seat: 1, locked: false },
      { type: 'lockSeat', room, seat: 2, locked: false },
      { type: 'kickOffSeat', room, users: ['gina'] },
      { type: 'moveUser', room, user: 'gina', target: 2, policy: 'swapPosition' },
      { type: 'moveUser', room, user: 'gina', target: 2, policy: 'forceReplace' },
      { type: 'moveUser', room, user: 'gina', target: 1, policy: 'abortWhenOccupied' },
      { type: 'moveSeat', room, target: 1 },
      { type: 'setDevice', room, user: 'gina', device: 'camera', open: true },
      { type: 'setDevice', room, user: 'gina', device: 'camera', open: false },
      { type: 'setDevice', room, user: 'gina', device: 'microphone', open: true },
      { type: 'setDevice', room, user: 'gina', device: 'microphone', open: false },
    ]);
  });

  test('with values that are not allowed do not', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    const { seat: seats } = page.context;
    await expect(seats.lockSeat({ seatIndex: -1 })).rejects.toMatchObject({ code: -1001 });
    await expect(seats.takeSeat({ seatIndex: 0.5 })).rejects.toMatchObject({ code: -1001 });
    await expect(seats.moveUserToSeat({ userId: 'gina', targetIndex: 1, policy: 3 as MoveSeatPolicy })).rejects.toMatchObject({ code: -1001 });
    expect(page.server.requests).toEqual([]);
  });
});

test('what a host does to one\'s devices is told, and keeps them closed until the lock is lifted', async () => {
  const page = new LiveFixture();
  page.seats = [seat(0, 'olga', 'owner'), seat(1, 'gina')];
  await page.join('gina');
  const told: unknown[] = [];
  for (const name of Object.values(LiveSeatEvent)) page.context.seat.subscribeEvent(name, (info) => told.push([name, info]));
  page.tell('deviceChanged', { device: 'camera', open: false });
  page.tell('deviceChanged', { device: 'microphone', open: false });
  await expect(page.context.device.openLocalCamera()).rejects.toMatchObject({ code: 100_006, reason: 'deviceLocked' });
  await expect(page.context.seat.unmuteMicrophone()).rejects.toMatchObject({ code: 100_006, reason: 'deviceLocked' });
  expect(page.context.device.isLocalAudioMuted.value).toBe(true);
  page.tell('deviceChanged', { device: 'camera', open: true });
  page.tell('deviceChanged', { device: 'microphone', open: true });
  expect(told).toEqual([
    ['onLocalCameraClosedByAdmin', {}],
    ['onLocalMicrophoneClosedByAdmin', {}],
    ['onLocalCameraOpenedByAdmin', { policy: DeviceControlPolicy.UnlockOnly }],
    ['onLocalMicrophoneOpenedByAdmin', { policy: DeviceControlPolicy.UnlockOnly }],
  ]);
  // Lifting a lock turns nothing on.
  expect([page.context.device.cameraStatus.value, page.context.device.microphoneStatus.value, page.context.device.isLocalAudioMuted.value]).toEqual([0, 0, true]);
});

test('a lock that was there before a reload holds', async () => {
  const page = new LiveFixture();
  page.seats = [seat(0, 'olga', 'owner'), seat(1, 'gina', 'generalUser', { isVideoLocked: true })];
  await page.join('gina');
  await expect(page.context.device.openLocalCamera()).rejects.toMatchObject({ reason: 'deviceLocked' });
  page.tell('seatsChanged', { seats: [seat(0, 'olga', 'owner'), seat(1)] });
  await expect(page.context.device.openLocalCamera()).rejects.toMatchObject({ type: 'unsupported' });
});

describe('who speaks', () => {
  test('is asked for while somebody wants to know', async () => {
    const page = new LiveFixture();
    await page.login('zoe');
    await page.context.liveList.joinLive({ liveId: 'show' });
    await settle();
    expect(page.asked('listenVolumes')).toEqual([]);
    const { speakingUsers } = page.context.seat;
    const ends = [speakingUsers.subscribe(() => undefined), speakingUsers.subscribe(() => undefined)];
    expect(page.asked('listenVolumes')).toEqual([]);
    await Promise.resolve();
    page.tell('volumes', { volumes: [{ user: 'olga', volume: 40 }] });
    expect([...speakingUsers.value]).toEqual([['olga', 40]]);
    for (const end of ends) end();
    await Promise.resolve();
    await Promise.resolve();
    expect(page.asked('listenVolumes').map(({ intervalMs }) => intervalMs)).toEqual([500, 0]);
    expect(speakingUsers.value.size).toBe(0);
  });

  test('is asked for in the next room too', async () => {
    const page = new LiveFixture();
    page.context.seat.speakingUsers.subscribe(() => undefined);
    await page.login('zoe');
    await page.context.liveList.joinLive({ liveId: 'show' });
    expect(page.asked('listenVolumes')).toEqual([{ room: 'show', intervalMs: 500 }]);
  });
});

test('the own transport\'s quality is shown under the own user', async () => {
  const page = new LiveFixture();
  await page.join('zoe');
  page.server.tell({
    event: 'networkQuality', uplinkNetworkQuality: 0, downlinkNetworkQuality: 2, uplinkRTT: 0, uplinkLoss: 0, downlinkRTT: 31, downlinkLoss: 1,
  });
  expect([...page.context.seat.networkQualities.value]).toEqual([['zoe', { quality: 2, upLoss: 0, downLoss: 1, delay: 31 }]]);
});

test('how good the transports of others are is asked for while somebody wants to know', async () => {
  const page = new LiveFixture();
  await page.join('zoe');
  const { networkQualities } = page.context.seat;
  expect(page.asked('listenQualities')).toEqual([]);
  const off = networkQualities.subscribe(() => undefined);
  await settle();
  expect(page.asked('listenQualities')).toEqual([{ room: 'show', listen: true }]);
  page.tell('qualities', {
    qualities: [{ user: 'olga', uplinkNetworkQuality: 3, downlinkNetworkQuality: 1, rtt: 40, uplinkLoss: 7, downlinkLoss: 0 }],
  });
  const olga = ['olga', { quality: 3, upLoss: 7, downLoss: 0, delay: 40 }];
  expect([...networkQualities.value]).toEqual([olga]);
  page.server.tell({
    event: 'networkQuality', uplinkNetworkQuality: 1, downlinkNetworkQuality: 1, uplinkRTT: 20, uplinkLoss: 0, downlinkRTT: 21, downlinkLoss: 0,
  });
  const zoe = ['zoe', { quality: 1, upLoss: 0, downLoss: 0, delay: 20 }];
  expect([...networkQualities.value]).toEqual([olga, zoe]);
  off();
  await settle();
  expect(page.asked('listenQualities').at(-1)).toEqual({ room: 'show', listen: false });
  expect([...networkQualities.value]).toEqual([zoe]);
});

test('and again in the next room', async () => {
  const page = new LiveFixture();
  page.context.seat.networkQualities.subscribe(() => undefined);
  await page.join('zoe');
  await page.context.liveList.leaveLive();
  await page.context.liveList.joinLive({ liveId: 'show' });
  await settle();
  expect(page.server.asked('listenQualities').length).toBeGreaterThan(0);
  expect(page.context.seat.networkQualities.value.size).toBe(0);
});

describe('places', () => {
  const area = (places: { w: number; h: number }[]) => places.reduce((sum, { w, h }) => sum + w * h, 0);

  test.each([1, 2, 3, 4, 5, 7, 9, 16])('of %i pictures fill the canvas without a gap', (count) => {
    for (const [width, height] of [[720, 1280], [1280, 720], [361, 200]] as const) {
      const places = regions(SeatLayoutTemplate.VideoDynamicGrid9Seats, count, width, height);
      expect(places).toHaveLength(count);
      expect(area(places)).toBe(width * height);
      for (const { x, y, w, h } of places) expect(x >= 0 && y >= 0 && x + w <= width && y + h <= height && w > 0 && h > 0).toBe(true);
    }
  });

  test('stand side by side on a wide canvas, and under each other on a tall one', () => {
    expect(regions(600, 2, 1280, 720).map(({ x, y }) => [x, y])).toEqual([[0, 0], [640, 0]]);
    expect(regions(600, 2, 720, 1280).map(({ x, y }) => [x, y])).toEqual([[0, 0], [0, 640]]);
    expect(regions(600, 0, 720, 1280)).toEqual([]);
  });

  test('float over the host', () => {
    const [host, ...guests] = regions(SeatLayoutTemplate.VideoDynamicFloat7Seats, 7, 720, 1280);
    expect(host).toEqual({ x: 0, y: 0, w: 720, h: 1280, zOrder: 0 });
    expect(guests.every(({ x, w, zOrder }) => x + w === 720 && zOrder === 1)).toBe(true);
    expect(new Set(guests.map(({ y }) => y)).size).toBe(6);
  });
});
