import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setLogLevel } from '../log';
import { sessions } from '../signal/pool';
import { APP, begin, codeOf, end, fake, forget, inside, join, login, settle, take, text, tim, told } from './fixture';
import TIM, { TimError } from './index';

beforeEach(begin);
afterEach(end);

describe('TIM.create', () => {
  it('gives one instance an app until it is destroyed', async () => {
    expect(TIM.create({ SDKAppID: APP })).toBe(tim);
    expect(TIM.create({ SDKAppID: String(APP) })).toBe(tim);
    const other = TIM.create({ SDKAppID: 2 });
    expect(other).not.toBe(tim);
    const gone: unknown[] = [];
    other.on(TIM.EVENT.SDK_DESTROY, ({ data }) => gone.push(data));
    expect(await other.destroy()).toEqual({ code: 0, data: {} });
    expect(gone).toEqual([{ SDKAppID: 2 }]);
    expect(TIM.create({ SDKAppID: 2 })).not.toBe(other);
    await TIM.create({ SDKAppID: 2 }).destroy();
  });

  it('needs the number of an app and an address', () => {
    expect(() => TIM.create({} as never)).toThrow(TimError);
    expect(() => TIM.create({ SDKAppID: 3, server: 'nowhere' })).toThrow(/not an address/);
  });

  it('takes plugins and log levels', () => {
    expect(tim.registerPlugin({ 'tim-upload-plugin': class {} })).toBeUndefined();
    for (const level of [0, 1, 2, 3, 4]) tim.setLogLevel(level);
    setLogLevel(5);
  });
});

describe('events', () => {
  it('go to handlers with their context, until these are removed; one that throws stops nobody', () => {
    const heard: unknown[] = [];
    const context = { who: 'me' };
    const handler = function (this: unknown, { name, data }: { name: string; data: unknown }) {
      heard.push([this, name, data]);
    };
    tim.on(TIM.EVENT.SDK_DESTROY, () => { throw new Error('a fault of the page'); });
    tim.on(TIM.EVENT.SDK_DESTROY, handler, context);
    tim.on(TIM.EVENT.SDK_DESTROY, handler);
    tim.off(TIM.EVENT.SDK_DESTROY, handler, context);
    void tim.destroy();
    return settle().then(() => expect(heard).toEqual([[undefined, 'sdkDestroy', { SDKAppID: APP }]]));
  });
});

describe('login', () => {
  it('resolves, and then the SDK is ready', async () => {
    const order: string[] = [];
    tim.on(TIM.EVENT.SDK_READY, () => order.push('ready'));
    const done = tim.login({ userID: 'anna', userSig: 'sig' }).then((result) => {
      order.push('resolved');
      return result;
    });
    await settle();
    expect(await done).toEqual({ code: 0, data: { actionStatus: 'OK', errorCode: 0, errorInfo: '', repeatLogin: false } });
    expect(order).toEqual(['resolved', 'ready']);
    expect(tim.isReady()).toBe(true);
    expect(told).toEqual([['netStateChange', { state: 'connected' }], ['sdkStateReady', undefined]]);
  });

  it('says when the user is logged in already, and refuses another one', async () => {
    await login();
    expect((await login()).data.repeatLogin).toBe(true);
    expect(await codeOf(tim.login({ userID: 'ben', userSig: 'sig' }))).toBe(2025);
  });

  it('refuses a second one that is under way, and nobody', async () => {
    const first = login();
    const early = [codeOf(tim.login({ userID: 'anna', userSig: 'sig' })), codeOf(tim.getMyProfile())];
    expect(await Promise.all(early)).toEqual([2025, 2999]);
    await first;
    await tim.logout();
    for (const userID of [undefined, '', 'é'.repeat(17)]) expect(await codeOf(tim.login({ userID: userID as string }))).toBe(10004);
  });

  it('fails with the code of the server, and without a server with that of the network', async () => {
    const open = fake.server.open;
    (fake.server as { open: unknown }).open = (url: string) => {
      const socket = open(url);
      socket.send = (frame: string) => queueMicrotask(() => socket.refuse(JSON.parse(frame) as never, 'userSigExpired', { codes: { chat: 70001, live: 70001, rtc: 1 } }));
      return socket;
    };
    expect(await codeOf(tim.login({ userID: 'anna', userSig: 'old' }))).toBe(70001);
    (fake.server as { open: unknown }).open = open;
    fake.server.isUp = false;
    const lost = codeOf(tim.login({ userID: 'anna', userSig: 'sig' }));
    await settle(20_000);
    expect(await lost).toBe(2800);
    expect(told.filter(([name]) => name === 'sdkStateReady')).toEqual([]);
  });

  it('is ended by a logout, after which all needs a login again', async () => {
    await inside();
    expect(await tim.logout()).toEqual({ code: 0, data: {} });
    expect(fake.server.requests.slice(-2).map(({ type }) => type)).toEqual(['leaveRoom', 'logout']);
    expect(told.at(-1)).toEqual(['sdkStateNotReady', undefined]);
    expect(await codeOf(tim.sendMessage(text()))).toBe(2024);
  });

  it('shares the session of the user with others on the page', async () => {
    const lease = sessions.acquire({ server: 'https://live.example', app: APP, user: 'anna' });
    await login();
    expect(fake.server.sockets).toHaveLength(1);
    await tim.logout();
    expect(lease.session.state).toBe('connected');
    await lease.release();
  });
});

describe('being kicked out', () => {
  it.each([
    [4001, 'multipleAccount'],
    [4005, 'REST_API_Kick'],
  ])('by close code %i is told as %s', async (code, type) => {
    await inside();
    fake.server.socket.end(code, 'over');
    await settle();
    expect(told).toEqual([['netStateChange', { state: 'disconnected' }], ['kickedOut', { type }], ['sdkStateNotReady', undefined]]);
    expect(await codeOf(tim.sendMessage(text()))).toBe(2024);
    expect((await login()).data.repeatLogin).toBe(false);
  });

  it('by an expired UserSig is told when the server asks for it again', async () => {
    await inside();
    const open = fake.server.open;
    (fake.server as { open: unknown }).open = (url: string) => {
      const socket = open(url);
      socket.send = (frame: string) => {
        const { id, type } = JSON.parse(frame) as { id: number; type: string };
        queueMicrotask(() => socket.refuse({ id, type }, type === 'resume' ? 'sessionUnknown' : 'userSigExpired'));
      };
      return socket;
    };
    fake.server.cut();
    await settle(2_000);
    expect(take('kickedOut')).toEqual([{ type: 'userSigExpired' }]);
    (fake.server as { open: unknown }).open = open;
  });
});

describe('a UserSig that ends while the session goes on', () => {
  it('ends the chat, and leaves the session to others on the page until a new one is brought', async () => {
    const lease = sessions.acquire({ server: 'https://live.example', app: APP, user: 'anna', userSig: 'sig' });
    await inside();
    fake.server.tell({ event: 'userSigExpired', message: 'The UserSig has ended.' });
    await settle();
    expect(told).toEqual([['kickedOut', { type: 'userSigExpired' }], ['sdkStateNotReady', undefined]]);
    expect(lease.session.state).toBe('connected');
    expect(await codeOf(tim.sendMessage(text()))).toBe(2024);
    await tim.login({ userID: 'anna', userSig: 'new' });
    expect(fake.server.asked('renewUserSig')).toMatchObject([{ userSig: 'new' }]);
    expect((await join()).data.status).toBe('JoinedSuccess');
    await lease.release();
  });
});

describe('the network', () => {
  it('is told as it comes and goes', async () => {
    await inside();
    fake.server.cut({ isUp: false });
    await settle(1_000);
    expect(take('netStateChange')).toEqual([{ state: 'connecting' }]);
    await settle(5_000);
    expect(take('netStateChange')).toEqual([{ state: 'disconnected' }]);
    fake.server.isUp = true;
    await settle(6_000);
    expect(take('netStateChange')).toEqual([{ state: 'connected' }]);
  });

  it('may be away while messages are written: they go in their order, and one that was given up can be sent again', async () => {
    await inside();
    fake.server.cut({ isUp: false });
    await settle();
    const [lost, kept] = [text('lost'), text('kept')];
    const failed = codeOf(tim.sendMessage(lost));
    await settle(20_000);
    const sent = tim.sendMessage(kept);
    expect(kept.status).toBe('unSend');
    await settle(11_000);
    expect([await failed, lost.status]).toEqual([2800, 'fail']);
    fake.server.isUp = true;
    await settle(6_000);
    await sent;
    const { data } = await tim.resendMessage(lost);
    expect([data.message, lost.status, kept.status]).toEqual([lost, 'success', 'success']);
    expect(fake.history.map((message) => message.payload)).toEqual([{ text: 'kept' }, { text: 'lost' }]);
  });
});

describe('profiles', () => {
  beforeEach(async () => {
    fake.server.answers['showProfiles'] = (frame) => ({
      result: {
        profiles: (frame['users'] as string[]).filter((user) => user !== 'nobody').map((user) => ({
          user, profile: { nick: user.toUpperCase(), avatar: '/a.png' }, details: { gender: '', selfSignature: 'hi' },
        })),
      },
    });
    await login();
    forget();
  });

  it('of one\'s own are shown and changed, which is told', async () => {
    expect((await tim.getMyProfile()).data).toMatchObject({
      userID: 'anna', nick: 'ANNA', avatar: '/a.png', gender: 'Gender_Type_Unknown', selfSignature: 'hi', allowType: 'AllowType_Type_AllowAny',
    });
    const { data } = await tim.updateMyProfile({ nick: 'Anna B', gender: TIM.TYPES.GENDER_FEMALE, location: 'Bonn' });
    expect(data).toMatchObject({ userID: 'anna', nick: 'Anna B', avatar: '/a.png', gender: 'Gender_Type_Female', location: 'Bonn' });
    expect(fake.server.asked('setProfile')).toMatchObject([
      { profile: { nick: 'Anna B', avatar: '/a.png' }, details: { gender: 'Gender_Type_Female', selfSignature: 'hi' } },
    ]);
    expect(take('onProfileUpdated')).toEqual([[data]]);
    await tim.updateMyProfile({ avatar: '/b.png' });
    expect(fake.server.asked('setProfile')[1]).not.toHaveProperty('details');
    fake.refuse('setProfile', 'sensitiveText', 80001);
    expect(await codeOf(tim.updateMyProfile({ nick: 'rude' }))).toBe(80001);
  });

  it('of others are shown as far as they are known', async () => {
    const { data } = await tim.getUserProfile({ userIDList: ['ben', 'nobody', 'carol'] });
    expect(data.map(({ userID, nick }) => [userID, nick])).toEqual([['ben', 'BEN'], ['carol', 'CAROL']]);
    expect(await codeOf(tim.getUserProfile({ userIDList: [] }))).toBe(10004);
  });
});

describe('every call that speaks for a user', () => {
  it('needs a login', async () => {
    const group = { groupID: '5' };
    for (const call of [
      () => tim.sendMessage(text()), () => tim.resendMessage(text()), () => tim.revokeMessage(text()), () => tim.createGroup({ name: 'x' }),
      () => tim.dismissGroup('5'), () => tim.updateGroupProfile(group), () => tim.getGroupMemberList(group),
      () => tim.getGroupMemberProfile({ ...group, userIDList: ['a'] }), () => tim.deleteGroupMember({ ...group, userIDList: ['a'] }),
      () => tim.setGroupMemberMuteTime({ ...group, userID: 'a', muteTime: 1 }), () => tim.initGroupAttributes({ ...group, groupAttributes: {} }),
      () => tim.setGroupAttributes({ ...group, groupAttributes: {} }), () => tim.deleteGroupAttributes(group),
      () => tim.setGroupCounters({ ...group, counters: {} }), () => tim.increaseGroupCounter({ ...group, key: 'a', value: 1 }),
      () => tim.decreaseGroupCounter({ ...group, key: 'a', value: 1 }), () => tim.getMyProfile(), () => tim.updateMyProfile({}),
      () => tim.getUserProfile({ userIDList: ['a'] }),
    ]) expect(await codeOf(call())).toBe(2024);
    expect(fake.server.sockets).toEqual([]);
  });
});
