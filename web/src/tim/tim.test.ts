import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeRoom } from '../im/fake-room';
import { setLogLevel } from '../log';
import { sessions } from '../signal/pool';
import TIM, { type TimChat, TimError, type TimGroupTip, type TimMessage } from './index';

let fake: FakeRoom;
let tim: TimChat;
/** What was told, in its order. */
let told: [string, unknown][];

const APP = 1400000000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  vi.stubGlobal('WebSocket', function (url: string) {
    return fake.server.open(url);
  });
  setLogLevel(5);
  fake = new FakeRoom();
  told = [];
  tim = TIM.create({ SDKAppID: APP, server: 'https://live.example' });
  for (const name of Object.values(TIM.EVENT)) tim.on(name, (event) => told.push([event.name, event.data]));
});

afterEach(async () => {
  fake.server.isUp = true;
  const gone = tim.destroy();
  await settle(10_000);
  await gone;
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

const errorOf = (asked: Promise<unknown>) => asked.then(() => { throw new Error('did not reject'); }, (error: TimError) => error);

const codeOf = async (asked: Promise<unknown>) => (await errorOf(asked)).code;

/** What was told under a name, and forgotten by that. */
function take(name: string): unknown[] {
  const data = told.filter(([event]) => event === name).map(([, data]) => data);
  told = told.filter(([event]) => event !== name);
  return data;
}

const messages = () => take(TIM.EVENT.MESSAGE_RECEIVED).flat() as TimMessage[];

const login = async (userID = 'anna') => {
  const result = await tim.login({ userID, userSig: 'sig' });
  await settle();
  return result;
};

const join = (groupID: string | number = '5') => tim.joinGroup({ groupID, type: TIM.TYPES.GRP_AVCHATROOM });

/** Logged in, inside, and nothing told so far. */
async function inside(): Promise<void> {
  await login();
  await join();
  await settle();
  told = [];
}

const text = (text = 'hello', more: object = {}) =>
  tim.createTextMessage({ to: '5', conversationType: TIM.TYPES.CONV_GROUP, payload: { text }, ...more });

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
    expect(await codeOf(tim.login({} as never))).toBe(10004);
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

describe('messages', () => {
  it('are made with all their members', () => {
    const message = tim.createTextMessage({ to: 5, conversationType: 'GROUP', priority: 'High', payload: { text: 'hi' }, cloudCustomData: 'x' });
    expect(message).toMatchObject({
      type: 'TIMTextElem', payload: { text: 'hi' }, to: '5', conversationID: 'GROUP5', conversationType: 'GROUP', flow: 'out', status: 'unSend',
      priority: 'High', cloudCustomData: 'x', isRevoked: false, time: 1_700_000_000, sequence: 0,
    });
    expect(tim.createCustomMessage({ to: '5', payload: { data: 'like' } })).toMatchObject({
      type: 'TIMCustomElem', payload: { data: 'like', description: '', extension: '' }, priority: 'Normal',
    });
    expect(() => tim.createTextMessage({} as never)).toThrow(TimError);
  });

  it('are sent, and are then as the server names them', async () => {
    await inside();
    const message = text('hello', { priority: 'Low', cloudCustomData: 'x' });
    const { random } = message;
    const { code, data } = await tim.sendMessage(message);
    expect([code, data.message]).toEqual([0, message]);
    expect(message).toMatchObject({ ID: 'm1', status: 'success', flow: 'out', from: 'anna', nick: 'ANNA', conversationID: 'GROUP5' });
    expect(fake.server.asked('sendMessage')[0]).toMatchObject({
      room: 5, content: { type: 'TIMTextElem', payload: { text: 'hello' } }, priority: 'Low', cloudCustomData: 'x', random,
    });
    expect(await codeOf(tim.sendMessage(message))).toBe(2100);
  });

  it.each([
    ['muted', 10017], ['allMuted', 10017], ['refusedByApp', 10016], ['sensitiveText', 80001], ['tooLong', 80002], ['tooFast', 2996], ['imageMissing', 2251],
  ] as const)('that are refused as %s reject with %i', async (name, code) => {
    await inside();
    fake.refuse('sendMessage', name, code);
    const message = text();
    const error = await errorOf(tim.sendMessage(message));
    expect(error).toBeInstanceOf(TimError);
    expect([error.code, message.status, error.message]).toEqual([code, 'fail', expect.stringContaining(name)]);
  });

  it('that cannot be sent reject at once', async () => {
    expect(await codeOf(tim.sendMessage(text()))).toBe(2024);
    await login();
    expect(await codeOf(tim.sendMessage(text()))).toBe(2101);
    expect(await codeOf(tim.sendMessage(text('x', { conversationType: 'C2C' })))).toBe(10004);
    expect(await codeOf(tim.sendMessage(null as never))).toBe(10004);
    await join();
    expect(await codeOf(tim.sendMessage(text('x'.repeat(12_289))))).toBe(80002);
    expect(await codeOf(tim.sendMessage({ ...text(), type: 'TIMGroupTipElem' } as TimMessage))).toBe(2100);
    expect(fake.server.asked('sendMessage')).toEqual([]);
  });

  it('of others come in batches, as they are seen there', async () => {
    await inside();
    fake.say('ben', 'one');
    fake.say('ben', { type: 'TIMCustomElem', payload: { data: 'like', description: '', extension: '' } });
    expect(told).toEqual([]);
    await settle();
    expect(told).toHaveLength(1);
    const [first, second] = messages();
    expect(first).toMatchObject({
      ID: 'm1', type: 'TIMTextElem', payload: { text: 'one' }, conversationID: 'GROUP5', conversationType: 'GROUP', to: '5', from: 'ben', flow: 'in',
      status: 'success', nick: 'BEN', sequence: 1, time: 1_700_000_000, isRevoked: false,
    });
    expect(second).toMatchObject({ type: 'TIMCustomElem', payload: { data: 'like' } });
  });

  it('are taken back by the page without an event, and by others with one', async () => {
    await inside();
    const message = text();
    await tim.sendMessage(message);
    const kept = fake.history[0]!;
    const { data } = await tim.revokeMessage(message);
    fake.tell('messageRevoked', { message: { ...kept, isRevoked: true, payload: { text: '' } } });
    expect([data.message.isRevoked, fake.server.asked('revokeMessage')[0]?.['sequence'], take('onMessageRevoked')]).toEqual([true, 1, []]);
    const other = fake.say('ben', 'oops');
    fake.tell('messageRevoked', { message: { ...other, isRevoked: true, payload: { text: '' } } });
    expect(take('onMessageRevoked')).toMatchObject([[{ ID: 'm2', isRevoked: true, conversationID: 'GROUP5' }]]);
    fake.refuse('revokeMessage', 'notYours', 10007);
    expect(await codeOf(tim.revokeMessage({ ...message, sequence: 2 }))).toBe(10007);
  });

  it('of the past come in pages, oldest first', async () => {
    for (let n = 1; n <= 20; n += 1) fake.keep('ben', String(n));
    await inside();
    const texts = (list: TimMessage[]) => list.map((message) => (message.payload as { text: string }).text);
    const first = (await tim.getMessageList({ conversationID: 'GROUP5' })).data;
    expect(texts(first.messageList)).toEqual(Array.from({ length: 15 }, (_, n) => String(n + 6)));
    expect([first.isCompleted, first.nextReqMessageID]).toEqual([false, 'm6']);
    const next = (await tim.getMessageList({ conversationID: 'GROUP5', nextReqMessageID: first.nextReqMessageID })).data;
    expect([texts(next.messageList), next.isCompleted, next.nextReqMessageID]).toEqual([['1', '2', '3', '4', '5'], true, '']);
    expect(await codeOf(tim.getMessageList({ conversationID: 'C2Cben' }))).toBe(2603);
  });
});

describe('images', () => {
  const png = () => new Blob([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0])], { type: 'image/png' });

  const image = (file: unknown, onProgress?: (part: number) => void) =>
    tim.createImageMessage({ to: '5', conversationType: 'GROUP', payload: { file: file as Blob }, ...(onProgress && { onProgress }) });

  function stubUpload(): void {
    vi.stubGlobal('XMLHttpRequest', class {
      upload: { onprogress?: (event: object) => void } = {};
      onload?: () => void;
      status = 201;
      responseText = '';
      open() { return undefined; }
      setRequestHeader() { return undefined; }
      getResponseHeader() { return null; }
      send() {
        const info = (side: string) => ({ url: `/images/u${side}.png`, width: 8, height: 4, size: 99 });
        this.responseText = JSON.stringify({ uuid: 'u', imageFormat: 'png', imageInfoArray: [info(''), info('-720'), info('-198')] });
        this.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 2 });
        this.onload?.();
      }
    });
  }

  it('are uploaded with progress and sent by their id', async () => {
    stubUpload();
    await inside();
    const info = (side: string) => ({ url: `/images/u${side}.png`, width: 8, height: 4, size: 99 });
    const payload = { uuid: 'u', imageFormat: 'png', imageInfoArray: [info(''), info('-720'), info('-198')] };
    fake.server.answers['sendMessage'] = () => ({ result: { message: { ...fake.keep('anna', { type: 'TIMImageElem', payload }), sequence: 0 } } });
    const parts: number[] = [];
    const message = image({ files: [png()] }, (part) => parts.push(part));
    expect(message.payload).toMatchObject({ uuid: '', imageFormat: 'png', imageInfoArray: [{ size: 12 }, {}, {}] });
    const sent = tim.sendMessage(message);
    await vi.waitFor(() => expect(fake.server.asked('sendMessage')).toHaveLength(1));
    const request = fake.server.asked('sendMessage')[0]!;
    expect(request['content']).toEqual({ type: 'TIMImageElem', payload: { uuid: 'u' } });
    await sent;
    expect(parts).toEqual([0.5, 1]);
    expect(message).toMatchObject({ status: 'success', payload: { uuid: 'u', imageInfoArray: [{ url: 'https://live.example/images/u.png' }, {}, {}] } });
  });

  it('are refused before the upload when they are missing, none or too large', async () => {
    await inside();
    expect(await codeOf(tim.sendMessage(image({ files: [] })))).toBe(2251);
    expect(await codeOf(tim.sendMessage(image(undefined)))).toBe(2251);
    expect(await codeOf(tim.sendMessage(image(new Blob(['<svg>'], { type: 'image/svg+xml' }))))).toBe(2252);
    expect(await codeOf(tim.sendMessage(image(Object.defineProperty(png(), 'size', { value: 29 * 1024 * 1024 }))))).toBe(2253);
  });

  it('of others have absolute addresses in all sizes', async () => {
    await inside();
    const info = (side: string) => ({ url: `/images/u${side}.png`, width: 8, height: 4, size: 99 });
    fake.say('ben', { type: 'TIMImageElem', payload: { uuid: 'u', imageFormat: 'png', imageInfoArray: [info(''), info('-720'), info('-198')] } } as never);
    await settle();
    expect(messages()[0]).toMatchObject({
      type: 'TIMImageElem',
      payload: { imageInfoArray: ['', '-720', '-198'].map((side) => ({ url: `https://live.example/images/u${side}.png`, imageUrl: `https://live.example/images/u${side}.png` })) },
    });
  });
});

describe('groups', () => {
  it('are made, and not joined by that', async () => {
    await login();
    const { data } = await tim.createGroup({ groupID: 5, name: 'Show', type: 'AVChatRoom', notification: 'be kind', introduction: 'me', avatar: '/a.png' });
    expect(data.group).toMatchObject({
      groupID: '5', type: 'AVChatRoom', name: 'Show', notification: 'be kind', introduction: 'me', avatar: '/a.png', ownerID: 'anna', joinOption: 'FreeAccess',
    });
    expect(fake.server.asked('createRoom')).toMatchObject([{ room: 5, name: 'Show', notice: 'be kind' }]);
    expect((await tim.createGroup({ name: 'x' })).data.group.groupID).toMatch(/^@TGS#a[A-Z0-9]+$/);
    fake.refuse('createRoom', 'roomTaken', 10021);
    expect(await codeOf(tim.createGroup({ groupID: 'x', name: 'x' }))).toBe(10021);
    fake.refuse('createRoom', 'roomIsYours', 10025);
    expect(await codeOf(tim.createGroup({ groupID: 'x', name: 'x' }))).toBe(10025);
    expect(await codeOf(tim.createGroup({ name: '' }))).toBe(10004);
    expect(await codeOf(tim.createGroup({ name: 'x', type: 'Public' }))).toBe(10004);
  });

  it('are joined once, with the last messages for people in one batch', async () => {
    fake.keep('ben', 'old');
    fake.keep('ben', { type: 'TIMCustomElem', payload: { data: 'push_stopped' } });
    fake.keep('anna', 'mine');
    await login();
    const { data } = await join();
    expect([data.status, data.group.groupID, data.group.name]).toEqual(['JoinedSuccess', '5', 'Evening show']);
    await settle();
    expect(messages().map(({ payload, flow }) => [payload, flow])).toEqual([[{ text: 'old' }, 'in'], [{ text: 'mine' }, 'out']]);
    expect((await join()).data.status).toBe('AlreadyInGroup');
    expect(fake.server.asked('enterRoom')).toHaveLength(1);
  });

  it('are joined by guests, who receive; other types are not', async () => {
    expect(await codeOf(tim.joinGroup({ groupID: '5', type: 'Public' }))).toBe(2662);
    expect((await join()).data.status).toBe('JoinedSuccess');
    fake.say('ben', 'hello');
    await settle();
    expect(messages()).toMatchObject([{ payload: { text: 'hello' }, flow: 'in' }]);
    expect(await codeOf(tim.sendMessage(text()))).toBe(2024);
    expect(tim.isReady()).toBe(false);
  });

  it('go on as the user when a guest logs in', async () => {
    await join();
    fake.say('ben', 'to the guest');
    const guest = fake.server.socket;
    fake.keep('ben', 'meanwhile');
    await login();
    expect(guest).not.toBe(fake.server.socket);
    fake.say('ben', 'to the user');
    await settle();
    expect(messages().map(({ payload }) => payload)).toEqual([{ text: 'to the guest' }, { text: 'meanwhile' }, { text: 'to the user' }]);
    await tim.sendMessage(text('mine'));
    expect(fake.history.at(-1)?.payload).toEqual({ text: 'mine' });
    expect((await join()).data.status).toBe('AlreadyInGroup');
  });

  it('are joined once by a page that joins and logs in at the same time, in either order', async () => {
    const both = Promise.all([tim.login({ userID: 'anna', userSig: 'sig' }), join()]);
    await settle(1_000);
    expect((await both)[1].data.status).toBe('JoinedSuccess');
    expect(fake.server.sockets).toHaveLength(1);
    await tim.sendMessage(text('one'));
    await tim.logout();
    const again = Promise.all([join(), tim.login({ userID: 'anna', userSig: 'sig' })]);
    await settle(1_000);
    expect((await again)[0].data.status).toBe('JoinedSuccess');
    await tim.sendMessage(text('two'));
    expect(fake.history.map(({ payload }) => payload)).toEqual([{ text: 'one' }, { text: 'two' }]);
  });

  it('are joined one at a time, unless it is asked for', async () => {
    await inside();
    await join('other');
    expect(fake.server.asked('leaveRoom')).toMatchObject([{ room: 5, part: 'chat' }]);
    expect(await codeOf(tim.sendMessage(text()))).toBe(2101);
    await tim.destroy();
    tim = TIM.create({ SDKAppID: APP, server: 'https://live.example', unlimitedAVChatRoom: true });
    await login();
    await join('5');
    await join('other');
    expect(fake.server.asked('leaveRoom').slice(2)).toEqual([]);
    await tim.sendMessage(text());
  });

  it('of digits are the numeric room, else the room of that name', async () => {
    await login();
    const enter = fake.server.answers['enterRoom']!;
    fake.server.answers['enterRoom'] = (frame) => (frame['room'] === 77 ? { refused: 'noSuchRoom' } : enter(frame));
    await join(77);
    expect(fake.server.asked('enterRoom').map((frame) => frame['room'])).toEqual([77, '77']);
    await tim.sendMessage(tim.createTextMessage({ to: '77', payload: { text: 'x' } }));
    expect(fake.server.asked('sendMessage')[0]!['room']).toBe('77');
  });

  it.each([['noSuchRoom', 10010], ['badId', 10015], ['banned', 10007]] as const)('that refuse as %s reject with %i', async (name, code) => {
    await login();
    fake.refuse('enterRoom', name, code);
    expect(await codeOf(join('gone'))).toBe(code);
    expect(await codeOf(tim.sendMessage(text()))).toBe(2101);
  });

  it('need an id', async () => {
    for (const call of [
      tim.joinGroup({} as never), tim.quitGroup(''), tim.dismissGroup(undefined as never), tim.getGroupProfile({} as never), tim.searchGroupByID(''),
    ]) expect(await codeOf(call)).toBe(2603);
  });

  it('are quit, but not by their owner, and not twice', async () => {
    await inside();
    fake.refuse('leaveRoom', 'ownerMayNotQuit', 10007);
    expect(await codeOf(tim.quitGroup('5'))).toBe(10007);
    delete fake.server.answers['leaveRoom'];
    expect((await tim.quitGroup('5')).data).toEqual({ groupID: '5' });
    expect(await codeOf(tim.quitGroup('5'))).toBe(2623);
  });

  it('are dismissed by their owner', async () => {
    await inside();
    fake.refuse('dismissRoom', 'notOwner', 2681);
    expect(await codeOf(tim.dismissGroup('5'))).toBe(2681);
    delete fake.server.answers['dismissRoom'];
    expect((await tim.dismissGroup('5')).data).toEqual({ groupID: '5' });
    expect(await codeOf(tim.sendMessage(text()))).toBe(2101);
  });

  it('are shown, found, counted and changed', async () => {
    await inside();
    expect((await tim.getGroupProfile({ groupID: '5' })).data.group).toMatchObject({ groupID: '5', ownerID: 'olga', memberCount: 3, muteAllMembers: false });
    expect((await tim.searchGroupByID(5)).data.group.name).toBe('Evening show');
    expect((await tim.getGroupOnlineMemberCount('5')).data).toEqual({ memberCount: 3 });
    const { data } = await tim.updateGroupProfile({ groupID: '5', name: 'New', notification: 'hi', muteAllMembers: true });
    expect(data.group.muteAllMembers).toBe(true);
    expect(fake.server.asked('updateRoom')).toMatchObject([{ room: 5, name: 'New', notice: 'hi' }]);
    expect(fake.server.asked('muteAll')).toMatchObject([{ room: 5, muted: true }]);
    fake.refuse('updateRoom', 'noPermission', 10007);
    expect(await codeOf(tim.updateGroupProfile({ groupID: '5', name: 'x' }))).toBe(10007);
  });

  it('tell guests what they knew when they came', async () => {
    await join();
    fake.refuse('showRoom', 'guest', 2024);
    expect((await tim.getGroupOnlineMemberCount('5')).data).toEqual({ memberCount: 3 });
    expect(await codeOf(tim.getGroupProfile({ groupID: 'other' }))).toBe(2024);
  });

  it('tell of their members, and of what hosts do, in tips', async () => {
    await inside();
    const tip = (payload: object) => fake.tell('message', {
      message: {
        ID: `t${Math.random()}`, sequence: 0, random: 0, to: 5, time: 1, priority: 'Lowest', nick: '', avatar: '', nameCard: '', cloudCustomData: '',
        isRevoked: false, type: 'TIMGroupTipElem', payload,
      },
    });
    tip({ operationType: 1, userIDList: ['ben'], memberCount: 4 });
    fake.tell('allMuted', { muted: true });
    tip({ operationType: 6, operatorID: 'olga', userIDList: [] });
    fake.tell('roomUpdated', { info: { ...fake.info(), name: 'New', notice: 'n' } });
    tip({ operationType: 6, userIDList: [] });
    fake.tell('userMuted', { user: 'rob', seconds: 60 });
    tip({ operationType: 7, operatorID: 'olga', userIDList: ['rob'] });
    await settle();
    const received = messages();
    expect(received.every(({ type, from, flow }) => type === 'TIMGroupTipElem' && from === '@TIM#SYSTEM' && flow === 'in')).toBe(true);
    expect(received.map(({ payload }) => payload as TimGroupTip)).toMatchObject([
      { operationType: 1, userIDList: ['ben'], memberCount: 4, operatorID: '', memberList: [{ userID: 'ben' }], groupProfile: { groupID: '5' } },
      { operationType: 6, operatorID: 'olga', newGroupProfile: { muteAllMembers: true } },
      { operationType: 6, newGroupProfile: { groupName: 'New', notification: 'n' } },
      { operationType: 7, operatorID: 'olga', userIDList: ['rob'], memberList: [{ userID: 'rob', muteTime: 60 }] },
    ]);
  });

  it.each([['kick', 4], ['room-disband', 5]])('that end for one by %s are told by a notice of type %i', async (reason, type) => {
    await inside();
    fake.tell('removed', { reason, message: 'Mind your words' });
    await settle();
    const notice = { type: 'TIMGroupSystemNoticeElem', conversationID: '@TIM#SYSTEM', to: 'anna', payload: { operationType: type, groupProfile: { groupID: '5' }, handleMessage: 'Mind your words' } };
    expect(take('receiveGroupSystemNotice')).toMatchObject([{ type, message: notice }]);
    expect(messages()).toMatchObject([notice]);
    expect(await codeOf(tim.sendMessage(text()))).toBe(2101);
  });
});

describe('members', () => {
  const view = (user: string, rank = 'generalUser') => ({ user, profile: { nick: user.toUpperCase(), avatar: '' }, rank, role: null, tracks: { main: null, aux: null } });

  beforeEach(async () => {
    const users = ['anna', 'ben', 'carol', 'dan', 'olga'];
    fake.server.answers['listMembers'] = (frame) => {
      const rest = users.filter((user) => user > String(frame['after'] ?? ''));
      const count = Number(frame['count']);
      return { result: { members: rest.slice(0, count).map((user) => view(user, user === 'olga' ? 'owner' : user === 'dan' ? 'administrator' : undefined)), more: rest.length > count } };
    };
    await inside();
  });

  it('come in pages by offset', async () => {
    const page = async (count: number, offset?: number) => {
      const { data } = await tim.getGroupMemberList({ groupID: '5', count, ...(offset !== undefined && { offset }) });
      return [data.memberList.map(({ userID }) => userID), data.offset];
    };
    expect(await page(2)).toEqual([['anna', 'ben'], 2]);
    expect(await page(2, 2)).toEqual([['carol', 'dan'], 4]);
    expect(await page(2, 4)).toEqual([['olga'], 0]);
    expect(await page(2, 1)).toEqual([['ben', 'carol'], 3]);
    expect(await page(2, 9)).toEqual([[], 0]);
    expect(fake.server.asked('listMembers')[0]).toMatchObject({ room: 5, count: 2 });
    expect((await tim.getGroupMemberList({ groupID: '5' })).data.memberList).toMatchObject([
      { userID: 'anna', role: 'Member', nick: 'ANNA', muteUntil: 0 }, {}, {}, { role: 'Admin' }, { role: 'Owner' },
    ]);
    expect(fake.server.requests.at(-1)).toMatchObject({ count: 15 });
  });

  it('are shown with their mutes', async () => {
    fake.tell('userMuted', { user: 'ben', seconds: 60 });
    const { data } = await tim.getGroupMemberProfile({ groupID: '5', userIDList: ['ben', 'nobody'] });
    expect(data.memberList).toMatchObject([{ userID: 'ben', muteUntil: Math.ceil(Date.now() / 1000) + 60 }]);
    expect(await codeOf(tim.getGroupMemberProfile({ groupID: '5', userIDList: [] }))).toBe(10004);
  });

  it('are removed and kept out', async () => {
    fake.server.answers['kick'] = (frame) => ({ result: { users: frame['users'] } });
    const { data } = await tim.deleteGroupMember({ groupID: '5', userIDList: ['ben'], reason: 'spam', duration: 60 });
    expect([data.userIDList, data.group.groupID]).toEqual([['ben'], '5']);
    expect(fake.server.asked('kick')).toMatchObject([{ room: 5, users: ['ben'], message: 'spam', banSeconds: 60 }]);
    fake.refuse('kick', 'noPermission', 10007);
    expect(await codeOf(tim.deleteGroupMember({ groupID: '5', userIDList: ['olga'] }))).toBe(10007);
  });

  it('are muted and let speak', async () => {
    const { data } = await tim.setGroupMemberMuteTime({ groupID: '5', userID: 'ben', muteTime: 60 });
    expect(data.member).toEqual({ userID: 'ben', muteUntil: Math.floor(Date.now() / 1000) + 60 });
    expect((await tim.setGroupMemberMuteTime({ groupID: '5', userID: 'ben', muteTime: 0 })).data.member.muteUntil).toBe(0);
    expect(fake.server.asked('muteUser').map((frame) => frame['seconds'])).toEqual([60, 0]);
    fake.refuse('muteUser', 'notMember', 2623);
    expect(await codeOf(tim.setGroupMemberMuteTime({ groupID: '5', userID: 'x', muteTime: 1 }))).toBe(2623);
    expect(await codeOf(tim.setGroupMemberMuteTime({ groupID: '5', userID: 'x', muteTime: 'long' as never }))).toBe(10004);
  });

  it('become administrators', async () => {
    expect((await tim.setGroupMemberRole({ groupID: '5', userID: 'ben', role: 'Admin' })).data.member).toEqual({ userID: 'ben', role: 'Admin' });
    expect(fake.server.asked('setAdministrator')).toMatchObject([{ room: 5, user: 'ben', isAdministrator: true }]);
    expect(await codeOf(tim.setGroupMemberRole({ groupID: '5', userID: 'ben', role: 'King' }))).toBe(10004);
  });
});

describe('what a group shares', () => {
  beforeEach(inside);

  it('texts', async () => {
    expect((await tim.initGroupAttributes({ groupID: '5', groupAttributes: { a: '1' } })).data).toEqual({ groupAttributes: { a: '1' } });
    expect((await tim.setGroupAttributes({ groupID: '5', groupAttributes: { b: 2 as never } })).data).toEqual({ groupAttributes: { b: '2' } });
    expect((await tim.deleteGroupAttributes({ groupID: '5', keyList: ['a'] })).data).toEqual({ keyList: ['a'] });
    expect((await tim.getGroupAttributes({ groupID: '5' })).data).toEqual({ groupAttributes: { topic: 'tea', mood: 'calm' } });
    expect((await tim.getGroupAttributes({ groupID: '5', keyList: ['mood'] })).data).toEqual({ groupAttributes: { mood: 'calm' } });
    expect(fake.server.asked('setAttributes')).toMatchObject([{ room: 5, attributes: { b: '2' } }]);
    fake.tell('attributesChanged', { set: { topic: 'milk' }, deleted: ['mood'] });
    await settle();
    expect(take('groupAttributesUpdated')).toEqual([{ groupID: '5', groupAttributes: { topic: 'milk' } }]);
  });

  it('numbers', async () => {
    const { answers } = fake.server;
    answers['counters'] = answers['setCounters'] = answers['addCounter'] = () => ({ result: { counters: { likes: 7, gifts: 2 } } });
    expect((await tim.setGroupCounters({ groupID: '5', counters: { likes: 7 } })).data.counters).toEqual({ likes: 7, gifts: 2 });
    expect((await tim.increaseGroupCounter({ groupID: '5', key: 'likes', value: 2 })).data).toEqual({ groupID: '5', key: 'likes', value: 7 });
    await tim.decreaseGroupCounter({ groupID: '5', key: 'likes', value: 3 });
    expect(fake.server.asked('addCounter').map(({ name, amount }) => [name, amount])).toEqual([['likes', 2], ['likes', -3]]);
    expect((await tim.getGroupCounters({ groupID: '5', keyList: ['gifts'] })).data).toEqual({ counters: { gifts: 2 } });
    expect(await codeOf(tim.increaseGroupCounter({ groupID: '5', key: 'likes', value: 0.5 }))).toBe(10004);
    fake.tell('countersChanged', { counters: { likes: 9, gifts: 3 } });
    expect(take('onGroupCounterUpdated')).toEqual([{ groupID: '5', key: 'likes', value: 9 }, { groupID: '5', key: 'gifts', value: 3 }]);
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
    told = [];
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
