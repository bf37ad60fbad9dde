import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { begin, codeOf, create, end, fake, forget, inside, join, lists, login, messages, settle, take, text, tim } from './fixture';
import { type TimGroupTip } from './index';

beforeEach(begin);
afterEach(end);

describe('groups', () => {
  it('are made, and not joined by that', async () => {
    await login();
    const { data } = await tim.createGroup({ groupID: 5, name: 'Show', type: 'AVChatRoom', notification: 'be kind', introduction: 'me', avatar: '/a.png' });
    expect(data.group).toMatchObject({
      groupID: '5', type: 'AVChatRoom', name: 'Show', notification: 'be kind', introduction: 'me', avatar: '/a.png', ownerID: 'anna', joinOption: 'FreeAccess',
    });
    expect(fake.server.asked('createRoom')).toMatchObject([{ room: 5, name: 'Show', notice: 'be kind', introduction: 'me', cover: '/a.png' }]);
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
    expect([data.group.introduction, data.group.avatar]).toEqual(['songs', '/images/show.png']);
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
    create({ unlimitedAVChatRoom: true });
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
    const { data } = await tim.updateGroupProfile({ groupID: '5', name: 'New', notification: 'hi', introduction: 'tea', avatar: '/b.png', muteAllMembers: true });
    expect(data.group.muteAllMembers).toBe(true);
    expect(fake.server.asked('updateRoom')).toMatchObject([{ room: 5, name: 'New', notice: 'hi', introduction: 'tea', cover: '/b.png' }]);
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
    fake.tell('roomUpdated', { info: { ...fake.info(), name: 'Newer', notice: 'n' } });
    tip({ operationType: 6, operatorID: 'olga', userIDList: [] });
    fake.tell('roomUpdated', { info: { ...fake.info(), name: 'Newer', notice: 'n', scene: 'live' } });
    tip({ operationType: 6, operatorID: 'olga', userIDList: [] });
    fake.tell('userMuted', { user: 'rob', seconds: 60 });
    tip({ operationType: 7, operatorID: 'olga', userIDList: ['rob'] });
    tip({ operationType: 2, userIDList: ['ben', 'rob'], memberCount: 2 });
    await settle();
    const received = messages();
    expect(received.every(({ type, from, flow }) => type === 'TIMGroupTipElem' && from === '@TIM#SYSTEM' && flow === 'in')).toBe(true);
    const of = (name: string) => ({ groupProfile: { groupID: '5', name } });
    expect(received.map(({ payload }) => payload as TimGroupTip)).toEqual([
      { operationType: 1, userIDList: ['ben'], memberCount: 4, operatorID: 'ben', memberList: [{ userID: 'ben' }], ...of('Evening show') },
      { operationType: 6, userIDList: [], operatorID: 'olga', memberList: [], newGroupProfile: { muteAllMembers: true }, ...of('Evening show') },
      { operationType: 6, userIDList: [], operatorID: '', memberList: [], newGroupProfile: { groupName: 'New', notification: 'n' }, ...of('New') },
      { operationType: 6, userIDList: [], operatorID: 'olga', memberList: [], newGroupProfile: { groupName: 'Newer' }, ...of('Newer') },
      { operationType: 7, userIDList: ['rob'], operatorID: 'olga', memberList: [{ userID: 'rob', muteTime: 60 }], ...of('Newer') },
      { operationType: 2, userIDList: ['ben', 'rob'], memberCount: 2, operatorID: '', memberList: [{ userID: 'ben' }, { userID: 'rob' }], ...of('Newer') },
    ]);
  });

  it('are listed, as groups and as conversations, and each change is told', async () => {
    await inside();
    const group = (await tim.getGroupProfile({ groupID: '5' })).data.group;
    expect((await tim.getGroupList()).data).toEqual({ groupList: [group] });
    const empty = { lastTime: 0, fromAccount: '', type: '', payload: null, isRevoked: false, messageForShow: '' };
    const conversation = {
      conversationID: 'GROUP5', type: 'GROUP', unreadCount: 0, groupProfile: group, lastMessage: empty,
    };
    expect((await tim.getConversationList()).data).toEqual({ conversationList: [conversation] });
    fake.say('ben', 'hello');
    await settle();
    const said = {
      lastTime: 1_700_000_000, fromAccount: 'ben', type: 'TIMTextElem', payload: { text: 'hello' }, isRevoked: false, messageForShow: 'hello',
    };
    expect(lists).toEqual([['onConversationListUpdated', [{ ...conversation, lastMessage: said }]]]);
    forget();
    await join('other');
    expect(lists.map(([name, list]) => [name, (list as object[]).length])).toEqual([['onGroupListUpdated', 1], ['onConversationListUpdated', 1]]);
    forget();
    await tim.quitGroup('other');
    expect(lists).toEqual([['onGroupListUpdated', []], ['onConversationListUpdated', []]]);
    expect((await tim.getGroupList()).data).toEqual({ groupList: [] });
  });

  it('that everybody but the hosts is silent in are known as such by whoever comes', async () => {
    const enter = fake.server.answers['enterRoom']!;
    fake.server.answers['enterRoom'] = (frame) => ({ result: { ...(enter(frame) as { result: object }).result, allMuted: true } });
    await login();
    expect((await join()).data.group.muteAllMembers).toBe(true);
    fake.tell('allMuted', { muted: false });
    expect((await tim.getGroupProfile({ groupID: '5' })).data.group.muteAllMembers).toBe(false);
  });

  it('take no invitations', async () => {
    expect(await codeOf(tim.addGroupMember({ groupID: '5', userIDList: ['ben'] }))).toBe(2661);
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

  it('are shown to the owner with mutes of before', async () => {
    await tim.logout();
    fake.server.answers['listMutes'] = () => ({ result: { allMuted: false, users: [{ user: 'ben', seconds: 60 }], more: false } });
    await login('olga');
    await join();
    const { data } = await tim.getGroupMemberList({ groupID: '5' });
    expect(data.memberList.map(({ userID, muteUntil }) => [userID, muteUntil > 0])).toEqual([['anna', false], ['ben', true], ['carol', false], ['dan', false], ['olga', false]]);
    const ben = await tim.getGroupMemberProfile({ groupID: '5', userIDList: ['ben'] });
    expect(ben.data.memberList[0]!.muteUntil).toBeGreaterThan(0);
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
