import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FirefoxPage } from './firefox';
import { LabBrowser, type LabPage, RESULTS, until, WebliveServer } from './harness';
import type { Watched } from './lab/lines';
import type { Seen } from './lab/trtc';
import { PATIENCE } from './rooms';

const ROOM = 5115;

const CHAT = 5116;

/** `NOT_SUPPORTED` and `NOT_SUPPORTED_H264` of the media client's interface. */
const [NOT_SUPPORTED, NO_H264] = [0x1002, 0x4049];

/** Firefox without the H.264 that it would fetch from the network, as Debian installs it. */
describe('Firefox beside Chromium', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let anna: LabPage;
  let fay: FirefoxPage;

  before(async () => {
    [server, lab] = await Promise.all([WebliveServer.start(), LabBrowser.start()]);
    [anna, fay] = await Promise.all([lab.page('anna'), FirefoxPage.open(lab.origin)]);
  });
  after(async () => {
    await fay?.close();
    await lab?.stop();
    await server?.stop();
  });

  /** Waits until Firefox sees or hears somebody. */
  const faySees = (what: string, user: string, accept: (seen: Seen) => boolean) => {
    let last: Seen[] = [];
    const isIt = async () => (last = await fay.ask(() => window.call.seen(), null)).find((seen) => seen.userId === user && accept(seen));
    return until(what, isIt, PATIENCE).catch(async (error: Error) => {
      throw new Error(`${error.message}; last ${JSON.stringify(last)}; events ${JSON.stringify(await fay.ask(() => window.call.events, null))}; console ${JSON.stringify(fay.said.slice(-5))}`);
    });
  };

  /** Has Firefox watch a stream over these lines until the last one named is read off the screen. */
  const watch = async (stream: string, kinds: string[], shown: string): Promise<string[]> => {
    await fay.ask(([origin, stream, kinds]) => (window.lineWatch = new window.LineWatch()).start(origin, stream, kinds), [server.origin, stream, kinds] as const);
    let last: Watched | undefined;
    await until(`${stream} over ${shown}`, async () => {
      last = await fay.ask(() => window.lineWatch.look(), null);
      return last.shown === shown && last.readings > 5;
    }, PATIENCE).catch((error: Error) => {
      throw new Error(`${error.message}; last ${JSON.stringify(last)}; console ${JSON.stringify(fay.said.slice(-5))}`);
    });
    await fay.ask(() => window.lineWatch.stop(), null);
    return last!.told;
  };

  test('it says what it can do', async () => {
    const { result, detail } = await fay.ask(() => window.TRTC.checkSystemRequirements(), null);
    assert.equal(result, true);
    const lacks = Object.entries(detail).filter(([, isThere]) => !isThere).map(([name]) => name);
    assert.deepEqual(lacks, ['isH264EncodeSupported', 'isH264DecodeSupported']);
  });

  test('a room of VP8 works both ways', async () => {
    const of = [server.origin, ROOM] as const;
    await Promise.all([
      anna.page.evaluate(([origin, room]) => (window.call = new window.Call()).start(origin, 'anna', room, { paints: true, videoCodec: 'vp8' }), of),
      fay.ask(([origin, room]) => (window.call = new window.Call()).start(origin, 'fay', room, { paints: true, sounds: false }), of),
    ]);
    await Promise.all([
      faySees("anna's card and tone", 'anna', ({ readings, level, width }) => readings > 10 && level > 0.1 && width > 0),
      annaSees(anna, "fay's card and microphone", ({ userId, frames, level }) => userId === 'fay' && frames > 10 && level > 0.01),
    ]);
  });

  test('of its two pictures each is received that is chosen', async () => {
    // Firefox sends both smaller where it has little time.
    const widths = () => fay.ask(async () => {
      const sent = await window.call.client.media?.publication('main')?.stats();
      return { small: sent?.small?.width ?? 0, big: sent?.video?.width ?? 0 };
    }, null);
    for (const type of ['small', 'big'] as const) {
      await anna.page.evaluate((type) => window.call.choose('fay', type), type);
      let last: unknown;
      await until(`the ${type} picture`, async () => {
        const [sent, seen] = [await widths(), await anna.page.evaluate(() => window.call.seen())];
        last = { sent, seen };
        return sent.small > 0 && sent.small < sent.big && seen.some(({ userId, width }) => userId === 'fay' && width === sent[type]);
      }, PATIENCE).catch((error: Error) => {
        throw new Error(`${error.message}; last ${JSON.stringify(last)}`);
      });
    }
  });

  test('a second stream beside the first, round trips, and how loud everybody is', async () => {
    await fay.ask(() => window.call.shareCanvas(), null);
    await annaSees(anna, 'the canvas', ({ userId, type, frames }) => userId === 'fay' && type === 'auxiliary' && frames > 3);
    await fay.ask(() => window.call.listen(), null);
    const isTold = async () => {
      const { loudest, stats } = await fay.ask(async () => ({ loudest: window.call.loudest, stats: await window.call.client.getTransportStats() }), null);
      const { anna = 0, fay: own = 0 } = loudest;
      return anna > 5 && own > 5 && 'anna' in stats.downlinksRTT && stats;
    };
    const { rtt, downlinksRTT } = await until('all of that', isTold, PATIENCE);
    // On one machine, and in whole milliseconds.
    for (const one of [rtt, downlinksRTT['anna']!]) assert.ok(one >= 0 && one < 5_000, `${one} ms`);
  });

  test('data in the picture needs H.264, and says so', async () => {
    const code = await fay.ask(() => {
      try {
        window.call.client.sendSEIMessage(new Uint8Array([1]).buffer);
        return 0;
      } catch (thrown) {
        return (thrown as { code: number }).code;
      }
    }, null);
    assert.equal(code, NOT_SUPPORTED);
  });

  test('chat goes both ways', async () => {
    const enter = async ([origin, user, room]: readonly [string, string, number]): Promise<void> => {
      window.talk.startIM(origin);
      await window.talk.call('login', { userID: user, userSig: 'none' });
      if (user === 'anna') await window.talk.call('createRoom', { name: 'A chat', roomID: room });
      await window.talk.call('enterRoom', room);
    };
    const say = ([text, room]: readonly [string, number]) => window.talk.call('sendTextMessage', { roomID: room, text });
    const heard = () => window.talk.heard.filter(({ type }) => type === 'TIMTextElem').map(({ from, payload }) => `${from}: ${(payload as { text: string }).text}`);
    await anna.page.evaluate(enter, [server.origin, 'anna', CHAT] as const);
    await fay.ask(enter, [server.origin, 'fay', CHAT] as const);
    await fay.ask(say, ['bonjour', CHAT] as const);
    await until('the word of Firefox', async () => (await anna.page.evaluate(heard)).includes('fay: bonjour'), PATIENCE);
    await anna.page.evaluate(say, ['hello', CHAT] as const);
    await until('the word of Chromium', async () => (await fay.ask(heard, null)).includes('anna: hello'), PATIENCE);
  });

  test('of H.264 it is told, and has the sound; FLV and HLS have the picture', async () => {
    const ben = await lab.page('ben');
    await ben.page.evaluate(([origin, room]) => (window.call = new window.Call()).start(origin, 'ben', room, { paints: true }), [server.origin, ROOM] as const);
    await faySees("ben's tone", 'ben', ({ level }) => level > 0.1);
    const events = await until('why there is no picture', async () => {
      const events = await fay.ask(() => window.call.events, null);
      return events.some(([name]) => name === 'stream-error') && events.some(([name, who]) => name === 'stream-subscribed' && who === 'ben/main') && events;
    }, PATIENCE);
    const errors = events.filter(([name]) => name === 'stream-error').map(([, what]) => String(what));
    assert.equal(errors.length, 1, errors.join());
    assert.match(errors[0]!, new RegExp(`^ben/main ${NO_H264} .*H264`));
    const stream = `0_${ROOM}_ben_main`;
    const told = await watch(stream, ['webrtc', 'flv'], 'flv');
    assert.match(told[0] ?? '', /^webrtc: unsupported: /, told.join());
    assert.deepEqual(await watch(stream, ['hls'], 'hls'), ['shows hls']);
    await fay.screenshot(join(RESULTS, 'firefox.png'));
    await ben.close();
  });

  test('FLV and HLS of VP8 say why not, and WebRTC takes their place', async () => {
    const [flv, hls, shown] = await watch(`0_${ROOM}_fay_main`, ['flv', 'hls', 'webrtc'], 'webrtc');
    assert.match(flv ?? '', /^flv: http: .*VP8.*H\.264/);
    assert.match(hls ?? '', /^hls: http: .*VP8.*H\.264/);
    assert.equal(shown, 'shows webrtc');
  });

  test('nothing of it is a fault', () => {
    assert.deepEqual(fay.said, [`console warn: [weblive receiver] 0_${ROOM}_ben_main: no picture: this browser has no H264 in WebRTC`]);
  });
});

/** Waits until Chromium sees or hears something. Firefox makes pictures smaller where it has little time: that they move is enough. */
async function annaSees({ page, said }: LabPage, what: string, accept: (seen: Seen) => boolean): Promise<void> {
  let last: Seen[] = [];
  const isIt = async () => (last = await page.evaluate(() => window.call.seen())).some(accept);
  await until(what, isIt, PATIENCE).catch((error: Error) => {
    throw new Error(`${error.message}; last ${JSON.stringify(last)}; console ${JSON.stringify(said.slice(-5))}`);
  });
}
