// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { setLogLevel } from '../log';
import type { MemberView, Publication } from '../protocol/messages';
import { FakePeer, FakeStream, fakeTrack, sdp } from '../rtc/fake-peer';
import { RoomMedia } from '../rtc/room-media';
import { FakeServer } from '../signal/fake-server';
import { Session } from '../signal/session';
import { NO_PICTURE } from './player';
import { RoomPlayer, type RoomSource, type RoomView } from './room';

const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };

let server: FakeServer;
let media: RoomMedia;
let inside: MemberView[];
let plays: ReturnType<typeof vi.fn>;
let told: string[];

const tick = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const anchor = (user: string, main: Publication | null = BOTH): MemberView => ({
  user, profile: { nick: user, avatar: '' }, rank: 'generalUser', role: 'anchor', tracks: { main, aux: null },
});

beforeEach(async () => {
  vi.useFakeTimers();
  setLogLevel(5);
  FakePeer.install();
  plays = vi.fn(async () => undefined);
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', { value: null, writable: true, configurable: true });
  HTMLMediaElement.prototype.play = function (this: HTMLMediaElement) {
    return (plays as unknown as (element: HTMLMediaElement) => Promise<void>)(this);
  };
  server = new FakeServer();
  inside = [];
  server.answers['enterRoom'] = () => ({ result: { info: {}, already: false, seats: [], role: 'audience', coHosts: [], anchors: inside } });
  server.answers['subscribe'] = ({ room, user, track }) => ({ result: { stream: `0_${String(room)}_${String(user)}_${String(track)}` } });
  const session = new Session({ server: 'https://live.example', app: 0, user: 'zoe' }, server.open);
  await session.ready;
  media = new RoomMedia(session, 5);
  told = [];
});
afterEach(async () => {
  void media.session.close();
  await tick(3_000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function playerOf(view?: RoomView, source: RoomSource = { media }) {
  const player = new RoomPlayer(source, view);
  player.on('state', (state) => told.push(state));
  player.on('picture', () => told.push('picture'));
  player.on('autoplayRefused', () => told.push('refused'));
  player.on('unplayable', ({ type }) => told.push(`unplayable ${type}`));
  player.on('error', ({ type, reason }) => told.push(`error ${reason ?? type}`));
  return player;
}

/** The server offers, and tracks of a user come. */
async function bring(user: string, ...kinds: ('audio' | 'video')[]) {
  if (FakePeer.all.length === 0) {
    server.tell({ event: 'offer', revision: 1, sdp: sdp('o') });
    await tick();
  }
  const stream = new FakeStream(`0_5_${user}_main`);
  const tracks = kinds.map((kind) => fakeTrack(kind));
  for (const track of tracks) FakePeer.last.bring(track, stream);
  await tick();
  return tracks;
}

const shown = (player: RoomPlayer) => [...player.element.querySelectorAll('video')].map(({ dataset }) => dataset['user']);

/** The first frame of a user is on the screen. */
async function paint(player: RoomPlayer, user: string) {
  player.element.querySelector(`video[data-user=${user}]`)!.dispatchEvent(new Event('playing'));
  await tick(NO_PICTURE);
}

describe('a room player', () => {
  test('enters as audience, subscribes, shows, and leaves', async () => {
    inside = [anchor('anna')];
    const player = playerOf(undefined, { media, enter: { privateMapKey: 'k' } });
    player.start();
    await tick();
    expect(server.asked('enterRoom')[0]).toMatchObject({ room: 5, part: 'media', scene: 'live', role: 'audience', privateMapKey: 'k' });
    expect(server.asked('subscribe').map(({ user, audio, video }) => [user, audio, video])).toEqual([['anna', true, true]]);
    await bring('anna', 'audio', 'video');
    expect(plays).toHaveBeenCalled();
    await paint(player, 'anna');
    expect(told).toEqual(['connecting', 'playing', 'picture']);
    expect([player.has('audio'), player.has('video'), player.video?.dataset['user']]).toEqual([true, true, 'anna']);
    player.stop();
    await tick();
    expect(server.asked('leaveRoom')).toHaveLength(1);
    expect([player.element.childElementCount, player.media]).toEqual([0, null]);
  });

  test('waits in an empty room for whoever comes', async () => {
    const player = playerOf();
    player.start();
    await tick();
    expect(told).toEqual(['connecting', 'waiting']);
    server.tell({ event: 'anchorEntered', room: 5, user: 'anna', profile: { nick: '', avatar: '' } });
    server.tell({ event: 'trackChanged', room: 5, user: 'anna', track: 'main', publication: BOTH });
    await tick();
    expect([told.at(-1), player.streams]).toEqual(['connecting', [{ room: 5, user: 'anna', track: 'main' }]]);
    await bring('anna', 'video');
    await paint(player, 'anna');
    server.tell({ event: 'trackChanged', room: 5, user: 'anna', track: 'main', publication: null });
    await tick();
    expect(told.slice(2)).toEqual(['connecting', 'playing', 'picture', 'waiting']);
  });

  test('shows the newest of several, and the one before it until there is something to see', async () => {
    inside = [anchor('anna'), anchor('ben', null)];
    const player = playerOf();
    player.start();
    await tick();
    await bring('anna', 'video');
    await paint(player, 'anna');
    server.tell({ event: 'trackChanged', room: 5, user: 'ben', track: 'main', publication: BOTH });
    await tick();
    expect(shown(player)).toEqual(['anna', 'ben']);
    await bring('ben', 'video');
    await paint(player, 'ben');
    expect(shown(player)).toEqual(['ben']);
    expect(server.asked('unsubscribe').map(({ user }) => user)).toEqual(['anna']);
    player.show({ stream: { user: 'anna' } });
    await tick();
    expect(shown(player)).toEqual(['ben', 'anna']);
  });

  test('shows all side by side', async () => {
    inside = [anchor('anna'), anchor('ben'), anchor('carol')];
    const player = playerOf({ layout: 'grid' });
    player.start();
    await tick();
    expect(shown(player)).toEqual(['anna', 'ben', 'carol']);
    expect([player.element.style.display, player.element.style.gridTemplateColumns]).toEqual(['grid', 'repeat(2, 1fr)']);
    server.tell({ event: 'anchorLeft', room: 5, user: 'ben', reason: 'left' });
    await tick();
    expect(shown(player)).toEqual(['anna', 'carol']);
    expect(server.asked('unsubscribe')).toEqual([]);
  });

  test('uses media that somebody else has entered, and leaves it to them', async () => {
    inside = [anchor('anna')];
    await media.enter();
    const player = playerOf();
    player.start();
    await tick();
    expect([server.asked('enterRoom').length, shown(player)]).toEqual([1, ['anna']]);
    player.stop();
    await tick();
    expect([server.asked('leaveRoom').length, media.state]).toEqual([0, 'connected']);
    expect(server.asked('unsubscribe')).toHaveLength(1);
  });

  test('fails where the room cannot be entered', async () => {
    server.answers['enterRoom'] = () => ({ refused: 'banned' });
    playerOf().start();
    await tick();
    expect(told).toEqual(['connecting', 'failed', 'error banned']);
  });

  test('ends with the room, and fails where one is removed', async () => {
    const player = playerOf();
    player.start();
    await tick();
    server.tell({ event: 'removed', room: 5, reason: 'room-disband', message: 'over' });
    await tick();
    expect(told.at(-1)).toBe('ended');
    told = [];
    const other = playerOf();
    other.start();
    await tick();
    server.tell({ event: 'removed', room: 5, reason: 'kick', message: 'Mind your words' });
    await tick();
    expect(told.slice(-2)).toEqual(['failed', 'error removed']);
  });

  test('tells of refused autoplay and plays after a click', async () => {
    inside = [anchor('anna')];
    plays.mockRejectedValue(new DOMException('no', 'NotAllowedError'));
    const player = playerOf();
    player.start();
    await tick();
    await bring('anna', 'video');
    expect(told).toContain('refused');
    expect(player.video!.muted).toBe(false);
    expect(await player.resume()).toBe(false);
    plays.mockResolvedValue(undefined);
    expect(await player.resume()).toBe(true);
  });

  test('plays on what the browser has paused, but not what the page has', async () => {
    inside = [anchor('anna')];
    const player = playerOf();
    player.start();
    await tick();
    await bring('anna', 'video');
    plays.mockClear();
    player.video!.dispatchEvent(new Event('pause'));
    expect(plays).toHaveBeenCalledTimes(1);
    player.pause();
    player.video!.dispatchEvent(new Event('pause'));
    expect(plays).toHaveBeenCalledTimes(1);
  });

  test('holds back picture or sound, of tracks that come later too, and gives the tracks back as they were', async () => {
    inside = [anchor('anna')];
    const player = playerOf();
    player.start();
    await tick();
    const [sound] = await bring('anna', 'audio');
    player.hold({ video: true });
    const [picture] = await bring('anna', 'video');
    expect([sound!.enabled, picture!.enabled]).toEqual([true, false]);
    player.hold({ audio: true, video: false });
    expect([sound!.enabled, picture!.enabled]).toEqual([false, true]);
    player.stop();
    expect([sound!.enabled, picture!.enabled]).toEqual([true, true]);
  });

  test('has the sound that it is told to have', async () => {
    inside = [anchor('anna')];
    const player = playerOf();
    player.setSound(0.25, true);
    player.start();
    await tick();
    expect([player.video!.volume, player.video!.muted]).toEqual([0.25, true]);
    player.setSound(0.5, false);
    expect([player.video!.volume, player.video!.muted]).toEqual([0.5, false]);
  });
});

test('one that has no picture for want of a codec is told, unless others of a grid are seen', async () => {
  inside = [anchor('anna'), anchor('ben')];
  const player = playerOf({ layout: 'grid' });
  player.start();
  await tick();
  await bring('anna', 'audio');
  await bring('ben', 'audio', 'video');
  server.tell({ event: 'codecMissing', stream: '0_5_anna_main', codec: 'H264' });
  expect(told).not.toContain('unplayable unsupported');
  player.show({ layout: 'one', stream: { user: 'anna' } });
  await tick();
  server.tell({ event: 'codecMissing', stream: '0_5_anna_main', codec: 'H264' });
  expect(told.at(-1)).toBe('unplayable unsupported');
});

test('one whose picture the path does not carry is told, unless others of a grid are seen', async () => {
  inside = [anchor('anna'), anchor('ben')];
  const player = playerOf({ layout: 'grid' });
  const paused: boolean[] = [];
  player.on('videoPaused', (isPaused) => paused.push(isPaused));
  player.start();
  await tick();
  await bring('anna', 'audio', 'video');
  await bring('ben', 'audio', 'video');
  const pause = (user: string, paused: boolean) => server.tell({ event: 'videoPaused', stream: `0_5_${user}_main`, paused });
  pause('anna', true);
  expect([player.isVideoPaused, paused]).toEqual([false, []]);
  player.show({ layout: 'one', stream: { user: 'anna' } });
  await tick();
  expect([player.isVideoPaused, paused]).toEqual([true, [true]]);
  pause('anna', false);
  expect(paused).toEqual([true, false]);
});
