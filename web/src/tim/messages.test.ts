import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { begin, codeOf, end, errorOf, fake, inside, join, login, messages, settle, take, text, tim, told } from './fixture';
import { TimError, type TimMessage } from './index';

beforeEach(begin);
afterEach(end);

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

  it('are sent, and have the id then that they were made with', async () => {
    await inside();
    const message = text('hello', { priority: 'Low', cloudCustomData: 'x' });
    const { random, ID } = message;
    const { code, data } = await tim.sendMessage(message);
    expect([code, data.message]).toEqual([0, message]);
    expect(message).toMatchObject({ ID, status: 'success', flow: 'out', from: 'anna', nick: 'ANNA', conversationID: 'GROUP5' });
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

  it('have one id wherever they are seen, and two of a user have two', async () => {
    await inside();
    const [mine, other] = [text('a'), text('b')];
    expect(mine.ID).not.toBe(other.ID);
    await tim.sendMessage(mine);
    const page = (await tim.getMessageList({ conversationID: 'GROUP5' })).data;
    expect(page.messageList.map(({ ID }) => ID)).toEqual([mine.ID]);
    fake.tell('message', { message: { ...fake.keep('ben', 'hi', 77) } });
    await settle();
    expect(messages().map(({ ID }) => ID)).toEqual(['ben-77']);
  });

  it('stay as they are', async () => {
    expect(await codeOf(tim.modifyMessage(text()))).toBe(2481);
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
