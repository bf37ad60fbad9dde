// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebliveError, type ErrorType } from '../errors';
import { setLogLevel } from '../log';
import { LinePlayer, openLine, type Line, type PlayerKind } from '../players';
import { FakePlayback } from '../players/fake-playback';
import { STALL_PATIENCE } from '../players/line-player';
import type { Publication } from '../protocol/messages';
import { FakePeer, FakeStream, fakeTrack, sdp } from '../rtc/fake-peer';
import { setServer } from '../server';
import { FakeServer } from '../signal/fake-server';
import { SessionPool } from '../signal/pool';
import { toRtcError } from '../trtc';
import { cdnCode, CDN_WORDING } from './cdn-errors';
import { EVENT } from './constants';
import { Player } from './player';

const FLV = 'https://play.example.org/live/a.flv';
const HLS = 'https://play.example.org/live/a.m3u8';
const CDN = `https://flv=${FLV}&hls=${HLS}`;
const ROOM = 'room://sdkappid=1400000000&roomid=5&userid=zoe&usersig=sig';
const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };

let server: FakeServer;
let player: Player;
let engines: FakePlayback[];
let lines: Line[];
let events: unknown[][];
let isAllowed: boolean;

const tick = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const view = () => document.getElementById('view')!;
const heard = () => events.splice(0).filter(([name]) => !String(name).match(/line_changed|streams_changed/));

beforeEach(() => {
  vi.useFakeTimers();
  setLogLevel(5);
  setServer('https://live.example.org');
  document.body.innerHTML = '<div id="view"><p>before</p></div><div id="other"></div>';
  FakePeer.install();
  isAllowed = true;
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', { value: null, writable: true, configurable: true });
  HTMLMediaElement.prototype.play = async () => {
    if (!isAllowed) throw new DOMException('no', 'NotAllowedError');
  };
  server = new FakeServer();
  server.answers['enterRoom'] = () => ({
    result: {
      info: {}, already: false, seats: [], role: 'audience', coHosts: [],
      anchors: [{ user: 'anna', profile: { nick: '', avatar: '' }, rank: 'owner', role: 'anchor', tracks: { main: BOTH, aux: null } }],
    },
  });
  server.answers['subscribe'] = ({ user }) => ({ result: { stream: `0_5_${String(user)}_main` } });
  const pool = new SessionPool(server.open);
  engines = [];
  events = [];
  player = new Player({
    toRtcError,
    acquire: (identity) => pool.acquire(identity),
    openLines: (options) => {
      lines = options.lines;
      const open = (line: Line) => {
        if (line.kind === 'room') return openLine(line);
        const engine = new FakePlayback(line.kind);
        engines.push(engine);
        return engine;
      };
      return new LinePlayer({ ...options, open });
    },
  });
  for (const name of Object.values(EVENT)) player.on(name, (event) => events.push([event.name, event.data]));
});
afterEach(async () => {
  await player.stopPlay();
  await tick(4_000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Tracks of anna come, and are shown. */
async function bring(...kinds: ('audio' | 'video')[]) {
  server.tell({ event: 'offer', revision: 1, sdp: sdp('o') });
  await tick();
  const tracks = kinds.map((kind) => fakeTrack(kind));
  for (const track of tracks) FakePeer.last.bring(track, new FakeStream('0_5_anna_main'));
  view().querySelector('video')!.dispatchEvent(new Event('playing'));
  await tick(1_000);
  return tracks;
}

describe('a player of a CDN', () => {
  test('plays FLV, and HLS where that fails, without an error', async () => {
    player.setRenderView({ elementID: 'view' });
    expect(player.isPlaying()).toBeUndefined();
    await player.startPlay(CDN);
    expect(lines.map((line) => (line.kind === 'room' ? '' : [line.kind, line.url]))).toEqual([['flv', FLV], ['hls', HLS]]);
    expect([player.isPlaying(), view().textContent]).toEqual([false, '']);
    engines[0]!.breaks();
    engines[1]!.shows();
    expect(heard()).toEqual([['t_playing', undefined]]);
    expect([player.isPlaying(), player.getLines()]).toEqual([true, [{ index: 0, kind: 'flv', isShown: false }, { index: 1, kind: 'hls', isShown: true }]]);
  });

  test('tells of waiting, pausing and playing on', async () => {
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    engines[0]!.shows();
    engines[0]!.is('stalled');
    engines[0]!.is('playing');
    await player.pauseVideo();
    expect(player.isPlaying()).toBe(false);
    await player.resumeVideo();
    expect(heard().map(([name]) => name)).toEqual(['t_playing', 't_waiting', 't_playing', 't_pause', 't_playing']);
  });

  test('has volume and silence, also before it plays', async () => {
    player.setPlayoutVolume(40);
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    expect(engines[0]!.volume).toBe(0.4);
    for (const [volume, expected] of [[0, 0], ['loud', 1], [55, 0.55], [NaN, 1], [200, 1], [-1, 0]] as const) {
      player.setPlayoutVolume(volume as number);
      expect(engines[0]!.volume, String(volume)).toBe(expected);
    }
    await player.pauseAudio();
    expect(engines[0]!.muted).toBe(true);
    await player.resumeAudio();
    expect(engines[0]!.muted).toBe(false);
  });

  test('tells of an error with its code, its wording and what has happened', async () => {
    player.setCustomConfig({ wording: { 13: 'No show tonight.' } });
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    engines[0]!.breaks('not-live');
    expect(heard()).toEqual([['t_error', { code: 13, message: 'No show tonight.', cause: expect.any(WebliveError) }]]);
    expect(view().textContent).toBe('No show tonight.');
    await tick(2_000);
    engines[1]!.shows();
    expect([heard(), view().textContent]).toEqual([[['t_playing', undefined]], '']);
  });

  test.each([
    ['https://', 12], ['https://flv=&hls=', 12], ['https://play.example.org/live/a.mp4', 11],
  ])('%s is error %i', async (url, code) => {
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(url);
    expect(heard()).toEqual([['t_error', { code, message: CDN_WORDING[code], cause: expect.any(WebliveError) }]]);
    expect([player.isPlaying(), engines]).toEqual([false, []]);
  });

  test('shows a poster in the wanted size until there is a picture', async () => {
    player.setCustomConfig({ poster: 'https://example.org/p.png', width: 320 });
    player.setCustomConfig({ height: 180, width: '1px' as never, wording: 'text' as never, autoplay: null as never });
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    const box = view().firstElementChild as HTMLElement;
    expect([box.style.width, box.style.height, box.querySelector('img')?.src]).toEqual(['320px', '180px', 'https://example.org/p.png']);
    engines[0]!.shows();
    expect(box.querySelector('img')).toBeNull();
  });

  test('does not begin by itself where it is not to', async () => {
    player.setCustomConfig({ autoplay: false });
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    expect(engines).toEqual([]);
    await player.resumeVideo();
    engines[0]!.shows();
    expect(heard()).toEqual([['t_playing', undefined]]);
  });

  test('tells of refused autoplay, and plays after a click', async () => {
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    engines[0]!.isRefused();
    expect([heard(), player.isPlaying()]).toEqual([[['t_autoplay_not_allowed', undefined]], false]);
    engines[0]!.isAllowed = true;
    await player.resumePlay();
    engines[0]!.shows();
    expect([heard(), player.isPlaying()]).toEqual([[['t_playing', undefined]], true]);
  });

  test('stops, empties its element, and starts again', async () => {
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    engines[0]!.shows();
    await player.startPlay(FLV);
    expect(engines).toHaveLength(1);
    await player.stopPlay();
    expect([engines[0]!.isReleased, player.isPlaying(), view().querySelector('video'), view().textContent]).toEqual([true, false, null, '']);
    heard();
    await player.startPlay(FLV);
    engines[1]!.shows();
    expect(heard()).toEqual([['t_playing', undefined]]);
    await player.startPlay(HLS);
    expect([engines[1]!.isReleased, engines[2]!.kind]).toEqual([true, 'hls']);
  });

  test('finds its element when it starts, also one that was emptied, and takes the element itself', async () => {
    document.body.innerHTML = '';
    player.setRenderView({ elementID: 'view' });
    await expect(player.startPlay(FLV)).rejects.toThrow(/"view"/);
    document.body.innerHTML = '<div id="view"></div>';
    await player.startPlay(FLV);
    expect(view().querySelector('video')).toBe(engines[0]!.element);
    await player.stopPlay();
    expect(view().childNodes).toHaveLength(0);
    document.body.innerHTML = '<div id="view">another one</div>';
    await player.startPlay(FLV);
    expect([view().querySelector('video'), view().textContent]).toEqual([engines[1]!.element, '']);
    const own = document.createElement('div');
    player.setRenderView({ elementID: own });
    expect([view().childElementCount, own.querySelector('video')]).toEqual([0, engines[1]!.element]);
  });

  test('moves to another element', async () => {
    player.setRenderView({ elementID: 'view' });
    await player.startPlay(FLV);
    player.setRenderView({ elementID: 'other' });
    expect([view().childElementCount, document.querySelector('#other video')]).toEqual([0, engines[0]!.element]);
  });

  test('needs an element, and does nothing for other schemes', async () => {
    await expect(player.startPlay(FLV)).rejects.toThrow(/setRenderView first/);
    expect(() => player.setRenderView(undefined as never)).toThrow(/elementID is missing/);
    for (const url of ['rtmp://a/live/b', 'webrtc://a/live/b', '', undefined as never]) await player.startPlay(url);
    expect([player.isPlaying(), heard()]).toEqual([undefined, []]);
  });
});

describe('a player of a room', () => {
  test('enters as audience and resolves then, plays, and leaves', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM);
    await tick();
    await started;
    expect(server.asked('enterRoom')[0]).toMatchObject({ room: 5, part: 'media', role: 'audience' });
    expect(player.isPlaying()).toBe(false);
    await bring('audio', 'video');
    const streams = [{ room: 5, user: 'anna', track: 'main' }];
    expect([player.isPlaying(), player.getStreams()]).toEqual([true, streams]);
    expect(events.filter(([name]) => name === 't_streams_changed')).toEqual([['t_streams_changed', streams]]);
    await player.stopPlay();
    await tick();
    expect(heard()).toEqual([
      ['t_connection_state_changed', { prevState: 'DISCONNECTED', state: 'CONNECTING' }],
      ['t_connection_state_changed', { prevState: 'CONNECTING', state: 'CONNECTED' }],
      ['t_playing', undefined],
      ['t_connection_state_changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }],
    ]);
    expect([server.asked('leaveRoom').length, server.asked('logout').length, player.isPlaying()]).toEqual([1, 1, false]);
    const again = player.startPlay(ROOM);
    await tick();
    await again;
    expect(server.asked('enterRoom')).toHaveLength(2);
  });

  test('rejects with the code of the refusal', async () => {
    server.answers['enterRoom'] = () => ({ refused: 'banned' });
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM).catch((thrown: unknown) => thrown);
    await tick();
    expect(await started).toMatchObject({ name: 'RtcError', message: expect.stringContaining('banned') });
    expect(heard().filter(([name]) => name === 't_error')).toEqual([]);
    expect(player.isPlaying()).toBe(false);
  });

  test('rejects where the address is wrong', async () => {
    player.setRenderView({ elementID: 'view' });
    await expect(player.startPlay('room://roomid=5&userid=zoe')).rejects.toThrow(/sdkappid/);
  });

  test('rejects where it is stopped before', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM).catch((thrown: unknown) => thrown);
    await player.stopPlay();
    await tick();
    expect(await started).toMatchObject({ message: expect.stringContaining('stopped') });
  });

  test('holds picture and sound by themselves', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM);
    await tick();
    await started;
    const [sound] = await bring('audio');
    await expect(player.pauseVideo()).rejects.toThrow('No Video Track!');
    await expect(player.resumeVideo()).rejects.toThrow('No Video Track!');
    const picture = fakeTrack('video');
    FakePeer.last.bring(picture, new FakeStream('0_5_anna_main'));
    await tick();
    heard();
    await player.pauseVideo();
    expect([picture.enabled, sound!.enabled, heard()]).toEqual([false, true, [['t_pause', undefined]]]);
    await player.resumeVideo();
    expect([picture.enabled, heard()]).toEqual([true, [['t_playing', undefined]]]);
    await player.pauseAudio();
    expect(view().querySelector('video')!.muted).toBe(true);
    await player.resumeAudio();
    expect(view().querySelector('video')!.muted).toBe(false);
  });

  test('has nothing to hold before anything comes, and stays in the room', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM);
    await tick();
    await started;
    heard();
    await expect(player.pauseVideo()).rejects.toThrow('No Video Track!');
    await expect(player.resumeVideo()).rejects.toThrow('No Video Track!');
    await expect(player.pauseAudio()).rejects.toThrow('No Audio Track!');
    await expect(player.resumeAudio()).rejects.toThrow('No Audio Track!');
    await tick();
    expect([heard(), server.asked('leaveRoom')]).toEqual([[], []]);
  });

  test('has no sound to silence where there is none', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM);
    await tick();
    await started;
    await bring('video');
    await expect(player.pauseAudio()).rejects.toThrow('No Audio Track!');
    await expect(player.resumeAudio()).rejects.toThrow('No Audio Track!');
  });

  test('tells how good the network is, and of being removed, and does not come back', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM);
    await tick();
    await started;
    heard();
    const quality = { uplinkNetworkQuality: 0, downlinkNetworkQuality: 1, uplinkRTT: 0, uplinkLoss: 0, downlinkRTT: 4, downlinkLoss: 0 };
    server.tell({ event: 'networkQuality', ...quality });
    server.tell({ event: 'removed', room: 5, reason: 'kick', message: 'Mind your words' });
    await tick(10_000);
    expect(heard()).toEqual([
      ['t_network-quality', quality],
      ['t_connection_state_changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }],
      ['t_client_banned', { reason: 'kick', message: 'Mind your words' }],
    ]);
    expect(server.asked('enterRoom')).toHaveLength(1);
  });

  test('tells of refused autoplay, and plays after a click', async () => {
    isAllowed = false;
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay(ROOM);
    await tick();
    await started;
    server.tell({ event: 'offer', revision: 1, sdp: sdp('o') });
    await tick();
    FakePeer.last.bring(fakeTrack('video'), new FakeStream('0_5_anna_main'));
    await tick();
    expect(heard().at(-1)).toEqual(['t_autoplay_not_allowed', undefined]);
    expect(player.isPlaying()).toBe(false);
    isAllowed = true;
    await player.resumePlay();
    view().querySelector('video')!.dispatchEvent(new Event('playing'));
    await tick(1_000);
    expect([heard(), player.isPlaying()]).toEqual([[['t_playing', undefined]], true]);
  });

  test('goes into rooms with names, of other servers', async () => {
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay('room://sdkappid=1&strroomid=lounge&userid=zoe&privatemapkey=k&server=wss%3A%2F%2Fb.example.org');
    await tick();
    await started;
    expect(server.asked('enterRoom')[0]).toMatchObject({ room: 'lounge', privateMapKey: 'k' });
    expect(server.socket.url).toBe('wss://b.example.org/signal');
  });

  test('has FLV to fall back to where that is named too', async () => {
    server.answers['enterRoom'] = () => ({ refused: 'banned' });
    player.setRenderView({ elementID: 'view' });
    const started = player.startPlay([ROOM, CDN]);
    await tick();
    await started;
    engines[0]!.shows();
    expect(heard().at(-1)).toEqual(['t_playing', undefined]);
    expect(player.getLines().map(({ kind, isShown }) => [kind, isShown])).toEqual([['room', false], ['flv', true], ['hls', false]]);
    player.setLine(2);
    engines[1]!.shows();
    expect(player.getLines()[2]!.isShown).toBe(true);
    engines[1]!.is('stalled');
    await tick(STALL_PATIENCE);
    expect(engines[2]!.kind).toBe('flv');
  });
});

describe('the codes of a CDN player', () => {
  const error = (type: ErrorType) => new WebliveError(type, type, true);

  test.each<[ErrorType, PlayerKind, boolean, number]>([
    ['connection', 'webrtc', false, 1], ['network', 'flv', true, 2], ['connection', 'webrtc', true, 2], ['media', 'hls', true, 3],
    ['argument', 'flv', false, 11], ['not-live', 'flv', false, 13], ['timeout', 'flv', false, 1001], ['network', 'flv', false, 1002],
    ['http', 'flv', false, 2032], ['busy', 'flv', false, 2032], ['network', 'hls', false, 2048], ['http', 'hls', true, 2048],
  ])('%s of %s (played: %s) is %i', (type, kind, hasPlayed, code) => expect(cdnCode(error(type), kind, hasPlayed)).toBe(code));

  test('of a browser that cannot play depend on what it lacks', () => {
    vi.stubGlobal('MediaSource', class {});
    expect(cdnCode(error('unsupported'), 'flv', false)).toBe(4);
    vi.unstubAllGlobals();
    Reflect.deleteProperty(globalThis, 'MediaSource');
    expect(cdnCode(error('unsupported'), 'flv', false)).toBe(5);
    vi.stubGlobal('ActiveXObject', class {});
    expect(cdnCode(error('unsupported'), 'flv', false)).toBe(10001);
  });

  test('all have a wording', () => {
    expect(Object.keys(CDN_WORDING).map(Number)).toEqual([1, 2, 3, 4, 5, 11, 12, 13, 1001, 1002, 2032, 2048, 10001]);
  });
});
