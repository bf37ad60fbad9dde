import { beforeEach, describe, expect, test } from 'vitest';
import TIM, { type TimChat } from '../tim';
import { EVENT } from './constants';
import { IM } from './im';
import TWebLive from '.';

type TimHandler = (event: { name: string; data: unknown }) => void;

/** TIM in the test's hands. */
function fakeTim() {
  const calls: unknown[][] = [];
  const handlers = new Map<string, TimHandler>();
  const refused = new Map<string, object>();
  const did = (name: string) => async (...args: unknown[]) => {
    calls.push([name, ...args]);
    const error = refused.get(name);
    if (error) throw error;
    return { code: 0, data: { did: name } };
  };
  const face: Record<string, unknown> = {
    on: (event: string, handler: TimHandler) => handlers.set(event, handler),
    createTextMessage: (options: object) => ({ type: 'TIMTextElem', ...options }),
    createCustomMessage: (options: object) => ({ type: 'TIMCustomElem', ...options }),
    createImageMessage: (options: object) => ({ type: 'TIMImageElem', ...options }),
  };
  for (const name of ['login', 'logout', 'createGroup', 'joinGroup', 'quitGroup', 'updateMyProfile', 'getMyProfile', 'sendMessage']) face[name] = did(name);
  return { face: face as unknown as TimChat, calls, refused, tell: (name: string, data?: unknown) => handlers.get(name)!({ name, data }) };
}

function imOf() {
  const tim = fakeTim();
  const im = new IM(() => tim.face, { SDKAppID: 1400000000 });
  const events: unknown[][] = [];
  for (const name of Object.values(EVENT)) im.on(name, (event) => events.push([event.name, event.data]));
  return { im, tim, events };
}

test('needs an app', () => {
  for (const options of [undefined, {}, { SDKAppID: 0 }, { SDKAppID: '' }]) {
    expect(() => new IM(() => fakeTim().face, options as never)).toThrow(/SDKAppID/);
  }
});

test('there is one on a page, whatever is asked for', () => {
  expect(() => TWebLive.createIM({} as never)).toThrow(/SDKAppID/);
  const first = TWebLive.createIM({ SDKAppID: 7 });
  expect(TWebLive.createIM({ SDKAppID: 8 })).toBe(first);
  expect(TWebLive.createIM(undefined as never)).toBe(first);
});

describe('calls', () => {
  test.each<[string, (im: IM) => Promise<unknown>, unknown[]]>([
    ['login', (im) => im.login({ userID: 'anna', userSig: 's' }), ['login', { userID: 'anna', userSig: 's' }]],
    ['logout', (im) => im.logout(), ['logout']],
    ['createRoom', (im) => im.createRoom({ name: 'Show', roomID: 5 }),
      ['createGroup', { name: 'Show', type: 'AVChatRoom', groupID: '5', notification: '', introduction: '', avatar: '' }]],
    ['createRoom without an id', (im) => im.createRoom({ name: 'Show', notification: 'n', introduction: 'i', avatar: 'a' }),
      ['createGroup', { name: 'Show', type: 'AVChatRoom', notification: 'n', introduction: 'i', avatar: 'a' }]],
    ['enterRoom', (im) => im.enterRoom(5), ['joinGroup', { groupID: '5', type: 'AVChatRoom' }]],
    ['exitRoom', (im) => im.exitRoom(5), ['quitGroup', '5']],
    ['setMyProfile', (im) => im.setMyProfile({ nick: 'Anna', avatar: 'a' }), ['updateMyProfile', { nick: 'Anna', avatar: 'a' }]],
    ['getMyProfile', (im) => im.getMyProfile(), ['getMyProfile']],
    ['sendTextMessage', (im) => im.sendTextMessage({ roomID: 5, text: 'hi' }),
      ['sendMessage', { type: 'TIMTextElem', to: '5', conversationType: 'GROUP', priority: 'Normal', payload: { text: 'hi' } }]],
    ['sendCustomMessage', (im) => im.sendCustomMessage({ roomID: '5', data: 'like', priority: 'Low' }),
      ['sendMessage', { type: 'TIMCustomElem', to: '5', conversationType: 'GROUP', priority: 'Low', payload: { data: 'like', description: '', extension: '' } }]],
    ['sendImageMessage', (im) => im.sendImageMessage({ roomID: 5, file: 'a file' as never }),
      ['sendMessage', { type: 'TIMImageElem', to: '5', conversationType: 'GROUP', priority: 'Normal', payload: { file: 'a file' } }]],
    ['stopPush', (im) => im.stopPush({ roomID: 5, postscript: 'bye' }),
      ['sendMessage', {
        type: 'TIMCustomElem', to: '5', conversationType: 'GROUP', priority: 'High', payload: { data: 'push_stopped', description: 'bye', extension: '' },
      }]],
  ])('%s', async (_, call, expected) => {
    const { im, tim } = imOf();
    expect(await call(im)).toEqual({ code: 0, data: { did: expected[0] } });
    expect(tim.calls).toEqual([expected]);
  });

  test('are refused with the documented code', async () => {
    const { im, tim } = imOf();
    tim.refused.set('createGroup', { code: 10025, message: 'yours' });
    await expect(im.createRoom({ name: 'Show', roomID: 5 })).rejects.toEqual({ code: 10025, message: 'yours' });
  });
});

test('calls without what they need are refused with a code, not by an accident', async () => {
  const im = new IM(() => TIM.create({ SDKAppID: 9, server: 'https://live.example' }), { SDKAppID: 9 });
  const nothing = undefined as never;
  const codes = await Promise.all([
    im.login(nothing), im.login({} as never), im.createRoom(nothing), im.enterRoom(nothing), im.exitRoom(nothing), im.sendTextMessage(nothing),
    im.sendTextMessage({ text: 'x' } as never), im.sendCustomMessage(nothing), im.sendImageMessage(nothing), im.stopPush(nothing),
  ].map((call) => call.then(() => 0, ({ code }: { code: number }) => code)));
  expect(codes).toEqual([10004, 10004, 2024, 2603, 2603, 10004, 10004, 10004, 10004, 10004]);
});

describe('events', () => {
  const text = (to: string, words: string) => ({ to, type: 'TIMTextElem', payload: { text: words } });
  const custom = (data: string, description = '') => ({ to: '5', type: 'TIMCustomElem', payload: { data, description, extension: '' } });
  const tip = (operationType: number, ...userIDList: string[]) => ({ to: '5', type: 'TIMGroupTipElem', payload: { operationType, userIDList } });
  let all: ReturnType<typeof imOf>;
  beforeEach(async () => {
    all = imOf();
    await all.im.enterRoom(5);
  });

  test('of the session', () => {
    const { tim, events } = all;
    tim.tell('sdkStateReady');
    tim.tell('sdkStateNotReady');
    tim.tell('kickedOut', { type: 'multipleAccount' });
    tim.tell('netStateChange', { state: 'connecting' });
    expect(events).toEqual([['t_im_ready', undefined], ['t_im_not_ready', undefined], ['t_kicked_out', 'multipleAccount'], ['t_net_state_change', 'connecting']]);
  });

  test('of messages come by their kind', () => {
    const { tim, events } = all;
    const image = { to: '5', type: 'TIMImageElem', payload: { uuid: 'u' } };
    const [a, b, like, joined, left] = [text('5', 'a'), text('5', 'b'), custom('like'), tip(1, 'ben'), tip(2, 'rob')];
    tim.tell('onMessageReceived', [left, a, like, image, b, joined, tip(6)]);
    expect(events).toEqual([
      ['t_remote_user_join', [joined]], ['t_text_message_received', [a, b]], ['t_custom_message_received', [like]], ['t_image_message_received', [image]],
      ['t_remote_user_leave', [left]],
    ]);
  });

  test('of other rooms do not come', async () => {
    const { tim, events, im } = all;
    tim.tell('onMessageReceived', [text('6', 'elsewhere')]);
    await im.enterRoom('6');
    tim.tell('onMessageReceived', [text('5', 'before'), text('6', 'now')]);
    await im.exitRoom(6);
    tim.tell('onMessageReceived', [text('6', 'after')]);
    expect(events).toEqual([['t_text_message_received', [text('6', 'now')]]]);
  });

  test('stay those of the room before when another one cannot be entered', async () => {
    const { tim, events, im } = all;
    tim.refused.set('joinGroup', { code: 10010, message: 'no such group' });
    await expect(im.enterRoom(9)).rejects.toMatchObject({ code: 10010 });
    tim.tell('onMessageReceived', [text('5', 'here')]);
    expect(events).toHaveLength(1);
  });

  test('tell that the push has stopped, and not as a custom message', () => {
    const { tim, events } = all;
    tim.tell('onMessageReceived', [custom('push_stopped', 'thank you')]);
    expect(events).toEqual([['t_push_stopped', 'thank you']]);
    tim.tell('onMessageReceived', [custom('push_stopped'), custom('startPush')]);
    expect(events.slice(1)).toEqual([['t_custom_message_received', [custom('startPush')]], ['t_push_stopped', '']]);
  });
});
