// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakePeer, FakeStream, fakeTrack } from '../rtc/fake-peer';
import { type FakeDevices, installFakes } from '../streams/fakes';
import { anchor, BOTH, LiveFixture, profileOf, seat, settle } from './fixture';

let fakes: FakeDevices;
let play: () => Promise<void>;

beforeEach(() => {
  fakes = installFakes();
  FakePeer.install();
  play = () => Promise.resolve();
  HTMLMediaElement.prototype.play = () => play();
  document.body.innerHTML = '<div id="stage"></div><div id="corner"></div>';
});
afterEach(() => vi.unstubAllGlobals());

/** A page that watches, with olga who publishes. */
async function watching(): Promise<LiveFixture> {
  const page = new LiveFixture();
  page.anchors = [anchor('olga', 'owner')];
  page.server.answers['subscribe'] = (frame) => ({ result: { stream: `7_${String(frame['room'])}_${String(frame['user'])}_${String(frame['track'])}` } });
  await page.join('zoe');
  return page;
}

const tiles = () => [...document.querySelectorAll<HTMLElement>('#stage .weblive-tile')].map((tile) => tile.dataset['user']);
const wanted = (page: LiveFixture) => page.asked('subscribe').map(({ user, track, room }) => [room, user, track]);

/** The server's offer brings tracks of a stream. */
async function bring(page: LiveFixture, id: string, kinds: ('audio' | 'video')[]): Promise<void> {
  page.server.tell({ event: 'offer', revision: 1, sdp: 'v=0' });
  await settle();
  const stream = new FakeStream(id);
  for (const kind of kinds) FakePeer.last.bring(fakeTrack(kind), stream);
  await settle();
}

describe('the room in an element', () => {
  test('is received only while it is shown', async () => {
    const page = await watching();
    expect(wanted(page)).toEqual([]);
    await page.context.seat.startPlayStream({ view: 'stage' });
    await settle();
    expect(tiles()).toEqual(['olga']);
    expect(wanted(page)).toEqual([['show', 'olga', 'main']]);
    await bring(page, '7_show_olga_main', ['audio', 'video']);
    expect(document.querySelectorAll('#stage video')).toHaveLength(1);
    expect(document.querySelectorAll('#stage audio')).toHaveLength(1);
    await page.context.seat.stopPlayStream();
    await settle();
    expect(document.querySelector('#stage')!.childElementCount).toBe(0);
    expect(page.asked('unsubscribe')).toEqual([{ room: 'show', user: 'olga', track: 'main' }]);
  });

  test('tells whose picture stands, until it goes on or is shown no longer', async () => {
    const page = await watching();
    const { pausedVideos } = page.context.seat;
    const told: string[][] = [];
    pausedVideos.subscribe((users) => told.push([...users]));
    await page.context.seat.startPlayStream({ view: 'stage' });
    await settle();
    const pause = (paused: boolean) => page.server.tell({ event: 'videoPaused', stream: '7_show_olga_main', paused });
    pause(true);
    expect([...pausedVideos.value]).toEqual(['olga']);
    pause(false);
    pause(true);
    await page.context.seat.stopPlayStream();
    await settle();
    expect(told).toEqual([['olga'], [], ['olga'], []]);
    await page.context.seat.startPlayStream({ view: 'stage' });
    await settle();
    pause(true);
    page.tell('trackChanged', { user: 'olga', track: 'main', publication: null });
    expect(pausedVideos.value.size).toBe(0);
  });

  test('shows who sits, in the order of the seats, and connected hosts behind them', async () => {
    const page = await watching();
    await page.context.seat.startPlayStream({ view: document.getElementById('stage')! });
    page.tell('anchorEntered', { user: 'ben', profile: profileOf('ben') });
    page.tell('anchorEntered', { user: 'gina', profile: profileOf('gina') });
    page.tell('seatsChanged', { seats: [seat(0, 'olga', 'owner'), seat(1, 'gina'), seat(2, 'ben')] });
    page.tell('coHostsChanged', { coHosts: [{ room: 'next door', owner: 'hugo', isMuted: false, anchors: [anchor('hugo', 'owner')] }] });
    await settle();
    expect(tiles().sort()).toEqual(['ben', 'gina', 'hugo', 'olga']);
    const places = [...document.querySelectorAll<HTMLElement>('.weblive-tile')].map(({ dataset, style }) => ({ user: dataset['user'], top: parseFloat(style.top), left: parseFloat(style.left) }));
    const order = places.sort((a, b) => a.top - b.top || a.left - b.left).map(({ user }) => user);
    expect(order).toEqual(['olga', 'gina', 'ben', 'hugo']);
    expect(wanted(page)).toEqual([['show', 'olga', 'main'], ['next door', 'hugo', 'main']]);
    page.tell('anchorLeft', { user: 'gina', reason: 'left' });
    page.tell('coHostsChanged', { coHosts: [] });
    await settle();
    expect(tiles().sort()).toEqual(['ben', 'olga']);
  });

  test('follows publications, and shows a face where there is no picture', async () => {
    const page = await watching();
    await page.context.seat.startPlayStream({ view: 'stage' });
    await bring(page, '7_show_olga_main', ['audio', 'video']);
    const face = () => document.querySelector<HTMLElement>('[data-user=olga] .weblive-face')!.style.display;
    expect(face()).toBe('none');
    page.tell('trackChanged', { user: 'olga', track: 'main', publication: { ...BOTH, videoMuted: true } });
    await settle();
    expect(face()).toBe('flex');
    page.tell('trackChanged', { user: 'olga', track: 'aux', publication: { ...BOTH, hasAudio: false } });
    await settle();
    expect(wanted(page).at(-1)).toEqual(['show', 'olga', 'aux']);
    page.tell('trackChanged', { user: 'olga', track: 'main', publication: null });
    await settle();
    expect(document.querySelectorAll('.weblive-main video')).toHaveLength(0);
  });

  test('shows names as text', async () => {
    const page = await watching();
    page.tell('profileChanged', { user: 'olga', profile: { nick: '<img src=x onerror=alert(1)>', avatar: '' } });
    await page.context.seat.startPlayStream({ view: 'stage' });
    expect(document.querySelector('.weblive-name')!.textContent).toBe('<img src=x onerror=alert(1)>');
    expect(document.querySelector('#stage img')).toBeNull();
  });

  test('shows oneself on a seat', async () => {
    const page = await watching();
    page.server.answers['publish'] = () => ({ result: { answer: 'v=0', etag: 'e', stream: '7_show_zoe_main', relay: null } });
    await page.context.seat.startPlayStream({ view: 'stage' });
    page.tell('roleChanged', { role: 'anchor' });
    await page.context.device.openLocalCamera();
    await settle();
    expect(tiles().sort()).toEqual(['olga', 'zoe']);
    expect(document.querySelector('[data-user=zoe] video')).not.toBeNull();
    expect(page.context.seat.streamOf('zoe')).toBe('7_show_zoe_main');
    page.tell('roleChanged', { role: 'audience' });
    await settle();
    expect(tiles()).toEqual(['olga']);
    expect(fakes.opened[0]!.readyState).toBe('ended');
  });

  test('is empty outside', async () => {
    const page = await watching();
    await page.context.seat.startPlayStream({ view: 'stage' });
    await page.context.liveList.leaveLive();
    expect(document.querySelector('#stage')!.childElementCount).toBe(0);
    await expect(page.context.seat.startPlayStream({ view: 'stage' })).rejects.toThrow('join a live room first');
  });

  test('has to be in the page', async () => {
    const page = await watching();
    await expect(page.context.seat.startPlayStream({ view: 'nowhere' })).rejects.toMatchObject({ code: -1001 });
  });
});

test('one user fills an element of the page\'s own', async () => {
  const page = await watching();
  await page.context.seat.startPlayStream({ view: 'corner', userId: 'olga' });
  await bring(page, '7_show_olga_main', ['video']);
  expect(document.querySelectorAll('#corner video')).toHaveLength(1);
  expect(document.querySelectorAll('.weblive-tile')).toHaveLength(0);
  await page.context.seat.stopPlayStream({ userId: 'olga' });
  await settle();
  expect(document.querySelectorAll('#corner video')).toHaveLength(0);
  expect(page.asked('unsubscribe')).toHaveLength(1);
});

test('a browser that wants a click first is told apart, and obeyed', async () => {
  const page = await watching();
  play = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  await page.context.seat.startPlayStream({ view: 'stage' });
  await bring(page, '7_show_olga_main', ['audio']);
  expect(page.context.seat.isAutoplayBlocked.value).toBe(true);
  await expect(page.context.seat.resumePlayStream()).rejects.toMatchObject({ type: 'autoplay' });
  play = () => Promise.resolve();
  await page.context.seat.resumePlayStream();
  expect(page.context.seat.isAutoplayBlocked.value).toBe(false);
});

test('the output volume reaches what is played, and what comes later', async () => {
  const page = await watching();
  await page.context.seat.startPlayStream({ view: 'stage' });
  await bring(page, '7_show_olga_main', ['audio']);
  await page.context.device.setOutputVolume(30);
  expect(document.querySelector('audio')!.volume).toBeCloseTo(0.3);
});

describe('the id of a stream', () => {
  test('is the server\'s where it has told it, and made like it where not', async () => {
    const page = await watching();
    expect(page.context.seat.streamOf('olga')).toBe('0_show_olga_main');
    expect(page.context.seat.streamOf('nobody')).toBeNull();
    await page.context.seat.startPlayStream({ view: 'corner', userId: 'olga' });
    await settle();
    expect(page.context.seat.streamOf('olga')).toBe('7_show_olga_main');
    page.tell('anchorEntered', { user: 'ben', profile: profileOf('ben') });
    page.tell('trackChanged', { user: 'ben', track: 'main', publication: BOTH });
    expect(page.context.seat.streamOf('ben')).toBe('7_show_ben_main');
  });
});

test('statistics are read while somebody looks', async () => {
  vi.useFakeTimers();
  const page = await watching();
  await page.context.seat.startPlayStream({ view: 'stage' });
  await bring(page, '7_show_olga_main', ['audio', 'video']);
  const { avStatistics } = page.context.seat;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(avStatistics.value).toEqual([]);
  const end = avStatistics.subscribe(() => undefined);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(avStatistics.value).toMatchObject([{ userID: 'olga', videoBitrate: 0, audioBitrate: 0 }]);
  end();
  vi.useRealTimers();
});
