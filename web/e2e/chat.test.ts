import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, type LabPage, scratch, until, WebliveServer } from './harness';
import type { Heard, Outcome } from './lab/chat';
import { Path } from './path';
import { PATIENCE } from './rooms';

const ROOM = '8118';

/** A page that chats, seen from the test. */
class Talker {
  #heard = 0;

  constructor(readonly lab: LabPage) {}

  call(method: string, options?: unknown): Promise<Outcome> {
    return this.lab.page.evaluate(([method, options]) => window.talk.call(method as string, options), [method, options]);
  }

  /** A call that is granted. */
  async granted(method: string, options?: unknown): Promise<unknown> {
    return dataOf(`${this.lab.name}: ${method}`, await this.call(method, options));
  }

  /** The code that a call is refused with. */
  async refused(method: string, options?: unknown): Promise<number> {
    return codeOf(await this.call(method, options));
  }

  say(text: string): Promise<Outcome> {
    return this.lab.page.evaluate(([room, text]) => window.talk.say(room!, text!), [ROOM, text]);
  }

  /** What was heard since this was asked, once `count` messages that are accepted are there. */
  async hears(what: string, count: number, accept: (heard: Heard) => boolean): Promise<Heard[]> {
    let all: Heard[] = [];
    const found = await until(what, async () => {
      all = await this.lab.page.evaluate(() => window.talk.heard);
      const some = all.slice(this.#heard).filter(accept);
      return some.length >= count && some;
    }, PATIENCE).catch((error: Error) => {
      throw new Error(`${this.lab.name}: ${error.message}; heard ${JSON.stringify(all.slice(this.#heard))}; console ${JSON.stringify(this.lab.said.slice(-5))}`);
    });
    this.#heard = all.length;
    return found;
  }

  /** The texts that were heard since this was asked, once there are as many. */
  async texts(...expected: string[]): Promise<void> {
    const heard = await this.hears(`the texts ${expected.join(', ')}`, expected.length, ({ type }) => type === 'TIMTextElem');
    assert.deepEqual(heard.map(({ payload }) => (payload as { text: string }).text), expected, this.lab.name);
  }

  async event(name: string, data?: unknown): Promise<void> {
    let all: [string, unknown][] = [];
    await until(`${name} ${JSON.stringify(data)}`, async () => {
      all = await this.lab.page.evaluate(() => window.talk.events);
      return all.some(([of, told]) => of === name && (data === undefined || JSON.stringify(told) === JSON.stringify(data)));
    }, PATIENCE).catch((error: Error) => {
      throw new Error(`${this.lab.name}: ${error.message}; told ${JSON.stringify(all)}`);
    });
  }
}

describe('the chat in its own interface', () => {
  let data: Awaited<ReturnType<typeof scratch>>;
  let server: WebliveServer;
  let path: Path;
  let lab: LabBrowser;
  let host: Talker;
  let fan: Talker;
  let passer: Talker;

  before(async () => {
    data = await scratch();
    [server, lab] = await Promise.all([WebliveServer.start('--data', data.path, '--rooms-resume-grace', '1s'), LabBrowser.start()]);
    path = await Path.to(server.origin);
    [host, fan, passer] = (await Promise.all(['olga', 'finn', 'passer-by'].map((name) => lab.page(name)))).map((page) => new Talker(page)) as [Talker, Talker, Talker];
    await host.lab.page.evaluate((origin) => window.talk.startTim(origin), server.origin);
    await fan.lab.page.evaluate((origin) => window.talk.startTim(origin), path.origin);
    await passer.lab.page.evaluate((origin) => window.talk.startIM(origin), server.origin);
  });
  after(async () => {
    await lab?.stop();
    await path?.stop();
    await server?.stop();
    await data?.remove();
  });

  test('takes three steps, and a guest who logs in loses nothing and reads nothing twice', async () => {
    await host.granted('login', { userID: 'olga', userSig: 'any' });
    await host.granted('createGroup', { groupID: ROOM, name: 'Show', type: 'AVChatRoom', notification: 'be kind' });
    await host.granted('joinGroup', { groupID: ROOM, type: 'AVChatRoom' });

    const entered = await passer.granted('enterRoom', Number(ROOM)) as { status: string; group: { groupID: string; notification: string } };
    assert.deepEqual([entered.status, entered.group.groupID, entered.group.notification], ['JoinedSuccess', ROOM, 'be kind']);
    await fan.granted('joinGroup', { groupID: ROOM, type: 'AVChatRoom' });
    await host.say('hello guests');
    await passer.texts('hello guests');
    await fan.texts('hello guests');
    assert.equal(await passer.refused('sendTextMessage', { roomID: ROOM, text: 'me too' }), 2024);
    assert.equal(codeOf(await fan.say('me too')), 2024);

    // The host goes on talking while the two log in.
    const talk = (async () => {
      for (const text of ['a', 'b', 'c', 'd', 'e']) dataOf('say', await host.say(text));
    })();
    await Promise.all([passer.granted('login', { userID: 'ida', userSig: 'any' }), fan.granted('login', { userID: 'finn', userSig: 'any' }), talk]);
    await passer.event('t_im_ready');
    await fan.event('sdkStateReady');
    await passer.texts('a', 'b', 'c', 'd', 'e');
    await fan.texts('a', 'b', 'c', 'd', 'e');

    await passer.granted('sendTextMessage', { roomID: ROOM, text: 'at last' });
    await passer.granted('sendCustomMessage', { roomID: ROOM, data: 'like', description: 'a heart', priority: 'Low' });
    await fan.hears('the words of the third', 1, ({ payload, from }) => from === 'ida' && JSON.stringify(payload).includes('at last'));
    const [like] = await host.hears('a like', 1, ({ type }) => type === 'TIMCustomElem');
    assert.deepEqual([like!.from, like!.flow, like!.payload], ['ida', 'in', { data: 'like', description: 'a heart', extension: '' }]);
    const { memberCount } = await host.granted('getGroupOnlineMemberCount', ROOM) as { memberCount: number };
    assert.equal(memberCount, 3);
  });

  test('carries images in their sizes, with progress', async () => {
    const shown = await fan.lab.page.evaluate((room) => window.talk.show(room, 1000, 500), ROOM);
    const { uuid } = dataOf('show', shown) as { uuid: string };
    const [image] = await passer.hears('an image', 1, ({ type }) => type === 'TIMImageElem');
    assert.equal(image!.event, 't_image_message_received');
    const payload = image!.payload as { uuid: string; imageInfoArray: { url: string; width: number; height: number }[] };
    assert.equal(payload.uuid, uuid);
    const sizes = await Promise.all(payload.imageInfoArray.map(async ({ url, width, height }) => {
      const found = await passer.lab.page.evaluate((url) => window.talk.measure(url), url);
      assert.deepEqual(found, [width, height]);
      return width;
    }));
    assert.deepEqual(sizes, [1000, 720, 198]);
    const progress = await fan.lab.page.evaluate(() => window.talk.progress);
    assert.ok(progress.at(-1) === 1 && progress.every((part, at) => part >= (progress[at - 1] ?? 0)), `progress ${progress.join()}`);
  });

  test('shows who comes what was said, and pages of it', async () => {
    await passer.granted('exitRoom', ROOM);
    await passer.granted('enterRoom', ROOM);
    const old = await passer.hears('what was said', 8, ({ type }) => type !== 'TIMGroupTipElem');
    assert.deepEqual(old.map(({ type, flow, payload }) => (type === 'TIMTextElem' ? `${flow} ${(payload as { text: string }).text}` : type)), [
      'in hello guests', 'in a', 'in b', 'in c', 'in d', 'in e', 'out at last', 'TIMImageElem',
    ]);
    const first = await host.granted('getMessageList', { conversationID: `GROUP${ROOM}`, count: 5 }) as { messageList: { type: string }[]; nextReqMessageID: string; isCompleted: boolean };
    const rest = await host.granted('getMessageList', { conversationID: `GROUP${ROOM}`, count: 5, nextReqMessageID: first.nextReqMessageID }) as typeof first;
    assert.deepEqual([first.messageList.length, rest.messageList.length, first.isCompleted, rest.isCompleted], [5, 4, false, true]);
  });

  test('obeys its host: mutes', async () => {
    await host.granted('setGroupMemberMuteTime', { groupID: ROOM, userID: 'finn', muteTime: 60 });
    await fan.hears('the mute', 1, ({ payload }) => (payload as { operationType?: number }).operationType === 7);
    assert.equal(codeOf(await fan.say('quiet')), 10017);
    await host.granted('setGroupMemberMuteTime', { groupID: ROOM, userID: 'finn', muteTime: 0 });
    await host.granted('updateGroupProfile', { groupID: ROOM, muteAllMembers: true });
    assert.equal(await passer.refused('sendTextMessage', { roomID: ROOM, text: 'quiet' }), 10017);
    await host.granted('updateGroupProfile', { groupID: ROOM, muteAllMembers: false });
    await host.hears('the end of the mute', 1, ({ payload }) => {
      return (payload as { newGroupProfile?: { muteAllMembers?: boolean } }).newGroupProfile?.muteAllMembers === false;
    });
  });

  test('delivers what was written without a connection, in order and once', async () => {
    path.break();
    await fan.event('netStateChange', { state: 'connecting' });
    const written = ['one', 'two', 'three'].map((text) => fan.say(text));
    for (const text of ['x', 'y']) dataOf('say', await host.say(text));
    path.restore();
    for (const [at, outcome] of (await Promise.all(written)).entries()) dataOf(`message ${at}`, outcome);
    await fan.texts('x', 'y');
    await host.texts('one', 'two', 'three');
  });

  test('goes on where the server has forgotten who was there', async () => {
    path.break();
    const written = ['four', 'five'].map((text) => fan.say(text));
    // Longer than the server keeps a session.
    await host.hears('that one has gone', 1, ({ payload }) => {
      const { operationType, userIDList } = payload as { operationType?: number; userIDList?: string[] };
      return operationType === 2 && userIDList?.includes('finn') === true;
    });
    for (const text of ['u', 'v']) dataOf('say', await host.say(text));
    path.restore();
    for (const [at, outcome] of (await Promise.all(written)).entries()) dataOf(`message ${at}`, outcome);
    await fan.texts('u', 'v');
    await host.texts('four', 'five');
  });

  test('obeys its host: removal, and a ban', async () => {
    await host.granted('deleteGroupMember', { groupID: ROOM, userIDList: ['finn'], reason: 'mind your words', duration: 60 });
    await fan.event('receiveGroupSystemNotice');
    assert.equal(codeOf(await fan.say('still here?')), 2101);
    assert.equal(await fan.refused('joinGroup', { groupID: ROOM, type: 'AVChatRoom' }), 10007);
    await host.granted('dismissGroup', ROOM);
    await until('the end of the room', async () => (await passer.call('sendTextMessage', { roomID: ROOM, text: 'hello?' }) as { code?: number }).code === 2101, PATIENCE);
  });
});

function dataOf(what: string, outcome: Outcome): unknown {
  assert.ok('data' in outcome, `${what} is refused: ${JSON.stringify(outcome)}`);
  return outcome.data;
}

function codeOf(outcome: Outcome): number {
  assert.ok('code' in outcome, `not refused: ${JSON.stringify(outcome)}`);
  return outcome.code;
}
