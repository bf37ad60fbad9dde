import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, type LabPage, run, until, WebliveServer } from './harness';
import type { Seen } from './lab/trtc';
import { probeCodecs } from './media';
import { enterAs, PATIENCE, type RoomPage } from './rooms';

const ROOM = 1234;

/** A port of this machine that nobody listens on. */
async function freePort(): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  return port;
}

/** A page that calls. */
class Caller {
  constructor(readonly lab: LabPage) {}

  async start(origin: string, paints: boolean): Promise<void> {
    await this.lab.page.evaluate(
      ([origin, name, room, paints]) => (window.call = new window.Call()).start(origin, name, room, { paints }),
      [origin, this.lab.name, ROOM, paints] as const,
    );
  }

  events(): Promise<[string, unknown][]> {
    return this.lab.page.evaluate(() => window.call.events);
  }

  /** Waits for an event with this payload. */
  async told(name: string, data: unknown): Promise<void> {
    let all: [string, unknown][] = [];
    const isIt = async () => (all = await this.events()).some(([of, payload]) => of === name && JSON.stringify(payload) === JSON.stringify(data));
    await until(`${name} ${JSON.stringify(data)}`, isIt, PATIENCE).catch((error: Error) => {
      throw new Error(`${this.lab.name}: ${error.message}; there were ${JSON.stringify(all)}; console ${JSON.stringify(this.lab.said.slice(-5))}`);
    });
  }

  /** Waits until how loud somebody was between two looks is accepted. */
  async hears(what: string, userId: string, accept: (level: number) => boolean): Promise<void> {
    await this.lab.page.evaluate(() => window.call.levels());
    await until(what, async () => {
      const level = (await this.lab.page.evaluate(() => window.call.levels()))[userId];
      return level !== undefined && accept(level);
    }, PATIENCE, 200);
  }

  /** Waits until what is seen of somebody is accepted. */
  async sees(what: string, userId: string, type: string, accept: (seen: Seen) => boolean): Promise<Seen> {
    let last: Seen[] = [];
    const isIt = async () => {
      last = await this.lab.page.evaluate(() => window.call.seen());
      return last.find((seen) => seen.userId === userId && seen.type === type && accept(seen));
    };
    return until(what, isIt, PATIENCE).catch(async (error: Error) => {
      throw new Error(`${this.lab.name}: ${error.message}; last ${JSON.stringify(last)}; events ${JSON.stringify(await this.events())}; console ${JSON.stringify(this.lab.said.slice(-5))}`);
    });
  }
}

describe('the media client in its own interface', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let host: RoomPage;
  let anna: Caller;
  let ben: Caller;
  /** Host and port of another server. */
  let elsewhere: string;

  before(async () => {
    elsewhere = `127.0.0.1:${await freePort()}`;
    [server, lab] = await Promise.all([WebliveServer.start('--push-page-hosts', elsewhere, '--push-private-hosts', elsewhere), LabBrowser.start()]);
    host = await enterAs(lab, server.origin, { app: 0, user: 'olga' });
    await host.ask('createRoom', { room: ROOM, name: 'A call' });
    [anna, ben] = [new Caller(await lab.page('anna')), new Caller(await lab.page('ben'))];
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  test('the basic call: two users see and hear each other', async () => {
    const support = await anna.lab.page.evaluate(() => window.TRTC.checkSystemRequirements());
    assert.equal(support.result, true);
    assert.ok(Object.values(support.detail).every(Boolean), JSON.stringify(support));
    await Promise.all([anna.start(server.origin, true), ben.start(server.origin, false)]);
    await Promise.all([
      anna.sees("ben's camera and microphone", 'ben', 'main', ({ frames, level }) => frames > 10 && level > 0.01),
      ben.sees("anna's card and tone", 'anna', 'main', ({ readings, level, width }) => readings > 10 && level > 0.1 && width > 0),
    ]);
    const names = (await anna.events()).filter(([, data]) => JSON.stringify(data).includes('ben')).map(([name]) => name);
    assert.deepEqual(names.slice(0, 3), ['peer-join', 'stream-added', 'stream-subscribed']);
    const states = (await anna.events()).filter(([name]) => name === 'connection-state-changed').map(([, data]) => data);
    assert.deepEqual(states, [{ prevState: 'DISCONNECTED', state: 'CONNECTING' }, { prevState: 'CONNECTING', state: 'CONNECTED' }]);
  });

  test('mute is told, and silences', async () => {
    assert.equal(await anna.lab.page.evaluate(() => window.call.local.muteAudio()), true);
    await ben.told('mute-audio', { userId: 'anna' });
    // A hum is always under the beeps: less than it is silence.
    await ben.hears('silence', 'anna', (level) => level < 0.003);
    const muted = await ben.lab.page.evaluate(() => window.call.client.getRemoteMutedState());
    assert.deepEqual(muted, [{ userId: 'anna', hasAudio: true, hasVideo: true, hasSmall: true, audioMuted: true, videoMuted: false }]);
    await anna.lab.page.evaluate(() => window.call.local.unmuteAudio());
    await ben.told('unmute-audio', { userId: 'anna' });
    await ben.hears('sound again', 'anna', (level) => level > 0.005);
    await anna.lab.page.evaluate(() => window.call.local.muteVideo());
    await ben.told('mute-video', { userId: 'anna' });
    await anna.lab.page.evaluate(() => window.call.local.unmuteVideo());
    await ben.told('unmute-video', { userId: 'anna' });
  });

  test('the small picture in place of the large one, and back', async () => {
    const choose = (type: 'big' | 'small') => ben.lab.page.evaluate((type) => window.call.choose('anna', type), type);
    const { width } = await ben.sees('the large picture', 'anna', 'main', ({ width }) => width > 300);
    await choose('small');
    // A message goes with each of the pictures.
    await ben.sees('the small picture', 'anna', 'main', (seen) => seen.width > 0 && seen.width < width / 2);
    await anna.lab.page.evaluate(() => window.call.client.sendSEIMessage(new TextEncoder().encode('small').buffer as ArrayBuffer));
    await ben.told('sei-message', { userId: 'anna', seiPayloadType: 243, isFromAuxiliary: false, text: 'small' });
    await choose('big');
    await ben.sees('the large picture again', 'anna', 'main', (seen) => seen.width === width);
    const subscribed = (await ben.events()).filter(([name, of]) => name === 'stream-subscribed' && of === 'anna/main');
    assert.equal(subscribed.length, 1, 'without a new subscription');
  });

  test('a message in the picture arrives with it', async () => {
    await anna.lab.page.evaluate(() => window.call.client.sendSEIMessage(new TextEncoder().encode('goal\x00\x00\x01!').buffer as ArrayBuffer));
    await ben.told('sei-message', { userId: 'anna', seiPayloadType: 243, isFromAuxiliary: false, text: 'goal\x00\x00\x01!' });
    await ben.lab.page.evaluate(() => window.call.client.sendSEIMessage(new Uint8Array([65, 66]).buffer, { seiPayloadType: 5 }));
    await anna.told('sei-message', { userId: 'ben', seiPayloadType: 5, isFromAuxiliary: false, text: 'AB' });
  });

  test('another microphone and camera come without a new subscription', async () => {
    const [before, after] = await ben.lab.page.evaluate(() => window.call.switch('audio'));
    assert.notEqual(before, after);
    await anna.hears('the other microphone', 'ben', (level) => level > 0.01);
    await ben.lab.page.evaluate(() => void window.call.local.getAudioTrack()!.dispatchEvent(new Event('ended')));
    await until('another microphone for one that is gone', async () => (await ben.lab.page.evaluate(() => window.call.streamEvents)).find(([name]) => name === 'device-auto-recovered'), PATIENCE);
    await anna.hears('the microphone in its place', 'ben', (level) => level > 0.01);
    assert.equal((await anna.events()).filter(([name]) => name === 'stream-subscribed').length, 1);
  });

  test('a screen beside the camera, until it is unpublished', async () => {
    await ben.lab.page.evaluate(() => window.call.share());
    await anna.told('stream-subscribed', 'ben/auxiliary');
    await anna.sees("ben's screen", 'ben', 'auxiliary', ({ frames }) => frames > 1);
    await ben.lab.page.evaluate(() => window.call.client.unpublish(window.call.screen));
    await anna.told('stream-removed', 'ben/auxiliary');
  });

  test('what is published is pushed on to a server that the operator has named, and to no other', async () => {
    const push = (url: string) => anna.lab.page.evaluate(async (url) => {
      const refused = await window.call.client.startPublishCDNStream({ url }).catch((error: unknown) => error as { getCode(): number; message: string });
      return refused ? { code: refused.getCode(), message: refused.message } : null;
    }, url);
    const refused = await push('rtmp://127.0.0.1:1/live/secret');
    assert.equal(refused?.code, 0x4045);
    assert.match(refused?.message ?? '', /push\.page_hosts/);
    const folder = await mkdtemp(join(tmpdir(), 'weblive-push-'));
    try {
      const path = join(folder, 'taken.flv');
      const taken = run('ffmpeg', ['-v', 'error', '-listen', '1', '-timeout', '30', '-i', `rtmp://${elsewhere}/live/secret`, '-t', '3', '-c', 'copy', path], PATIENCE);
      assert.equal(await push(`rtmp://${elsewhere}/live/secret`), null);
      await taken;
      assert.deepEqual(await probeCodecs(path), { video: 'h264', audio: 'aac' });
    } finally {
      await rm(folder, { recursive: true });
    }
    await anna.lab.page.evaluate(() => window.call.client.stopPublishCDNStream());
  });

  test('one who is removed is told why', async () => {
    await host.ask('kick', { room: ROOM, users: ['ben'], message: 'Enough' });
    await ben.told('client-banned', { reason: 'kick', message: 'Enough' });
    await anna.told('peer-leave', { userId: 'ben' });
    await host.ask('dismissRoom', { room: ROOM });
    await until('the end of the room', async () => (await anna.events()).some(([name, data]) => name === 'client-banned' && (data as { reason: string }).reason === 'room-disband'), PATIENCE);
    const last = (await anna.events()).filter(([name]) => name === 'connection-state-changed').at(-1);
    assert.deepEqual(last, ['connection-state-changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }]);
  });
});
