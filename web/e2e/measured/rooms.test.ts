import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { BINARY, LabBrowser, RESULTS, scratch, until, WebliveServer } from '../harness';
import { fetchPlaylist } from '../media';
import { Path } from '../path';
import { enterAs, openRoomPage, PATIENCE, type RoomPage } from '../rooms';

/** Test cards that are told apart by their size, and leave room for others on two cores. */
const WIDE = { width: 480, height: 270, frameRate: 15 };
const NARROW = { width: 320, height: 240, frameRate: 15 };

/** What the media client's interface calls an invalid operation. */
const INVALID_OPERATION = 0x1001;

/** A user without the right, as the interface of live rooms knows it. */
const NO_PERMISSION = 100_006;

describe('pages in live rooms', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let pages: RoomPage[] = [];

  before(async () => {
    server = await WebliveServer.start('--relay-linger', '1s');
    lab = await LabBrowser.start();
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });

  const user = async (name: string, origin = server.origin): Promise<RoomPage> => {
    const page = await enterAs(lab, origin, { app: 0, user: name });
    pages.push(page);
    return page;
  };

  test('two anchors and one who watches see and hear each other until one leaves', async () => {
    const room = 'duet';
    const [anna, ben, carol] = await Promise.all(['anna', 'ben', 'carol'].map((name) => user(name)));
    assert.ok(anna && ben && carol);
    await anna.ask('enterRoom', { room, part: 'media', role: 'anchor' });
    await ben.ask('enterRoom', { room, part: 'media', role: 'anchor' });
    const entered = await carol.ask('enterRoom', { room, part: 'media' });
    assert.deepEqual(entered.anchors.map((anchor) => anchor.user).sort(), ['anna', 'ben']);
    assert.equal(entered.role, 'audience');
    for (const page of [anna, ben, carol]) await page.ask('listenVolumes', { room, intervalMs: 300 });

    const [wide, narrow] = await Promise.all([anna.publish(room, WIDE), ben.publish(room, NARROW)]);
    const streams = await Promise.all([
      anna.subscribe(room, 'ben'), ben.subscribe(room, 'anna'), carol.subscribe(room, 'anna'), carol.subscribe(room, 'ben'),
    ]);
    assert.deepEqual(streams, [narrow.stream, wide.stream, wide.stream, narrow.stream]);
    await Promise.all([
      anna.plays(narrow.stream, NARROW.width), ben.plays(wide.stream, WIDE.width),
      carol.plays(wide.stream, WIDE.width), carol.plays(narrow.stream, NARROW.width),
    ]);
    await carol.lab.page.screenshot({ path: join(RESULTS, 'rooms.png') });

    // Nobody is told of the audience, and everybody of the anchors: how loud, who speaks, how well it goes.
    assert.deepEqual((await anna.events('anchorEntered')).map((event) => event.user), ['ben']);
    for (const page of [anna, ben, carol]) {
      for (const name of ['anna', 'ben']) {
        await page.event('volumes', ({ volumes }) => volumes.some((one) => one.user === name && one.volume > 0 && one.volume <= 100));
      }
    }
    const isGood = (quality: number) => quality >= 1 && quality <= 5;
    for (const page of [anna, ben]) {
      await page.event('networkQuality', (event) => isGood(event.uplinkNetworkQuality) && isGood(event.downlinkNetworkQuality));
    }
    await carol.event('networkQuality', (event) => event.uplinkNetworkQuality === 0 && isGood(event.downlinkNetworkQuality));

    // Who is alone in sounding is the speaker.
    for (const [loud, quiet] of [[anna, ben], [ben, anna]] as const) {
      await loud.lab.page.evaluate((room) => window.room.muteSound(room, 'main', false), room);
      await quiet.lab.page.evaluate((room) => window.room.muteSound(room, 'main', true), room);
      await carol.event('trackChanged', (event) => event.user === quiet.user && event.publication?.audioMuted === true);
      await until(`${loud.user} is the speaker`, async () => (await carol.events('activeSpeaker')).at(-1)?.user === loud.user, PATIENCE);
    }
    await anna.lab.page.evaluate((room) => window.room.muteSound(room, 'main', false), room);

    await ben.ask('leaveRoom', { room, part: 'media' });
    for (const page of [anna, carol]) {
      await page.event('anchorLeft', (event) => event.user === 'ben' && event.reason === 'left');
      await page.gone(narrow.stream);
    }
    await carol.plays(wide.stream, WIDE.width);
    assert.equal((await anna.refused('subscribe', { room, user: 'ben', track: 'main', audio: true, video: true })).name, 'notLive');

    // And comes back, into the same peer connections.
    await ben.ask('enterRoom', { room, part: 'media', role: 'anchor' });
    const [annaSeq, carolSeq] = await Promise.all([anna.lastSeq(), carol.lastSeq()]);
    const again = await ben.publish(room, NARROW);
    for (const [page, seq] of [[anna, annaSeq], [carol, carolSeq]] as const) {
      await page.event('trackChanged', (event) => event.user === 'ben' && event.publication !== null, seq);
      await page.ask('subscribe', { room, user: 'ben', track: 'main', audio: true, video: true });
    }
    await Promise.all([anna.plays(again.stream, NARROW.width), carol.plays(again.stream, NARROW.width), carol.plays(wide.stream, WIDE.width)]);
    for (const page of [anna, ben, carol]) await page.assertClean();
  });

  test('a guest is seated, is seen by WebRTC, FLV and HLS, and is kicked off the seat and out of the room', async () => {
    const room = 7;
    const [olga, gina, zoe] = await Promise.all(['olga', 'gina', 'zoe'].map((name) => user(name)));
    assert.ok(olga && gina && zoe);
    await olga.ask('createRoom', { room, name: 'Evening show', seats: { count: 3, mode: 'applyToTake', keepOwnerOnSeat: true } });
    await olga.ask('enterRoom', { room, part: 'all', role: 'anchor' });
    for (const page of [gina, zoe]) await page.ask('enterRoom', { room, part: 'all' });

    // Nobody publishes without a seat, whatever role is asked for.
    for (const page of [gina, zoe]) {
      const error = await page.refusedToPublish(room, NARROW);
      assert.deepEqual([error.name, error.code, error.codes.live], ['audienceMayNotPublish', INVALID_OPERATION, NO_PERMISSION], error.message);
    }
    assert.equal((await zoe.refused('switchRole', { room, role: 'anchor' })).name, 'notSeated');

    const shown = await sit(olga, gina, room);
    const published = await gina.publish(room, NARROW);
    assert.ok(published.relay, 'no relay addresses');
    const { relay } = published;
    await gina.event('relayStarted', (event) => event.relay.flv === relay.flv && event.relay.hls === relay.hls, shown);
    await Promise.all([olga.subscribe(room, 'gina'), zoe.subscribe(room, 'gina')]);
    const players = await Promise.all([lab.viewer('flv', server.url(relay.flv)), lab.viewer('hls', server.url(relay.hls))]);
    await Promise.all([
      olga.plays(published.stream, NARROW.width), zoe.plays(published.stream, NARROW.width), ...players.map((player) => player.plays(15, {}, PATIENCE)),
    ]);
    for (const player of players) assert.equal((await player.observe()).stats.width, NARROW.width, player.name);

    // Off the seat: the page that was kicked does nothing about it, and yet nothing more comes from it.
    const [olgaSeq, zoeSeq] = await Promise.all([olga.lastSeq(), zoe.lastSeq()]);
    assert.deepEqual((await olga.ask('kickOffSeat', { room, users: ['gina'] })).users, ['gina']);
    assert.equal((await gina.event('kickedOffSeat')).host, 'olga');
    await gina.event('roleChanged', (event) => event.role === 'audience');
    for (const [page, seq] of [[olga, olgaSeq], [zoe, zoeSeq]] as const) {
      await page.event('trackChanged', (event) => event.user === 'gina' && event.publication === null, seq);
      await page.gone(published.stream);
    }
    await players[0]!.until('the end', (seen) => seen.state === 'ended', PATIENCE);
    await until('the end of the playlist', async () => (await fetchPlaylist(server.url(relay.hls))).hasEnded, PATIENCE);
    await until('the publisher to be cut off', async () => ['closed', 'failed', 'disconnected'].includes(
      (await gina.lab.page.evaluate((room) => window.room.sent(room, 'main'), room)).state), PATIENCE);
    const unseated = await gina.refusedToPublish(room, NARROW);
    assert.deepEqual([unseated.name, unseated.code], ['audienceMayNotPublish', INVALID_OPERATION]);
    assert.equal((await gina.refused('startRelay', { room, track: 'main' })).name, 'notPublished');

    // On the seat again, and then out of the room.
    const before = await zoe.lastSeq();
    await sit(olga, gina, room);
    const second = await gina.publish(room, NARROW);
    await zoe.event('trackChanged', (event) => event.user === 'gina' && event.publication !== null, before);
    await zoe.ask('subscribe', { room, user: 'gina', track: 'main', audio: true, video: true });
    await zoe.plays(second.stream, NARROW.width);
    await olga.ask('kick', { room, users: ['gina'], message: 'Mind your words', banSeconds: 60 });
    const removed = await gina.event('removed');
    assert.deepEqual([removed.reason, removed.message], ['kick', 'Mind your words']);
    await zoe.gone(second.stream);
    const outside = await gina.refusedToPublish(room, NARROW);
    assert.deepEqual([outside.name, outside.code], ['notEntered', INVALID_OPERATION]);
    assert.equal((await gina.refused('enterRoom', { room, part: 'all' })).name, 'banned');
    for (const page of [olga, gina, zoe]) await page.assertClean();
    for (const player of players) {
      assert.deepEqual((await player.observe()).errors, [], player.name);
      await player.close();
    }
  });

  test('a page without a socket for ten seconds misses neither chat nor media', async () => {
    const room = 'tunnel';
    const [quiet, broken] = await Promise.all([Path.to(server.origin), Path.to(server.origin)]);
    try {
      const [anna, ben, carol] = await Promise.all([user('anna', quiet.origin), user('ben', broken.origin), user('carol')]);
      await carol.ask('createRoom', { room });
      for (const page of [carol, anna]) await page.ask('enterRoom', { room, part: 'all', role: 'anchor' });
      await ben.ask('enterRoom', { room, part: 'all' });
      const [wide, narrow] = await Promise.all([anna.publish(room, WIDE), carol.publish(room, NARROW)]);
      await Promise.all([anna.subscribe(room, 'carol'), ben.subscribe(room, 'carol'), carol.subscribe(room, 'anna')]);
      const play = () => Promise.all([anna.plays(narrow.stream, NARROW.width), ben.plays(narrow.stream, NARROW.width), carol.plays(wide.stream, WIDE.width)]);
      await play();

      quiet.silence();
      broken.break();
      for (const page of [anna, ben, carol]) await page.lab.page.evaluate(() => window.room.forgetGaps());
      const said: string[] = [];
      const begin = Date.now();
      while (Date.now() < begin + CUT) {
        said.push(`word ${said.length + 1}`);
        await carol.ask('sendMessage', { room, content: { type: 'TIMTextElem', payload: { text: said.at(-1)! } } });
        await new Promise((resolve) => setTimeout(resolve, CUT / 20));
      }
      assert.deepEqual([await heard(anna), await heard(ben)], [[], []], 'the cut is none');
      const gaps = await Promise.all([anna.seen(narrow.stream), ben.seen(narrow.stream), carol.seen(wide.stream)]);
      console.log(`  longest times between frames during the cut: ${gaps.map((seen) => Math.round(seen?.longestGap ?? NaN)).join(', ')} ms`);
      for (const seen of gaps) {
        assert.ok(seen && seen.longestGap < CUT, 'a picture stood during the cut');
        aim(seen.longestGap < FREEZE, `a picture stood for ${seen.longestGap} ms`);
      }

      quiet.restore();
      broken.restore();
      for (const page of [anna, ben]) {
        const { missed } = await page.resume();
        assert.ok(missed >= said.length, `${missed} of ${said.length} missed`);
        await until('the last word', async () => (await heard(page)).length === said.length, PATIENCE);
        assert.deepEqual(await heard(page), said);
      }
      // Neither has left in between, and the session is as good as before.
      for (const page of [anna, ben, carol]) assert.deepEqual(await page.events('anchorLeft'), []);
      await ben.ask('sendMessage', { room, content: { type: 'TIMTextElem', payload: { text: 'here again' } } });
      for (const page of [anna, carol]) await until('an answer', async () => (await heard(page)).includes('here again'), PATIENCE);
      await play();
      await anna.ask('unpublish', { room, track: 'main' });
      await carol.gone(wide.stream);
      await ben.assertClean(/WebSocket connection to .* failed/);
      for (const page of [anna, carol]) await page.assertClean();
    } finally {
      for (const page of pages.splice(0)) await page.close();
      await Promise.all([quiet.stop(), broken.stop()]);
    }
  });
});

describe('pages of an app with tokens', () => {
  let files: Awaited<ReturnType<typeof scratch>>;
  let config: string;
  let server: WebliveServer;
  let lab: LabBrowser;

  before(async () => {
    files = await scratch();
    config = join(files.path, 'weblive.toml');
    await writeFile(config, 'data_dir = ""\n[[apps]]\nid = 7\nkeys = ["a-key-of-this-test"]\n');
    server = await WebliveServer.start('--config', config);
    lab = await LabBrowser.start();
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
    await files?.remove();
  });

  const token = (user: string) => execFileSync(BINARY, ['usersig', '--config', config, '--app', '7', '--user', user], { encoding: 'utf8' }).trim();

  test('talk to each other when their tokens are right', async () => {
    const room = 'lounge';
    const [anna, ben] = await Promise.all(['anna', 'ben'].map((name) =>
      enterAs(lab, server.origin, { app: 7, user: name, userSig: token(name), profile: { nick: name.toUpperCase(), avatar: '' } })));
    assert.ok(anna && ben);
    await anna.ask('createRoom', { room });
    for (const page of [anna, ben]) await page.ask('enterRoom', { room, part: 'chat' });
    const words = { anna: ['<b>hello</b> & "welcome"', '晚上好'], ben: ['안녕하세요', 'hi \u{1f44b}'] };
    for (const [from, to, texts] of [[anna, ben, words.anna], [ben, anna, words.ben]] as const) {
      for (const text of texts) await from.ask('sendMessage', { room, content: { type: 'TIMTextElem', payload: { text } } });
      await until('the words', async () => (await heard(to)).length === texts.length, PATIENCE);
      assert.deepEqual(await heard(to), texts);
    }
    const last = (await anna.events('message')).map(({ message }) => message).findLast((message) => message.type === 'TIMTextElem');
    assert.ok(last);
    assert.deepEqual([last.from, last.nick, last.to, last.priority], ['ben', 'BEN', room, 'Normal']);
    const { messages } = await ben.ask('history', { room });
    assert.deepEqual(messages.flatMap((one) => (one.type === 'TIMTextElem' ? [one.payload.text] : [])), [...words.anna, ...words.ben]);
    for (const page of [anna, ben]) {
      await page.assertClean();
      await page.close();
    }
  });

  test('are refused with the documented code when a token is wrong', async () => {
    const good = token('anna');
    const tampered = good.slice(0, 30) + (good[30] === 'A' ? 'B' : 'A') + good.slice(31);
    const page = await openRoomPage(lab, server.origin, 'anna');
    const refusal = async (userSig?: string, app = 7) => {
      const outcome = await page.tryLogIn({ app, user: 'anna', ...(userSig === undefined ? {} : { userSig }) });
      assert.ok('refused' in outcome, `${userSig} is taken`);
      return [outcome.refused.name, outcome.refused.code];
    };
    for (const userSig of [undefined, '', 'nonsense', tampered, token('ben')]) {
      assert.deepEqual(await refusal(userSig), ['userSigRefused', -100_018], userSig);
    }
    assert.deepEqual(await refusal(good, 8), ['userSigRefused', -100_018], 'another app');
    assert.equal((await page.refused('enterRoom', { room: 1, part: 'chat' })).name, 'notLoggedIn');
    await page.logIn({ app: 7, user: 'anna', userSig: good });
    await page.assertClean();
    await page.close();
  });
});

/** A host lets somebody onto a seat; gives the guest's last event before. */
async function sit(host: RoomPage, guest: RoomPage, room: number): Promise<number> {
  const [hostSeq, guestSeq] = await Promise.all([host.lastSeq(), guest.lastSeq()]);
  await guest.ask('applyForSeat', { room, timeoutSeconds: 60 });
  await host.event('applicationReceived', (event) => event.guest === guest.user, hostSeq);
  await host.ask('answerApplication', { room, guest: guest.user, accept: true });
  await guest.event('applicationAnswered', (event) => event.accepted, guestSeq);
  await guest.event('roleChanged', (event) => event.role === 'anchor', guestSeq);
  return guestSeq;
}

/** The texts that a page has got, in order. */
async function heard(page: RoomPage): Promise<string[]> {
  return (await page.events('message')).flatMap(({ message }) => (message.type === 'TIMTextElem' ? [message.payload.text] : []));
}

/** How long pages are without their sockets, in milliseconds. */
const CUT = 10_000;

/** A picture that stands so long has stopped, in milliseconds: a busy machine alone does less. */
const FREEZE = 3_000;
