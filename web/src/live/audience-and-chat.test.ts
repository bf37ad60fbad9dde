import { describe, expect, test, vi } from 'vitest';
import { BarrageType, Role } from './enums';
import { BarrageEvent, LiveAudienceEvent, LiveGiftEvents } from './events';
import { LiveFixture, profileOf, settle, shownAs } from './fixture';

let sequence = 0;
const message = (from: string | undefined, content: object, more: object = {}) => {
  sequence += 1;
  return {
    ID: `m${sequence}`, sequence, random: 0, from, to: 'show', time: 1_700_000_000, priority: 'Normal', nick: from?.toUpperCase() ?? '',
    avatar: from === undefined ? '' : `/images/${from}.png`, nameCard: '', cloudCustomData: '', isRevoked: false, ...content, ...more,
  };
};
const text = (from: string, said: string, more?: object) => message(from, { type: 'TIMTextElem', payload: { text: said } }, more);
const custom = (from: string, data: string, extension: string) => message(from, { type: 'TIMCustomElem', payload: { data, description: '', extension } });
const tip = (operationType: number, userIDList: string[], memberCount?: number) => message(undefined, { type: 'TIMGroupTipElem', payload: { operationType, userIDList, memberCount } });
const member = (user: string, rank = 'generalUser') => ({ user, profile: profileOf(user), rank, role: null, tracks: { main: null, aux: null } });

describe('the audience', () => {
  const watched = async (user = 'olga') => {
    const page = new LiveFixture();
    page.members = [member('olga', 'owner'), member('paul', 'administrator'), member('zoe')] as never;
    page.info = { ...page.info, online: 3 };
    await page.join(user);
    const told: [string, unknown][] = [];
    for (const name of Object.values(LiveAudienceEvent)) page.context.audience.subscribeEvent(name, (info) => told.push([name, info]));
    return { page, told, audience: page.context.audience };
  };

  test('is listed on entering, the owner apart', async () => {
    const { audience } = await watched();
    expect(audience.audienceList.value).toEqual([{ ...shownAs('paul'), userRole: Role.Administrator }, { ...shownAs('zoe'), userRole: Role.GeneralUser }]);
    expect(audience.audienceCount.value).toBe(2);
  });

  test('comes and goes with names', async () => {
    const { page, told, audience } = await watched();
    page.tell('message', { message: tip(1, ['gina', 'olga'], 5) });
    await settle();
    expect(audience.audienceList.value.map(({ userId }) => userId)).toEqual(['paul', 'zoe', 'gina']);
    expect(audience.audienceCount.value).toBe(4);
    page.tell('message', { message: tip(2, ['paul'], 4) });
    page.tell('message', { message: tip(3, ['zoe'], 3) });
    page.tell('message', { message: tip(2, ['olga'], 2) });
    await settle();
    expect(audience.audienceList.value.map(({ userId }) => userId)).toEqual(['gina']);
    expect(audience.audienceCount.value).toBe(2);
    expect(told).toEqual([
      ['onAudienceJoined', { audience: { ...shownAs('gina'), userRole: Role.GeneralUser } }],
      ['onAdminLeft', { admin: { ...shownAs('paul'), userRole: Role.Administrator } }],
      ['onAudienceLeft', { audience: { ...shownAs('zoe'), userRole: Role.GeneralUser } }],
      ['onOwnerLeft', { owner: expect.objectContaining({ userId: 'olga' }) as unknown }],
    ]);
  });

  test('does not tell of oneself, host or not', async () => {
    const page = new LiveFixture();
    await page.join('olga');
    const told = vi.fn();
    for (const name of ['onOwnerJoined', 'onAudienceJoined'] as const) page.context.audience.subscribeEvent(name, told);
    page.tell('message', { message: tip(1, ['olga'], 1) });
    await settle();
    expect(told).not.toHaveBeenCalled();
    const other = new LiveFixture();
    await other.join('gina');
    other.context.audience.subscribeEvent('onOwnerJoined', told);
    other.tell('message', { message: tip(1, ['gina', 'olga'], 2) });
    await settle();
    expect(told.mock.calls).toEqual([[{ owner: { ...shownAs('olga'), userRole: Role.Owner } }]]);
  });

  test('is moderated', async () => {
    const { page, audience } = await watched();
    await audience.setAdministrator({ userId: 'zoe' });
    await audience.revokeAdministrator({ userId: 'paul' });
    await audience.kickUserOutOfRoom({ userId: 'zoe' });
    await audience.kickUserOutOfRoom({ userId: 'zoe', banSeconds: 60, message: 'enough' });
    await audience.disableSendMessage({ userId: 'zoe', isDisable: true });
    await audience.disableSendMessage({ userId: 'zoe', isDisable: false });
    expect(page.server.requests.map(({ id: _, ...frame }) => frame)).toEqual([
      { type: 'setAdministrator', room: 'show', user: 'zoe', isAdministrator: true },
      { type: 'setAdministrator', room: 'show', user: 'paul', isAdministrator: false },
      { type: 'kick', room: 'show', users: ['zoe'] },
      { type: 'kick', room: 'show', users: ['zoe'], banSeconds: 60, message: 'enough' },
      { type: 'muteUser', room: 'show', user: 'zoe', seconds: 31_536_000 },
      { type: 'muteUser', room: 'show', user: 'zoe', seconds: 0 },
    ]);
  });

  test('follows appointments and mutes', async () => {
    const { page, told, audience } = await watched();
    page.tell('administratorChanged', { user: 'zoe', isAdministrator: true });
    page.tell('administratorChanged', { user: 'paul', isAdministrator: false });
    expect(audience.audienceList.value.map(({ userId, userRole }) => [userId, userRole])).toEqual([['paul', Role.GeneralUser], ['zoe', Role.Administrator]]);
    page.tell('userMuted', { user: 'paul', seconds: 60 });
    expect(audience.messageBannedUserList.value).toMatchObject([shownAs('paul')]);
    page.tell('userMuted', { user: 'paul', seconds: 0 });
    expect(audience.messageBannedUserList.value).toEqual([]);
    expect(told.map(([name, info]) => [name, (info as { isDisable?: boolean }).isDisable])).toEqual([
      ['onAdminJoined', undefined], ['onAdminLeft', undefined], ['onAudienceMessageDisabled', true], ['onAudienceMessageDisabled', false],
    ]);
  });

  test('shows hosts who is muted already, and asks nothing of the kind for others', async () => {
    const page = new LiveFixture();
    page.members = [member('olga', 'owner'), member('zoe')] as never;
    page.server.answers['listMutes'] = () => ({ result: { allMuted: false, users: [{ user: 'zoe', seconds: 10 }] } });
    await page.join('olga');
    expect(page.context.audience.messageBannedUserList.value).toMatchObject([shownAs('zoe')]);
    const { page: other } = await watched('zoe');
    await other.context.audience.fetchAudienceList();
    expect(other.asked('listMutes')).toEqual([]);
  });

  test('of a large room is not asked for one by one', async () => {
    const { page, told } = await watched();
    page.tell('message', { message: tip(1, ['gina'], 51) });
    await settle();
    expect(page.asked('showProfiles')).toEqual([]);
    expect(told).toEqual([['onAudienceJoined', { audience: { userId: 'gina', userName: '', avatarUrl: '', userRole: Role.GeneralUser } }]]);
  });

  test('is cut at 200, page by page', async () => {
    const page = new LiveFixture();
    page.server.answers['listMembers'] = (frame) => {
      const from = frame['after'] === undefined ? 0 : Number((frame['after'] as string).slice(1)) + 1;
      return { result: { members: Array.from({ length: 100 }, (_, index) => member(`u${from + index}`)), more: true } };
    };
    await page.join('zoe');
    expect(page.context.audience.audienceList.value).toHaveLength(200);
    page.tell('message', { message: tip(1, ['late'], 5_000) });
    await settle();
    expect(page.context.audience.audienceList.value).toHaveLength(200);
    expect(page.context.audience.audienceCount.value).toBe(5_000);
  });

  test('is gone outside', async () => {
    const { page, audience } = await watched();
    await page.context.liveList.endLive();
    expect([audience.audienceList.value, audience.audienceCount.value, audience.messageBannedUserList.value]).toEqual([[], 0, []]);
  });
});

describe('messages', () => {
  test('of before are shown on entering, and those that follow behind them', async () => {
    const page = new LiveFixture();
    page.history = [text('ben', 'first'), custom('ben', 'like', ''), tip(1, ['gina'])];
    await page.join('gina');
    const { barrage } = page.context;
    const [said, data] = [vi.fn(), vi.fn()];
    barrage.subscribeEvent(BarrageEvent.onBarrageReceived, said);
    barrage.subscribeEvent(BarrageEvent.onCustomMessageReceived, data);
    page.tell('message', { message: text('ben', '<b>second</b>', { cloudCustomData: '{"colour":"red"}' }) });
    page.tell('message', { message: text('ben', 'third', { cloudCustomData: 'no JSON' }) });
    page.tell('message', { message: custom('ben', '{"x":1}', 'game') });
    page.tell('message', { message: message('ben', { type: 'TIMImageElem', payload: { uuid: 'i', imageFormat: 'png', imageInfoArray: [] } }) });
    expect(barrage.messageList.value).toMatchObject([
      { textContent: 'first', sender: shownAs('ben'), liveId: 'show', timestampInSecond: 1_700_000_000, messageType: BarrageType.text },
      { textContent: '<b>second</b>', extensionInfo: { colour: 'red' } },
      { textContent: 'third', extensionInfo: null },
      { messageType: BarrageType.image, image: { uuid: 'i' } },
    ]);
    expect(said).toHaveBeenCalledTimes(3);
    expect(data.mock.calls).toEqual([[expect.objectContaining({ messageType: BarrageType.custom, businessId: 'game', data: '{"x":1}' })]]);
  });

  test('of one\'s own are shown once they are taken', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const { barrage } = page.context;
    page.server.answers['sendMessage'] = (frame) => ({ result: { message: { ...text('gina', ''), ...(frame['content'] as object), sequence: 0, cloudCustomData: frame['cloudCustomData'] ?? '' } } });
    await barrage.sendTextMessage({ text: 'hello', extensionInfo: { colour: 'red' } });
    await barrage.sendCustomMessage({ businessId: 'game', data: 'go' });
    expect(page.asked('sendMessage')).toMatchObject([
      { room: 'show', content: { type: 'TIMTextElem', payload: { text: 'hello' } }, cloudCustomData: '{"colour":"red"}' },
      { room: 'show', content: { type: 'TIMCustomElem', payload: { data: 'go', extension: 'game' } } },
    ]);
    expect(barrage.messageList.value).toMatchObject([{ textContent: 'hello', sender: { userId: 'gina' }, extensionInfo: { colour: 'red' } }]);
    barrage.appendLocalTip({ textContent: 'welcome' });
    expect(barrage.messageList.value.at(-1)).toMatchObject({ textContent: 'welcome', sequence: 0, liveId: 'show' });
    await page.context.liveList.leaveLive();
    expect(barrage.messageList.value).toEqual([]);
  });

  test('that are refused reject with the documented code', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    page.server.answers['sendMessage'] = () => ({ refused: 'sensitiveText' });
    await expect(page.context.barrage.sendTextMessage({ text: 'rude' })).rejects.toMatchObject({ reason: 'sensitiveText', code: 2 });
    await expect(page.context.barrage.sendTextMessage({ text: '' })).rejects.toMatchObject({ code: -1001 });
    expect(page.context.barrage.messageList.value).toEqual([]);
  });

  test('are at most 500, and one that is taken back goes', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    let last = text('ben', 'last');
    for (let count = 0; count < 510; count += 1) page.tell('message', { message: (last = text('ben', `word ${count}`)) });
    expect(page.context.barrage.messageList.value).toHaveLength(500);
    page.tell('messageRevoked', { message: { ...last, isRevoked: true } });
    expect(page.context.barrage.messageList.value).toHaveLength(499);
  });
});

describe('likes and gifts', () => {
  test('are known from the beginning', async () => {
    const page = new LiveFixture();
    page.entered = { totalLikesReceived: 41 };
    await page.join('gina');
    expect(page.context.gift.totalLikeCount.value).toBe(41);
    await page.context.liveList.leaveLive();
    expect(page.context.gift.totalLikeCount.value).toBe(0);
  });

  test('that were missed are known after a lost session', async () => {
    vi.useFakeTimers();
    const page = new LiveFixture();
    page.entered = { totalLikesReceived: 41 };
    await page.join('gina');
    page.entered = { totalLikesReceived: 512 };
    page.server.cut({ knows: false });
    await vi.advanceTimersByTimeAsync(1_000);
    vi.useRealTimers();
    expect(page.context.gift.totalLikeCount.value).toBe(512);
  });

  test('are counted by the room, and told with who liked', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const told: unknown[] = [];
    page.context.gift.subscribeEvent(LiveGiftEvents.ON_RECEIVE_LIKES_MESSAGE, (info) => told.push(info));
    page.tell('likes', { totalLikesReceived: 12, added: 3, sender: 'ben' });
    await settle();
    expect(page.context.gift.totalLikeCount.value).toBe(12);
    expect(told).toEqual([{ liveId: 'show', totalLikesReceived: 12, sender: shownAs('ben') }]);
  });

  test('are sent', async () => {
    vi.useFakeTimers();
    const page = new LiveFixture();
    await page.join('gina');
    const sent = page.context.gift.sendLikes({ count: 12 });
    await vi.advanceTimersByTimeAsync(2_000);
    await sent;
    vi.useRealTimers();
    expect(page.asked('like').reduce((sum, { count }) => sum + (count as number), 0)).toBe(12);
    for (const count of [0, 1.5, -1]) await expect(page.context.gift.sendLikes({ count })).rejects.toMatchObject({ code: -1001 });
  });

  test('a gift goes with high priority, and is told to all who are there', async () => {
    const page = new LiveFixture();
    await page.join('gina');
    const { gift, barrage } = page.context;
    const [told, data] = [vi.fn(), vi.fn()];
    gift.subscribeEvent(LiveGiftEvents.ON_RECEIVE_GIFT_MESSAGE, told);
    barrage.subscribeEvent(BarrageEvent.onCustomMessageReceived, data);
    gift.setUsableGifts([{ giftId: 'rose', giftName: 'A rose', coins: 5 }]);
    page.server.answers['sendMessage'] = (frame) => ({ result: { message: { ...custom('gina', '', ''), ...(frame['content'] as object) } } });
    await gift.sendGift({ giftId: 'rose', count: 3 });
    const [asked] = page.asked('sendMessage') as [{ content: { payload: { data: string; extension: string } } }];
    expect(asked).toMatchObject({ priority: 'High' });
    const { data: sent, extension } = asked.content.payload;
    page.tell('message', { message: custom('ben', sent.replace('rose', 'car'), extension) });
    page.tell('message', { message: custom('ben', 'no JSON', extension) });
    page.tell('message', { message: custom('ben', '{"giftId":"x","count":-1}', extension) });
    expect(told.mock.calls).toEqual([
      [{ liveId: 'show', giftCount: 3, sender: shownAs('gina'), giftInfo: { giftId: 'rose', giftName: 'A rose', coins: 5 } }],
      [{ liveId: 'show', giftCount: 3, sender: shownAs('ben'), giftInfo: { giftId: 'car', giftName: 'car' } }],
    ]);
    expect(data).not.toHaveBeenCalled();
  });
});
