import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LiveEndedReason, LiveKickedOutReason, LoginStatus, SeatLayoutTemplate, TakeSeatMode } from './enums';
import { LiveListEvent, LoginEvent } from './events';
import { anchor, LiveFixture, seat, settle, shownAs } from './fixture';

const lived = (page: LiveFixture) => {
  const told: unknown[] = [];
  for (const name of Object.values(LiveListEvent)) page.context.liveList.subscribeEvent(name, (info) => told.push([name, info]));
  for (const name of Object.values(LoginEvent)) page.context.login.subscribeEvent(name, ({ message }) => told.push([name, message]));
  return told;
};

describe('the login', () => {
  test('shows who one is, and ends with logout', async () => {
    const page = new LiveFixture();
    const { login } = page.context;
    expect([login.loginUserInfo.value, login.loginStatus.value, login.connectionState.value]).toEqual([null, LoginStatus.UNLOGIN, 'closed']);
    await page.login('gina');
    expect(login.loginUserInfo.value).toEqual({ userId: 'gina', userName: 'GINA', avatarUrl: '' });
    expect([login.loginStatus.value, login.connectionState.value]).toEqual([LoginStatus.LOGINED, 'connected']);
    await login.login({ SDKAppID: 0, userID: 'gina', userSig: 'another' });
    expect(page.server.sockets).toHaveLength(1);
    await login.logout();
    expect([login.loginUserInfo.value, login.loginStatus.value, login.connectionState.value]).toEqual([null, LoginStatus.UNLOGIN, 'closed']);
    await login.logout();
  });

  test('keeps what of the profile is not changed', async () => {
    const page = new LiveFixture();
    await page.login('gina');
    await page.context.login.setSelfInfo({ avatarUrl: '/g.png', customInfo: { mood: 'good' } });
    await page.context.login.setSelfInfo({ userName: 'Gina' });
    expect(page.asked('setProfile').slice(-2)).toEqual([{ profile: { nick: 'GINA', avatar: '/g.png' } }, { profile: { nick: 'Gina', avatar: '/g.png' } }]);
    expect(page.context.login.loginUserInfo.value).toEqual({ userId: 'gina', userName: 'Gina', avatarUrl: '/g.png', customInfo: { mood: 'good' } });
  });

  test('another user is logged out first', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    await page.login('ben');
    expect(page.context.login.loginUserInfo.value?.userId).toBe('ben');
    expect(page.context.liveList.currentLive.value).toBeNull();
    expect(page.asked('logout')).toHaveLength(1);
  });

  test('without a user, or where the server refuses, rejects and leaves nothing behind', async () => {
    const page = new LiveFixture();
    await expect(page.context.login.login({ sdkAppId: 1 })).rejects.toMatchObject({ code: -1001 });
    await expect(page.context.login.login({ sdkAppId: -1, userId: 'gina' })).rejects.toThrow('sdkAppId');
    page.server.isUp = false;
    vi.useFakeTimers();
    const refused = page.login('gina').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();
    expect(await refused).toMatchObject({ type: 'network', code: -1 });
    expect([page.context.login.loginStatus.value, page.context.login.connectionState.value]).toEqual([LoginStatus.UNLOGIN, 'closed']);
  });

  test('ends when the same user logs in elsewhere, and the live room with it', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    page.server.tell({ event: 'loggedOut', message: 'The same user has logged in elsewhere.' });
    page.tell('removed', { reason: 'banned', by: 'user', message: 'The same user has logged in elsewhere.' });
    page.server.socket.end(4001);
    await settle();
    expect(told).toEqual([
      ['onKickedOutOfLive', { liveId: 'show', reason: LiveKickedOutReason.byLoggedOnOtherDevice, message: 'The same user has logged in elsewhere.' }],
      ['onKickedOffline', expect.any(String)],
    ]);
    expect(page.context.login.loginUserInfo.value).toBeNull();
    expect(page.context.liveList.currentLive.value).toBeNull();
  });
});

describe('beginning a live room', () => {
  test('makes it with seats, enters it as the anchor, and shares what the server has no field for', async () => {
    const page = new LiveFixture();
    await page.login('olga');
    await page.context.liveList.startLive({
      liveId: 'show', liveName: 'Evening show', notice: 'be kind', coverUrl: '/images/cover.png', categoryList: [1, 2], seatTemplate: SeatLayoutTemplate.VideoDynamicFloat7Seats,
    });
    expect(page.asked('createRoom')).toEqual([
      { room: 'show', name: 'Evening show', notice: 'be kind', cover: '/images/cover.png', hidden: false, seats: { count: 7, mode: 'applyToTake', keepOwnerOnSeat: true } },
    ]);
    expect(page.asked('enterRoom')).toEqual([
      { room: 'show', part: 'media', scene: 'live', role: 'anchor', existing: true }, { room: 'show', part: 'chat', history: 20 },
    ]);
    const [{ attributes }] = page.asked('setAttributes') as [{ attributes: { live: string } }];
    expect(JSON.parse(attributes.live)).toEqual({ categoryList: [1, 2], seatTemplate: 601 });
    expect(page.context.liveList.currentLive.value).toMatchObject({
      liveId: 'show', liveName: 'Evening show', notice: 'be kind', coverUrl: '/images/show.png', categoryList: [1, 2], currentViewerCount: 2, totalViewerCount: 7,
      isMessageDisable: false, isPublicVisible: true, isSeatEnabled: true, keepOwnerOnSeat: true, seatMode: TakeSeatMode.ApplyToTake, maxSeatCount: 3, seatTemplate: 601,
    });
    expect(page.context.liveList.currentLive.value!.createTime).toBe(1_700_000_000);
  });

  test.each([
    [{ isSeatEnabled: false }, undefined],
    [{ maxSeatCount: 0 }, { count: 9, mode: 'applyToTake', keepOwnerOnSeat: true }],
    [{ maxSeatCount: 12, seatMode: TakeSeatMode.FreeToTake, keepOwnerOnSeat: false }, { count: 12, mode: 'freeToTake', keepOwnerOnSeat: false }],
    [{ seatLayoutTemplateId: SeatLayoutTemplate.VideoLandscape4Seats }, { count: 4, mode: 'applyToTake', keepOwnerOnSeat: true }],
  ])('with %j has the seats %j', async (params, seats) => {
    const page = new LiveFixture();
    await page.login('olga');
    await page.context.liveList.createLive({ liveId: 'show', ...params });
    expect(page.asked('createRoom')[0]!['seats']).toEqual(seats);
  });

  test('that is one\'s own already enters it with the new texts', async () => {
    const page = new LiveFixture();
    page.server.answers['createRoom'] = () => ({ refused: 'roomIsYours' });
    await page.login('olga');
    await page.context.liveList.createLive({ liveId: 'show', liveName: 'Again' });
    expect(page.asked('updateRoom')).toEqual([{ room: 'show', name: 'Again', notice: '', hidden: false, cover: '' }]);
    expect(page.context.liveList.currentLive.value?.liveId).toBe('show');
  });

  test('of somebody else\'s rejects, and one is outside', async () => {
    const page = new LiveFixture();
    page.server.answers['createRoom'] = () => ({ refused: 'roomTaken' });
    await page.login('gina');
    await expect(page.context.liveList.createLive({ liveId: 'show' })).rejects.toMatchObject({ reason: 'roomTaken', code: 2 });
    expect(page.context.liveList.currentLive.value).toBeNull();
    expect(page.asked('enterRoom')).toEqual([]);
  });

  test.each(['', undefined])('without an id (%j) rejects', async (liveId) => {
    const page = new LiveFixture();
    await page.login('olga');
    await expect(page.context.liveList.createLive({ liveId: liveId as string })).rejects.toMatchObject({ code: -1001 });
  });

  test.each([['123', 123], ['4294967294', 4_294_967_294], ['4294967295', '4294967295'], ['0', '0'], ['007', '007'], ['1.5', '1.5'], ['a room', 'a room']])(
    'of %j names the room %j', async (liveId, room) => {
      const page = new LiveFixture();
      await page.login('olga');
      await page.context.liveList.createLive({ liveId });
      expect(page.asked('createRoom')[0]!['room']).toBe(room);
      expect(page.context.liveList.currentLive.value?.liveId).toBe(liveId);
    },
  );
});

describe('joining', () => {
  test('enters as audience; the owner as the anchor', async () => {
    for (const [user, role] of [['gina', 'audience'], ['olga', 'anchor']] as const) {
      const page = new LiveFixture();
      await page.login(user);
      await page.context.liveList.joinLive({ liveId: 'show' });
      expect(page.asked('enterRoom')[0]).toEqual({ room: 'show', part: 'media', scene: 'live', role, existing: true });
    }
  });

  test('reads what the room shares, and believes none of it', async () => {
    const page = new LiveFixture();
    page.attributes = { live: JSON.stringify({ coverUrl: '/not/the/owners.png', backgroundUrl: '//x.test/b.png', categoryList: [1, 'two', 3], createTime: 5, seatTemplate: 999, activityStatus: 3, isMessageDisable: true }) };
    page.entered = { allMuted: false };
    await page.join('gina');
    expect(page.context.liveList.currentLive.value).toMatchObject({
      coverUrl: '/images/show.png', backgroundUrl: '//x.test/b.png', categoryList: [1, 3], createTime: 1_700_000_000, seatTemplate: 600, activityStatus: 3, isMessageDisable: false, liveOwner: shownAs('olga'),
    });
    page.tell('attributesChanged', { set: { live: 'no JSON' }, deleted: [] });
    expect(page.context.liveList.currentLive.value).toMatchObject({ categoryList: [], activityStatus: 0 });
    page.tell('attributesChanged', { set: { other: '1' }, deleted: [] });
    page.tell('attributesChanged', { set: { live: '{"backgroundUrl":"javascript:alert(1)","activityStatus":7}' }, deleted: [] });
    expect(page.context.liveList.currentLive.value).toMatchObject({ backgroundUrl: '', activityStatus: 7 });
    page.tell('attributesChanged', { set: {}, deleted: ['live'] });
    expect(page.context.liveList.currentLive.value?.activityStatus).toBe(0);
    page.tell('roomUpdated', { info: { ...page.info, cover: 'javascript:alert(1)' } });
    expect(page.context.liveList.currentLive.value?.coverUrl).toBe('');
  });

  test('a second room, or one that is not there, rejects', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    await expect(page.context.liveList.joinLive({ liveId: 'other' })).rejects.toThrow('leave the live room show first');
    await page.context.liveList.joinLive({ liveId: 'show' });
    expect(page.server.requests.map(({ type }) => type)).toEqual(['showRoom']);
    await page.context.liveList.leaveLive();
    page.server.answers['showRoom'] = () => ({ refused: 'noSuchRoom' });
    await expect(page.context.liveList.joinLive({ liveId: 'other' })).rejects.toMatchObject({ reason: 'noSuchRoom' });
  });

  test('whose chat is refused leaves the media too', async () => {
    const page = new LiveFixture();
    const enter = page.server.answers['enterRoom']!;
    page.server.answers['enterRoom'] = (frame) => (frame['part'] === 'chat' ? { refused: 'full' } : enter(frame));
    await page.login('gina');
    await expect(page.context.liveList.joinLive({ liveId: 'show' })).rejects.toMatchObject({ reason: 'full' });
    expect(page.asked('leaveRoom')).toEqual([{ room: 'show', part: 'media' }]);
    expect(page.context.liveList.currentLive.value).toBeNull();
  });

  test('a room without owner has no chat', async () => {
    const page = new LiveFixture();
    page.info = { ...page.info, owner: null, seats: null };
    page.seats = [];
    await page.login('gina');
    await page.context.liveList.joinLive({ liveId: 'show' });
    expect(page.asked('enterRoom')).toHaveLength(1);
    await expect(page.context.barrage.sendTextMessage({ text: 'hi' })).rejects.toThrow('no chat');
    await expect(page.context.gift.sendLikes({ count: 1 })).rejects.toThrow('no chat');
  });
});

describe('the end of a live room', () => {
  test('leaving tells the server, and nobody else', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    await page.context.liveList.leaveLive();
    await page.context.liveList.leaveLive();
    expect(page.asked('leaveRoom')).toEqual([{ room: 'show', part: 'media' }, { room: 'show', part: 'chat' }]);
    expect([told, page.context.liveList.currentLive.value]).toEqual([[], null]);
  });

  test('its owner leaves all of it, because the chat alone cannot be left', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    await page.context.liveList.leaveLive();
    expect(page.asked('leaveRoom')).toContainEqual({ room: 'show', part: 'all' });
  });

  test('ending it is no news to the one who does; to the others it is', async () => {
    const page = new LiveFixture();
    page.server.answers['dismissRoom'] = () => {
      page.tell('removed', { reason: 'room-disband', message: 'The room was dismissed.' });
      return { result: {} };
    };
    await page.join('olga');
    const told = lived(page);
    await page.context.liveList.endLive();
    expect(page.asked('dismissRoom')).toEqual([{ room: 'show' }]);
    expect([told, page.context.liveList.currentLive.value]).toEqual([[], null]);

    const other = new LiveFixture();
    await other.join('gina');
    const heard = lived(other);
    other.tell('removed', { reason: 'room-disband', by: 'host', message: 'The room was dismissed.' });
    expect(heard).toEqual([['onLiveEnded', { liveId: 'show', reason: LiveEndedReason.endedByHost, message: 'The room was dismissed.' }]]);
    expect(other.context.liveList.currentLive.value).toBeNull();
  });

  test('by the server says so', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    page.tell('removed', { reason: 'room-disband', by: 'server', message: 'The room was dismissed.' });
    expect(told).toEqual([['onLiveEnded', { liveId: 'show', reason: LiveEndedReason.endedByServer, message: 'The room was dismissed.' }]]);
  });

  test('who may not end it stays inside', async () => {
    const page = new LiveFixture();
    page.server.answers['dismissRoom'] = () => ({ refused: 'notOwner' });
    await page.join('gina');
    await expect(page.context.liveList.endLive()).rejects.toMatchObject({ reason: 'notOwner' });
    expect(page.context.liveList.currentLive.value?.liveId).toBe('show');
  });

  test.each([['host', LiveKickedOutReason.byAdmin], ['server', LiveKickedOutReason.byServer]])('a kick by the %s says why', async (by, reason) => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    page.tell('removed', { reason: 'kick', by, message: 'Mind your words' });
    expect(told).toEqual([['onKickedOutOfLive', { liveId: 'show', reason, message: 'Mind your words' }]]);
  });

  test('the operator\'s end of the session is the server\'s', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    page.server.socket.end(4005, 'removed');
    await settle();
    expect(told).toEqual([
      ['onKickedOutOfLive', { liveId: 'show', reason: LiveKickedOutReason.byServer, message: 'removed' }], ['onKickedOffline', 'removed'],
    ]);
  });
});

describe('a room as it goes on', () => {
  test('follows its texts, its people and whether they may speak', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const live = page.context.liveList.currentLive;
    page.tell('roomUpdated', { info: { ...page.info, name: 'Late show', seats: { ...page.info.seats, mode: 'freeToTake' } } });
    expect(live.value).toMatchObject({ liveName: 'Late show', seatMode: TakeSeatMode.FreeToTake });
    page.tell('allMuted', { muted: true });
    expect(live.value?.isMessageDisable).toBe(true);
    page.tell('message', { message: { type: 'TIMGroupTipElem', sequence: 9, ID: 'a', payload: { operationType: 1, userIDList: ['ben'], memberCount: 41 } } });
    expect(live.value).toMatchObject({ currentViewerCount: 41, totalViewerCount: 41 });
    page.tell('message', { message: { type: 'TIMGroupTipElem', sequence: 10, ID: 'b', payload: { operationType: 2, userIDList: ['ben'], memberCount: 40 } } });
    page.tell('message', { message: { type: 'TIMGroupTipElem', sequence: 11, ID: 'c', payload: { operationType: 1, userIDList: ['carl', 'gina'], memberCount: 41 } } });
    expect(live.value).toMatchObject({ currentViewerCount: 41, totalViewerCount: 42 });
    page.server.tell({ event: 'allMuted', room: 'another', muted: false });
    expect(live.value?.isMessageDisable).toBe(true);
  });

  test('in which nobody may speak says so to those who come', async () => {
    const page = new LiveFixture();
    page.entered = { allMuted: true };
    await page.join('gina');
    expect(page.context.liveList.currentLive.value?.isMessageDisable).toBe(true);
  });

  test('is changed by its hosts, each thing where it belongs', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    const { updateLiveInfo } = page.context.liveList;
    await updateLiveInfo({ liveId: 'show', liveName: 'Late show', seatMode: TakeSeatMode.FreeToTake });
    await updateLiveInfo({ isMessageDisable: true, coverUrl: '/c.png', backgroundUrl: '/b.png' });
    await updateLiveInfo({ isPublicVisible: false });
    expect(page.asked('updateRoom')).toEqual([
      { room: 'show', name: 'Late show', seatMode: 'freeToTake' }, { room: 'show', cover: '/c.png' }, { room: 'show', hidden: true },
    ]);
    expect(page.asked('muteAll')).toEqual([{ room: 'show', muted: true }]);
    expect(JSON.parse((page.asked('setAttributes') as [{ attributes: { live: string } }])[0].attributes.live)).toEqual({ backgroundUrl: '/b.png' });
    await expect(updateLiveInfo({ liveId: 'other' })).rejects.toMatchObject({ code: -1001 });
    // Pages give back all that they have; what was made stays as it is.
    await updateLiveInfo({ ...page.context.liveList.currentLive.value! });
    for (const made of [{ isSeatEnabled: false }, { keepOwnerOnSeat: false }, { maxSeatCount: 9 }]) await expect(updateLiveInfo(made)).rejects.toMatchObject({ code: -1001 });
    await expect(updateLiveInfo({ coverUrl: 'javascript:alert(1)' })).rejects.toMatchObject({ code: -1001 });
  });
});

describe('a room that is not for lists', () => {
  test('is made so, and shown so', async () => {
    const page = new LiveFixture();
    page.info = { ...page.info, hidden: true };
    await page.login('olga');
    await page.context.liveList.createLive({ liveId: 'show', isPublicVisible: false });
    expect(page.asked('createRoom')).toMatchObject([{ room: 'show', hidden: true }]);
    expect(page.context.liveList.currentLive.value).toMatchObject({ isPublicVisible: false });
  });
});

describe('the list', () => {
  test('comes in pages, each room once, rooms without owner left out', async () => {
    const page = new LiveFixture();
    await page.login('gina');
    const room = (name: string | number, owner: string | null = 'olga') => ({ ...page.info, room: name, owner });
    page.server.answers['listRooms'] = (frame) => ({
      result: frame['after'] === undefined ? { rooms: [room(7), room('a', null), room('b')], more: true } : { rooms: [room('b'), room('c')], more: false },
    });
    const { fetchLiveList, liveList, liveListCursor } = { ...page.context.liveList, liveList: page.context.liveList.liveList, liveListCursor: page.context.liveList.liveListCursor };
    await fetchLiveList({ count: 3 });
    expect(liveList.value.map(({ liveId }) => liveId)).toEqual(['7', 'b']);
    expect(liveList.value[0]).toMatchObject({ liveOwner: shownAs('olga'), liveName: 'Evening show' });
    await fetchLiveList({ count: 3, cursor: liveListCursor.value });
    expect(liveList.value.map(({ liveId }) => liveId)).toEqual(['7', 'b', 'c']);
    expect(liveListCursor.value).toBe('');
    expect(page.asked('listRooms')).toEqual([{ count: 3 }, { count: 3, after: 'b' }]);
    await fetchLiveList();
    expect(liveList.value.map(({ liveId }) => liveId)).toEqual(['7', 'b']);
    await expect(fetchLiveList({ cursor: 'mine' })).rejects.toMatchObject({ code: -1001 });
    await expect(fetchLiveList({ count: 0 })).rejects.toMatchObject({ code: -1001 });
  });

  test('one room is shown by its id', async () => {
    const page = new LiveFixture();
    await page.login('gina');
    expect(await page.context.liveList.fetchLiveInfo('12')).toMatchObject({ liveId: '12', liveOwner: shownAs('olga') });
    expect(await page.context.liveList.fetchLiveInfo({ liveId: 'show' })).toMatchObject({ liveId: 'show' });
    expect(page.asked('showRoom')).toEqual([{ room: 12 }, { room: 'show' }]);
  });
});

describe('after a lost session', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const lose = async (page: LiveFixture) => {
    page.server.requests.length = 0;
    page.server.cut({ knows: false });
    await vi.advanceTimersByTimeAsync(1_000);
  };

  test('one is in the room again, on the seat that was kept', async () => {
    const page = new LiveFixture();
    page.seats = [seat(0, 'olga', 'owner'), seat(1, 'gina'), seat(2)];
    await page.join('gina');
    page.seats = [seat(0, 'olga', 'owner'), seat(1, 'gina'), seat(2, 'ben')];
    page.anchors = [anchor('olga', 'owner'), anchor('ben')];
    await lose(page);
    expect(page.asked('enterRoom')).toEqual(expect.arrayContaining([
      expect.objectContaining({ room: 'show', part: 'media' }), expect.objectContaining({ room: 'show', part: 'chat' }),
    ]));
    expect(page.context.seat.seatList.value.map(({ userInfo }) => userInfo?.userId)).toEqual(['olga', 'gina', 'ben']);
    expect(page.context.liveList.currentLive.value?.liveId).toBe('show');
  });

  test('a host makes the room again before anything enters it', async () => {
    const page = new LiveFixture();
    await page.login('olga');
    await page.context.liveList.startLive({ liveId: 'show', liveName: 'Evening show' });
    await settle();
    await lose(page);
    const order = page.server.requests.map(({ type }) => type);
    expect(order[0]).toBe('createRoom');
    expect(order.filter((type) => type === 'enterRoom')).toHaveLength(2);
    expect(page.context.liveList.currentLive.value?.liveId).toBe('show');
  });

  test('a host tells a server that has begun anew what the room shared', async () => {
    const page = new LiveFixture();
    await page.login('olga');
    await page.context.liveList.startLive({ liveId: 'show', backgroundUrl: '/c.png' });
    await settle();
    await lose(page);
    await vi.advanceTimersByTimeAsync(1_000);
    const [saved] = page.asked('setAttributes') as [{ attributes: { live: string } }];
    expect(JSON.parse(saved.attributes.live)).toMatchObject({ backgroundUrl: '/c.png' });
    expect(page.context.liveList.currentLive.value?.backgroundUrl).toBe('/c.png');
    // One that has kept it is not told.
    page.attributes = saved.attributes;
    await lose(page);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(page.asked('setAttributes')).toEqual([]);
  });

  test('an owner who has come back by joining makes the room again too', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    page.tell('roomUpdated', { info: { ...page.info, name: 'Late show', cover: '/images/late.png' } });
    await lose(page);
    expect(page.server.requests[0]).toMatchObject({
      type: 'createRoom', room: 'show', name: 'Late show', cover: '/images/late.png', seats: { count: 3, mode: 'applyToTake', keepOwnerOnSeat: true },
    });
  });

  /** A server that has begun anew: rooms are there once they were created, or entered by a page that does not mind. */
  const begunAnew = (page: LiveFixture, rooms: { owner: string | null; members: string[] }) => {
    const user = page.context.login.loginUserInfo.value!.userId;
    const enter = page.server.answers['enterRoom']!;
    page.server.answers['createRoom'] = () => {
      rooms.owner = user;
      return { result: {} };
    };
    page.server.answers['enterRoom'] = (frame) => {
      const isThere = rooms.owner !== null || rooms.members.length > 0;
      if (!isThere && (frame['part'] === 'chat' || frame['existing'] === true)) return { refused: 'noSuchRoom' };
      rooms.members.push(user);
      const { result } = enter(frame) as { result: object };
      return { result: { ...result, info: { ...page.info, owner: rooms.owner } } };
    };
  };

  test.each([['olga', 'gina'], ['gina', 'olga']])('the host who had come back by joining owns the room again, when %s comes before %s', async (...order) => {
    const [host, guest] = [new LiveFixture(), new LiveFixture()];
    await host.join('olga');
    await guest.join('gina');
    const told = [lived(host), lived(guest)];
    const rooms = { owner: null, members: [] as string[] };
    for (const page of [host, guest]) begunAnew(page, rooms);
    for (const user of order) {
      await lose(user === 'olga' ? host : guest);
      await vi.advanceTimersByTimeAsync(2_000);
      if (user === 'gina' && order[0] === 'gina') expect(rooms).toEqual({ owner: null, members: [] });
    }
    await vi.advanceTimersByTimeAsync(3_000);
    expect(rooms.owner).toBe('olga');
    expect(new Set(rooms.members)).toEqual(new Set(['olga', 'gina']));
    for (const page of [host, guest]) expect(page.context.liveList.currentLive.value?.liveOwner.userId).toBe('olga');
    expect(told).toEqual([[], []]);
  });

  test('a host whose making of the room was lost makes it once more', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    const rooms = { owner: null, members: [] as string[] };
    begunAnew(page, rooms);
    const create = page.server.answers['createRoom']!;
    page.server.answers['createRoom'] = () => ({ refused: 'busy' });
    await lose(page);
    page.server.answers['createRoom'] = create;
    await vi.advanceTimersByTimeAsync(5_000);
    expect([rooms.owner, page.context.liveList.currentLive.value?.liveOwner.userId]).toEqual(['olga', 'olga']);
  });

  test('the audience waits until the host has made the room again', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    const enter = page.server.answers['enterRoom']!;
    page.server.answers['enterRoom'] = (frame) => (frame['part'] === 'chat' ? { refused: 'noSuchRoom' } : enter(frame));
    await lose(page);
    page.server.answers['enterRoom'] = enter;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(told).toEqual([]);
    await page.context.barrage.sendTextMessage({ text: 'hi' }).catch(() => undefined);
    expect(page.asked('sendMessage')).toHaveLength(1);
  });

  test('and is out where nobody does', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    const enter = page.server.answers['enterRoom']!;
    page.server.answers['enterRoom'] = (frame) => (frame['part'] === 'chat' ? { refused: 'noSuchRoom' } : enter(frame));
    await lose(page);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(told).toEqual([['onKickedOutOfLive', {
      liveId: 'show', reason: LiveKickedOutReason.forJoinRoomStatusInvalidDuringOffline, message: expect.any(String) as string,
    }]]);
    expect(page.context.liveList.currentLive.value).toBeNull();
  });

  test('who is not let in again is out', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told = lived(page);
    page.server.answers['enterRoom'] = () => ({ refused: 'banned' });
    await lose(page);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject(['onKickedOutOfLive', { liveId: 'show', reason: LiveKickedOutReason.forJoinRoomStatusInvalidDuringOffline }]);
  });
});

describe('a call that comes too early', () => {
  test('is refused by the name that the page has called it by', async () => {
    const { liveList, coGuest, coHost, seat: seats, audience, login, gift, barrage } = new LiveFixture().context;
    const early: Record<string, () => Promise<unknown>> = {
      createLive: () => liveList.createLive({ liveId: 'show' }),
      joinLive: () => liveList.joinLive({ liveId: 'show' }),
      updateLiveInfo: () => liveList.updateLiveInfo({ liveName: 'x' }),
      fetchLiveList: () => liveList.fetchLiveList(),
      fetchLiveInfo: () => liveList.fetchLiveInfo('show'),
      applyForSeat: () => coGuest.applyForSeat(),
      acceptApplication: () => coGuest.acceptApplication({ userId: 'a' }),
      rejectApplication: () => coGuest.rejectApplication({ userId: 'a' }),
      inviteToSeat: () => coGuest.inviteToSeat({ userId: 'a' }),
      cancelInvitation: () => coGuest.cancelInvitation({ inviteeId: 'a' }),
      acceptInvitation: () => coGuest.acceptInvitation({ inviterId: 'a' }),
      rejectInvitation: () => coGuest.rejectInvitation({ inviterId: 'a' }),
      requestHostConnection: () => coHost.requestHostConnection({ liveId: 'a' }),
      cancelHostConnection: () => coHost.cancelHostConnection({ liveId: 'a' }),
      acceptHostConnection: () => coHost.acceptHostConnection({ liveId: 'a' }),
      rejectHostConnection: () => coHost.rejectHostConnection({ liveId: 'a' }),
      exitHostConnection: () => coHost.exitHostConnection(),
      getCoHostCandidates: () => coHost.getCoHostCandidates(),
      muteRemoteHostAudio: () => coHost.muteRemoteHostAudio('a', true),
      takeSeat: () => seats.takeSeat(),
      leaveSeat: () => seats.leaveSeat(),
      lockSeat: () => seats.lockSeat({ seatIndex: 1 }),
      unlockSeat: () => seats.unlockSeat({ seatIndex: 1 }),
      kickUserOutOfSeat: () => seats.kickUserOutOfSeat({ userId: 'a' }),
      moveUserToSeat: () => seats.moveUserToSeat({ userId: 'a', targetIndex: 1 }),
      openRemoteCamera: () => seats.openRemoteCamera({ userId: 'a' }),
      closeRemoteCamera: () => seats.closeRemoteCamera({ userId: 'a' }),
      openRemoteMicrophone: () => seats.openRemoteMicrophone({ userId: 'a' }),
      closeRemoteMicrophone: () => seats.closeRemoteMicrophone({ userId: 'a' }),
      fetchAudienceList: () => audience.fetchAudienceList(),
      setAdministrator: () => audience.setAdministrator({ userId: 'a' }),
      revokeAdministrator: () => audience.revokeAdministrator({ userId: 'a' }),
      kickUserOutOfRoom: () => audience.kickUserOutOfRoom({ userId: 'a' }),
      disableSendMessage: () => audience.disableSendMessage({ userId: 'a', isDisable: true }),
      setSelfInfo: () => login.setSelfInfo({}),
      sendLikes: () => gift.sendLikes(),
      sendGift: () => gift.sendGift({ giftId: 'rose' }),
      sendTextMessage: () => barrage.sendTextMessage({ text: 'hi' }),
    };
    for (const [name, call] of Object.entries(early)) {
      const error: unknown = await call().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ type: 'state', message: `${name}: log in first` });
    }
  });

  test('the server\'s refusals name it too', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    page.server.answers['requestCoHost'] = () => ({ refused: 'noPermission' });
    await expect(page.context.coHost.requestHostConnection({ liveId: 'far' })).rejects.toThrow('requestHostConnection: refused: noPermission');
  });
});
