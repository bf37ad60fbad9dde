import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { LabBrowser, until, WebliveServer } from './harness';
import { enterAs, PATIENCE, type RoomPage } from './rooms';

const WIDE = { width: 480, height: 270, frameRate: 15 };
const NARROW = { width: 320, height: 240, frameRate: 15 };

describe('the one connection by which a page receives', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  const pages: RoomPage[] = [];

  before(async () => {
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });

  const user = async (name: string): Promise<RoomPage> => {
    const page = await enterAs(lab, server.origin, { app: 0, user: name });
    pages.push(page);
    return page;
  };

  test('carries the anchors of a connected room, with and without their sound, until the rooms part', async () => {
    const [here, there] = [11, '11'];
    const [olga, paul, zoe] = await Promise.all(['olga', 'paul', 'zoe'].map(user));
    assert.ok(olga && paul && zoe);
    for (const [page, room] of [[olga, here], [paul, there]] as const) {
      await page.ask('createRoom', { room });
      await page.ask('enterRoom', { room, part: 'all', role: 'anchor' });
    }
    await zoe.ask('enterRoom', { room: here, part: 'all' });
    const [wide, narrow] = await Promise.all([olga.publish(here, WIDE), paul.publish(there, NARROW)]);
    await zoe.subscribe(here, 'olga');
    const wanted = { room: there, user: 'paul', track: 'main', audio: true, video: true } as const;
    assert.equal((await zoe.refused('subscribe', wanted)).name, 'notEntered');

    await olga.ask('requestCoHost', { room: here, other: there, timeoutSeconds: 60 });
    await paul.event('coHostRequested', (event) => event.other === here);
    await paul.ask('answerCoHost', { room: there, other: here, accept: true });
    await until('the other room\'s anchor', async () => {
      const [joined, changed] = [await zoe.events('coHostsChanged'), await zoe.events('coHostAnchors')];
      const anchors = [...joined.flatMap((event) => event.coHosts.flatMap((room) => room.anchors)), ...changed.flatMap((event) => event.anchors)];
      return anchors.some((anchor) => anchor.user === 'paul' && anchor.tracks.main?.hasVideo);
    }, PATIENCE);
    await zoe.ask('subscribe', wanted);
    await Promise.all([zoe.plays(narrow.stream, NARROW.width), zoe.plays(wide.stream, WIDE.width)]);

    await olga.ask('muteCoHost', { room: here, other: there, muted: true });
    await isSilent(zoe, narrow.stream);
    await zoe.plays(wide.stream, WIDE.width);
    await olga.ask('muteCoHost', { room: here, other: there, muted: false });
    await zoe.plays(narrow.stream, NARROW.width);

    await paul.ask('exitCoHost', { room: there });
    await zoe.gone(narrow.stream);
    await zoe.plays(wide.stream, WIDE.width);
    for (const page of [olga, paul, zoe]) await page.assertClean();
  });

  test('is renegotiated for other tracks, restarts ICE, and outlives a publisher\'s connection', async () => {
    const room = 'study';
    const [anna, ben] = await Promise.all(['anna', 'ben'].map(user));
    assert.ok(anna && ben);
    await anna.ask('enterRoom', { room, part: 'media', role: 'anchor' });
    await ben.ask('enterRoom', { room, part: 'media' });
    const [main, aux] = [await anna.publish(room, WIDE), await anna.publish(room, NARROW, 'aux')];
    const plays = () => Promise.all([ben.plays(main.stream, WIDE.width), ben.plays(aux.stream, NARROW.width)]);
    await ben.subscribe(room, 'anna');
    await ben.event('trackChanged', (event) => event.track === 'aux' && event.publication !== null);
    await ben.ask('subscribe', { room, user: 'anna', track: 'aux', audio: true, video: true });
    await plays();

    const before = await ben.lastSeq();
    await ben.ask('receiverTrickle', {});
    const offer = await ben.event('offer', () => true, before);
    const fragment = (sdp: string) => /a=ice-ufrag:(\S+)/.exec(sdp)?.[1];
    assert.notEqual(fragment(offer.sdp), fragment((await ben.events('offer'))[0]!.sdp), 'another ICE session');
    await plays();

    const camera = { room, user: 'anna', track: 'main' } as const;
    await ben.ask('subscribe', { ...camera, audio: true, video: false });
    await isDark(ben, main.stream);
    await ben.ask('subscribe', { ...camera, audio: true, video: true });
    await plays();
    for (let i = 0; i < 3; i += 1) {
      await ben.ask('unsubscribe', camera);
      await ben.ask('subscribe', { ...camera, audio: true, video: true });
      await plays();
    }

    // As a page does that has lost its connection: it publishes the same again by another one.
    const offers = (await ben.events('offer')).length;
    assert.equal((await anna.publish(room, WIDE)).stream, main.stream);
    await plays();
    assert.equal((await ben.events('offer')).length, offers, 'nothing to renegotiate');
    for (const page of [anna, ben]) await page.assertClean();
  });

  test('gets a guest again who has reloaded the page, on the same seat', async () => {
    const room = 4;
    const [olga, gina] = await Promise.all(['olga', 'gina'].map(user));
    assert.ok(olga && gina);
    await olga.ask('createRoom', { room, seats: { count: 3, mode: 'freeToTake', keepOwnerOnSeat: true } });
    await olga.ask('enterRoom', { room, part: 'all', role: 'anchor' });
    await gina.ask('enterRoom', { room, part: 'all' });
    const { seat } = await gina.ask('takeSeat', { room, seat: 2 });
    assert.equal(seat, 2);
    const first = await gina.publish(room, WIDE);
    await olga.subscribe(room, 'gina');
    await olga.plays(first.stream, WIDE.width);
    await gina.close();
    pages.splice(pages.indexOf(gina), 1);

    const again = await user('gina');
    const entered = await again.ask('enterRoom', { room, part: 'all', role: 'anchor' });
    assert.equal(entered.role, 'anchor');
    assert.deepEqual([entered.seats[seat]?.user?.user, entered.seats[seat]?.user?.away], ['gina', false]);
    // What the page had published before has ended with it.
    await olga.gone(first.stream);
    const before = await olga.lastSeq();
    const second = await again.publish(room, WIDE);
    await olga.event('trackChanged', (event) => event.user === 'gina' && event.publication !== null, before);
    await olga.ask('subscribe', { room, user: 'gina', track: 'main', audio: true, video: true });
    await olga.plays(second.stream, WIDE.width);
    for (const page of [olga, again]) await page.assertClean();
  });
});

/** Waits until the picture of a stream goes on without its sound. */
function isSilent(page: RoomPage, stream: string): Promise<unknown> {
  return changesFor(page, stream, (before, now) => now.audioEnergy === before.audioEnergy && now.readings >= before.readings + 10);
}

/** Waits until the sound of a stream goes on without its picture. */
function isDark(page: RoomPage, stream: string): Promise<unknown> {
  return changesFor(page, stream, (before, now) => now.readings === before.readings && now.audioEnergy > before.audioEnergy);
}

/** Waits until two looks at a stream, a second apart, differ as wanted. */
function changesFor(page: RoomPage, stream: string, accept: (before: Look, now: Look) => boolean): Promise<unknown> {
  return until(`${page.user} gets half of ${stream}`, async () => {
    const before = await page.seen(stream);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const now = await page.seen(stream);
    return before && now && accept(before, now);
  }, PATIENCE);
}

type Look = NonNullable<Awaited<ReturnType<RoomPage['seen']>>>;
