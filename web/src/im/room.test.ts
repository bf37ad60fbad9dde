import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WebliveError } from '../errors';
import { setLogLevel } from '../log';
import type { Message } from '../protocol/messages';
import { Session } from '../signal/session';
import { FakeRoom } from './fake-room';
import { ChatRoom } from './room';

let fake: FakeRoom;
const open: Session[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  setLogLevel(5);
  fake = new FakeRoom();
});

afterEach(async () => {
  for (const session of open.splice(0)) void session.close();
  await vi.advanceTimersByTimeAsync(5_000);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

const errorOf = (asked: Promise<unknown>) => asked.then(() => { throw new Error('did not reject'); }, (error: WebliveError) => error);

async function login(user?: string, from = fake): Promise<Session> {
  const session = new Session({ server: 'https://live.example', app: 7, ...(user !== undefined && { user }) }, from.server.open);
  open.push(session);
  await session.ready;
  return session;
}

/** A chat with what it has told, as texts. */
async function enter(user: string | null = 'anna'): Promise<{ chat: ChatRoom; said: string[]; session: Session }> {
  const session = await login(user ?? undefined);
  const chat = new ChatRoom(session, fake.room);
  const said: string[] = [];
  chat.on('message', (message) => said.push(textOf(message)));
  await chat.enter();
  return { chat, said, session };
}

const textOf = (message: Message) => (message.type === 'TIMTextElem' ? message.payload.text : message.type);

const sentTexts = () => fake.server.asked('sendMessage').map((frame) => (frame['content'] as { payload: { text: string } }).payload.text);

describe('entering a chat', () => {
  it('gives the last messages that were asked for, and those after them as events', async () => {
    fake.keep('ben', 'one');
    fake.keep('ben', 'two');
    const session = await login('anna');
    const chat = new ChatRoom(session, 5);
    const said: string[] = [];
    chat.on('message', (message) => said.push(textOf(message)));
    const { history, info, already } = await chat.enter({ history: 1 });
    expect([history.map(textOf), info.name, already, chat.state]).toEqual([['two'], 'Evening show', false, 'inside']);
    fake.say('ben', 'three');
    expect(said).toEqual(['three']);
    expect(fake.server.asked('enterRoom')[0]).toMatchObject({ room: 5, part: 'chat', history: 1 });
  });

  it('says so when one is inside, and gives two calls one way in', async () => {
    const session = await login('anna');
    const chat = new ChatRoom(session, 5);
    await Promise.all([chat.enter(), chat.enter()]);
    expect((await chat.enter()).already).toBe(true);
    expect(fake.server.asked('enterRoom')).toHaveLength(1);
  });

  it('is outside again when it is refused', async () => {
    fake.refuse('enterRoom', 'banned', 10007);
    const chat = new ChatRoom(await login('anna'), 5);
    const error = await errorOf(chat.enter());
    expect([error.reason, error.codes?.chat, chat.state]).toEqual(['banned', 10007, 'outside']);
  });

  it('may be left on the way', async () => {
    fake.server.answers['enterRoom'] = () => undefined;
    const chat = new ChatRoom(await login('anna'), 5);
    const entering = errorOf(chat.enter());
    await settle();
    await chat.leave();
    await settle(11_000);
    await entering;
    expect(chat.state).toBe('outside');
  });

  it('is shared by all parts of the page, which hear each other and leave together', async () => {
    const { chat, said, session } = await enter();
    const other = new ChatRoom(session, 5);
    const heard: string[] = [];
    other.on('message', (message) => heard.push(textOf(message)));
    await other.enter();
    await chat.sendText('hello');
    expect([said, heard]).toEqual([[], ['hello']]);
    await chat.leave();
    expect(fake.server.asked('leaveRoom')).toHaveLength(0);
    await other.leave();
    expect(fake.server.asked('leaveRoom')).toMatchObject([{ room: 5, part: 'chat' }]);
  });
});

describe('leaving a chat', () => {
  it('is refused for the owner, unless it is forced', async () => {
    fake.refuse('leaveRoom', 'ownerMayNotQuit', 10007);
    const { chat } = await enter();
    expect((await errorOf(chat.leave())).codes?.chat).toBe(10007);
    expect(chat.state).toBe('inside');
    await chat.leave(true);
    expect(chat.state).toBe('outside');
  });

  it('gives up what is not sent', async () => {
    const { chat } = await enter();
    fake.server.cut({ isUp: false });
    const waiting = errorOf(chat.sendText('late'));
    await chat.leave();
    expect((await waiting).type).toBe('state');
  });

  it('ends with the room, a removal and the session', async () => {
    const { chat, session } = await enter();
    const removed: string[] = [];
    chat.on('removed', ({ reason }) => removed.push(reason));
    fake.tell('removed', { reason: 'kick', message: 'Mind your words' });
    expect([chat.state, removed]).toEqual(['outside', ['kick']]);
    await chat.enter();
    void session.close();
    await settle(3_000);
    expect([chat.state, removed]).toEqual(['outside', ['kick', 'logout']]);
    expect((await errorOf(chat.sendText('x'))).codes?.chat).toBe(2101);
  });
});

describe('messages', () => {
  it('carry what they were sent with', async () => {
    const { chat } = await enter();
    const sent = await chat.sendCustom({ data: 'like' }, { priority: 'Low', cloudCustomData: 'x', random: 77 });
    expect(sent).toMatchObject({ type: 'TIMCustomElem', payload: { data: 'like' }, random: 77 });
    expect(fake.server.asked('sendMessage')[0]).toMatchObject({
      room: 5, content: { type: 'TIMCustomElem', payload: { data: 'like' } }, priority: 'Low', cloudCustomData: 'x', random: 77,
    });
  });

  it('are not for guests, not before entering, and not over the bound', async () => {
    const { chat } = await enter(null);
    expect((await errorOf(chat.sendText('x'))).codes?.chat).toBe(2024);
    expect((await errorOf(chat.like())).codes?.chat).toBe(2024);
    const mine = new ChatRoom(await login('anna'), 5);
    expect((await errorOf(mine.sendText('x'))).codes?.chat).toBe(2101);
    await mine.enter();
    expect((await errorOf(mine.sendText('é'.repeat(6_145)))).codes?.chat).toBe(80002);
    await mine.sendText('é'.repeat(6_144));
    expect(fake.server.asked('sendMessage')).toHaveLength(1);
  });

  it('come once each, though the server repeats them', async () => {
    const { said } = await enter();
    const first = fake.say('ben', 'one');
    fake.tell('message', { message: first });
    fake.say('ben', 'two');
    expect(said).toEqual(['one', 'two']);
  });

  it('have absolute addresses of images', async () => {
    const { chat } = await enter();
    const seen: Message[] = [];
    chat.on('message', (message) => seen.push(message));
    const info = { url: '/images/a.png', width: 1, height: 1, size: 1 };
    fake.say('ben', { type: 'TIMImageElem', payload: { uuid: 'a', imageFormat: 'png', imageInfoArray: [info] } } as never);
    expect(seen[0]).toMatchObject({ payload: { imageInfoArray: [{ url: 'https://live.example/images/a.png' }] } });
  });

  it('are refused as the server says', async () => {
    const { chat } = await enter();
    fake.refuse('sendMessage', 'muted', 10017);
    expect((await errorOf(chat.sendText('x'))).codes?.chat).toBe(10017);
  });

  it('are taken back by their place, which is looked up for one\'s own', async () => {
    const { chat } = await enter();
    const sent = await chat.sendText('oops');
    await chat.revoke(sent);
    await chat.revoke({ ID: 'other', sequence: 9, random: 0 });
    expect(fake.server.asked('revokeMessage').map((frame) => frame['sequence'])).toEqual([1, 9]);
    expect((await errorOf(chat.revoke({ ID: 'gone', sequence: 0, random: 0 }))).reason).toBe('noSuchMessage');
  });
});

describe('a chat without a connection', () => {
  it('keeps messages in their order and sends each once when it is back', async () => {
    const { chat } = await enter();
    fake.server.cut({ isUp: false });
    await settle();
    const results = [1, 2, 3, 4].map((n) => chat.sendText(`m${n}`));
    await settle(5_000);
    expect(sentTexts()).toEqual([]);
    fake.server.isUp = true;
    await settle(6_000);
    await Promise.all(results);
    expect(sentTexts()).toEqual(['m1', 'm2', 'm3', 'm4']);
  });

  it('sends one after the other then, and waits where the server asks to', async () => {
    const { chat } = await enter();
    fake.server.cut({ isUp: false });
    await settle();
    const results = [chat.sendText('a'), chat.sendText('b')];
    let refusals = 2;
    const accept = fake.server.answers['sendMessage']!;
    fake.server.answers['sendMessage'] = (frame) => {
      if (refusals === 0) return accept(frame);
      refusals -= 1;
      fake.server.socket.refuse(frame, 'tooFast', { retryAfterMs: 400 });
      return undefined;
    };
    fake.server.isUp = true;
    await settle(8_000);
    await Promise.all(results);
    expect(sentTexts()).toEqual(['a', 'a', 'a', 'b']);
    expect(fake.history.map(textOf)).toEqual(['a', 'b']);
  });

  it('refuses at once with a connection, where one sends too fast', async () => {
    const { chat } = await enter();
    fake.refuse('sendMessage', 'tooFast', 2996, { retryAfterMs: 100 });
    expect((await errorOf(chat.sendText('x'))).codes?.chat).toBe(2996);
  });

  it('gives messages up after 30 s, and sends none of those later', async () => {
    const { chat } = await enter();
    fake.server.cut({ isUp: false });
    await settle();
    const lost = errorOf(chat.sendText('never'));
    await settle(29_000);
    const kept = chat.sendText('still');
    await settle(1_500);
    expect((await lost).type).toBe('network');
    fake.server.isUp = true;
    await settle(8_000);
    await kept;
    expect(sentTexts()).toEqual(['still']);
  });

  it('keeps a hundred messages and no more', async () => {
    const { chat } = await enter();
    fake.server.cut({ isUp: false });
    await settle();
    const kept = Array.from({ length: 100 }, (_, n) => chat.sendText(String(n)).catch(() => undefined));
    expect((await errorOf(chat.sendText('too many'))).codes?.chat).toBe(2996);
    await chat.leave();
    await Promise.all(kept);
  });

  it('finds a message in the room whose response was lost with the session, and does not send it again', async () => {
    const { chat, said } = await enter();
    const accept = fake.server.answers['sendMessage']!;
    fake.server.answers['sendMessage'] = (frame) => {
      accept(frame);
      return undefined;
    };
    const sent = chat.sendText('once');
    const second = chat.sendText('twice');
    await settle();
    fake.server.answers['sendMessage'] = accept;
    fake.history.pop();
    fake.server.cut({ knows: false });
    await settle(3_000);
    expect((await sent).ID).toBe('m1');
    await second;
    expect(fake.history.map(textOf)).toEqual(['once', 'twice']);
    expect(said).toEqual([]);
  });

  it('enters again after a lost session, and tells what was said meanwhile once', async () => {
    const { chat, said } = await enter();
    fake.say('ben', 'before');
    await chat.sendText('mine');
    const states: string[] = [];
    chat.on('state', ({ state }) => states.push(state));
    fake.server.cut({ knows: false, isUp: false });
    fake.keep('ben', 'meanwhile');
    fake.keep('ben', 'and then');
    fake.server.isUp = true;
    await settle(3_000);
    fake.say('ben', 'after');
    expect(said).toEqual(['before', 'meanwhile', 'and then', 'after']);
    expect(states).toEqual(['entering', 'inside']);
  });

  it('reads older pages where much was said meanwhile', async () => {
    fake.server.limits = { page: 10 };
    const { said } = await enter();
    fake.say('ben', '0');
    fake.server.cut({ knows: false, isUp: false });
    for (let n = 1; n <= 25; n += 1) fake.keep('ben', String(n));
    const enterRoom = fake.server.answers['enterRoom']!;
    fake.server.answers['enterRoom'] = (frame) => enterRoom({ ...frame, history: Math.min(10, Number(frame['history'])) });
    fake.server.isUp = true;
    await settle(3_000);
    expect(said).toEqual(Array.from({ length: 26 }, (_, n) => String(n)));
  });

  it('is out when it is not let in again', async () => {
    const { chat } = await enter();
    const removed: string[] = [];
    chat.on('removed', ({ reason, error }) => removed.push(`${reason} ${error?.reason}`));
    fake.refuse('enterRoom', 'noSuchRoom', 10010);
    fake.server.cut({ knows: false });
    await settle(3_000);
    expect([chat.state, removed]).toEqual(['outside', ['refused noSuchRoom']]);
  });
});

describe('a guest who logs in', () => {
  it('goes on as the user: nothing twice, nothing lost', async () => {
    const { chat, said } = await enter(null);
    fake.say('ben', 'as guest');
    const guest = fake.server.socket;
    const user = await login('anna');
    let answer = () => undefined as void;
    const enterRoom = fake.server.answers['enterRoom']!;
    fake.server.answers['enterRoom'] = (frame) => {
      const reply = enterRoom(frame) as { result: unknown };
      answer = () => fake.server.socket.answer(frame, reply.result);
      return undefined;
    };
    // Said before the user is in: the guest hears it and the user reads it in the history.
    const both = fake.keep('ben', 'on both');
    const moving = chat.moveTo(user);
    await settle();
    guest.say({ type: 'event', seq: 2, event: 'message', room: 5, message: both });
    // Said after the user is in and before the answer is read: the guest's socket has it too.
    const held = fake.keep('ben', 'while moving');
    fake.tell('message', { message: held });
    answer();
    await moving;
    guest.say({ type: 'event', seq: 3, event: 'message', room: 5, message: held });
    fake.say('ben', 'as user');
    expect(said).toEqual(['as guest', 'on both', 'while moving', 'as user']);
    expect(chat.session).toBe(user);
    await chat.sendText('hello');
    expect(sentTexts()).toEqual(['hello']);
  });

  it('stays out where the user is banned', async () => {
    const { chat } = await enter(null);
    const user = await login('anna');
    fake.refuse('enterRoom', 'banned', 10007);
    expect((await errorOf(chat.moveTo(user))).codes?.chat).toBe(10007);
    expect(chat.state).toBe('outside');
  });
});

describe('what a room shares', () => {
  it('likes: many clicks become few requests, and all of them are counted', async () => {
    const { chat } = await enter();
    const clicks: Promise<void>[] = [];
    for (let n = 0; n < 250; n += 1) {
      clicks.push(chat.like());
      await settle(8);
    }
    await settle(3_000);
    await Promise.all(clicks);
    const counts = fake.server.asked('like').map((frame) => Number(frame['count']));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(250);
    expect(counts.length).toBeLessThanOrEqual(6);
    expect(Math.max(...counts)).toBeLessThanOrEqual(100);
  });

  it('likes: keeps them where the server asks for patience, and refuses too many and none', async () => {
    const { chat } = await enter();
    fake.refuse('like', 'tooFast', 2996, { retryAfterMs: 2_000 });
    const liked = chat.like(150);
    await settle(100);
    fake.server.answers['like'] = () => ({ result: {} });
    await settle(5_000);
    await liked;
    expect(fake.server.asked('like').map((frame) => frame['count'])).toEqual([100, 100, 50]);
    expect((await errorOf(chat.like(0))).type).toBe('argument');
    expect((await errorOf(chat.like(1_001))).codes?.chat).toBe(2996);
  });

  it('likes: tells the totals, from the first on', async () => {
    const { chat } = await enter();
    const told: unknown[] = [];
    chat.on('likes', (likes) => told.push(likes));
    expect(chat.totalLikes).toBe(41);
    fake.tell('likes', { totalLikesReceived: 512, added: 12, sender: 'ben' });
    expect([told, chat.totalLikes]).toEqual([[{ total: 512, added: 12, sender: 'ben' }], 512]);
  });

  it('texts: tells changes with all texts, which are read once', async () => {
    const { chat } = await enter();
    const told: unknown[] = [];
    chat.on('attributes', ({ all, deleted }) => told.push([all, deleted]));
    fake.tell('attributesChanged', { set: { topic: 'milk' }, deleted: [] });
    await settle();
    fake.tell('attributesChanged', { set: {}, deleted: ['mood'] });
    await settle();
    expect(told).toEqual([[{ topic: 'milk', mood: 'calm' }, []], [{ topic: 'milk' }, ['mood']]]);
    expect(fake.server.asked('attributes')).toHaveLength(1);
  });

  it('texts: tells all of them after a lost session, where the page has followed them', async () => {
    const { chat } = await enter();
    await chat.attributes();
    const told: unknown[] = [];
    chat.on('attributes', ({ all }) => told.push(all));
    fake.server.answers['attributes'] = () => ({ result: { attributes: { topic: 'meanwhile' } } });
    fake.server.cut({ knows: false });
    await settle(3_000);
    expect(told).toEqual([{ topic: 'meanwhile' }]);
  });

  it('numbers, texts, members and what hosts do are asked of the server', async () => {
    const { chat } = await enter();
    const { answers } = fake.server;
    answers['counters'] = answers['setCounters'] = answers['addCounter'] = () => ({ result: { counters: { gifts: 3 } } });
    answers['kick'] = (frame) => ({ result: { users: frame['users'] } });
    answers['listMutes'] = () => ({ result: { allMuted: true, users: [{ user: 'rob', seconds: 60 }], more: false } });
    expect(await chat.counters()).toEqual({ gifts: 3 });
    expect(await chat.setCounters({ gifts: 3 })).toEqual({ gifts: 3 });
    expect(await chat.addCounter('gifts', -1)).toEqual({ gifts: 3 });
    await chat.initAttributes({ a: '1' });
    await chat.setAttributes({ a: '2' });
    await chat.deleteAttributes(['a']);
    const users = Array.from({ length: 12 }, (_, n) => `u${n}`);
    expect(await chat.kick(users, { message: 'out', banSeconds: 60 })).toEqual(users);
    await chat.mute('rob', 60);
    await chat.muteAll(true);
    await chat.mutes();
    await chat.unban('rob');
    await chat.bans('ann', 5);
    await chat.members(undefined, 10);
    await chat.setAdministrator('rob', true);
    await chat.update({ notice: 'hi' });
    expect([chat.isAllMuted, chat.mutedUntil('rob') > Date.now(), chat.mutedUntil('ann')]).toEqual([true, true, 0]);
    const asked = fake.server.requests.slice(1).map(({ id: _, type, room: __, ...fields }) => [type, fields]);
    expect(asked).toEqual([
      ['counters', {}], ['setCounters', { counters: { gifts: 3 } }], ['addCounter', { name: 'gifts', amount: -1 }],
      ['initAttributes', { attributes: { a: '1' } }], ['setAttributes', { attributes: { a: '2' } }], ['deleteAttributes', { names: ['a'] }],
      ['kick', { users: users.slice(0, 10), message: 'out', banSeconds: 60 }], ['kick', { users: users.slice(10), message: 'out', banSeconds: 60 }],
      ['muteUser', { user: 'rob', seconds: 60 }], ['muteAll', { muted: true }], ['listMutes', {}], ['unban', { user: 'rob' }],
      ['listBans', { after: 'ann', count: 5 }], ['listMembers', { count: 10 }], ['setAdministrator', { user: 'rob', isAdministrator: true }],
      ['updateRoom', { notice: 'hi' }],
    ]);
  });

  it('tells of mutes, counters, the room, administrators and profiles', async () => {
    const { chat } = await enter();
    const told: unknown[] = [];
    for (const name of ['userMuted', 'allMuted', 'counters', 'updated', 'administrator', 'profile', 'revoked'] as const) {
      chat.on(name, (value) => told.push([name, value]));
    }
    const revoked = fake.keep('ben', '');
    fake.tell('userMuted', { user: 'rob', seconds: 5 });
    fake.tell('allMuted', { muted: true });
    fake.tell('countersChanged', { counters: { gifts: 4 } });
    fake.tell('roomUpdated', { info: { ...fake.info(), name: 'New' } });
    fake.tell('administratorChanged', { user: 'rob', isAdministrator: true });
    fake.tell('profileChanged', { user: 'rob', profile: { nick: 'R', avatar: '' } });
    fake.tell('messageRevoked', { message: revoked });
    fake.server.tell({ event: 'allMuted', room: 'another', muted: false });
    expect(told).toEqual([
      ['userMuted', { user: 'rob', seconds: 5 }], ['allMuted', true], ['counters', { gifts: 4 }], ['updated', { ...fake.info(), name: 'New' }],
      ['administrator', { user: 'rob', isAdministrator: true }], ['profile', { user: 'rob', profile: { nick: 'R', avatar: '' } }], ['revoked', revoked],
    ]);
    expect([chat.info?.name, chat.isAllMuted]).toEqual(['New', true]);
    await settle(6_000);
    expect(chat.mutedUntil('rob')).toBe(0);
  });

  it('ends with its dismissal', async () => {
    const { chat } = await enter();
    await chat.dismiss();
    expect([chat.state, fake.server.asked('dismissRoom').length]).toEqual(['outside', 1]);
  });
});
