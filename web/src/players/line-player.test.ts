// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakePlayback } from './fake-playback';
import { PENALTY } from './line-choice';
import { LinePlayer, PAUSE_PATIENCE, PROOF, RETURN_AFTER, ROUND, STALL_PATIENCE, START_PATIENCE, type LinePlayerOptions } from './line-player';
import type { Line } from './lines';

const LINES: Line[] = [
  { kind: 'webrtc', url: 'https://live.example.org/whep/a' },
  { kind: 'flv', url: 'https://live.example.org/live/a.flv' },
  { kind: 'hls', url: 'https://live.example.org/live/a.m3u8' },
];

/** A player with engines that are in the test's hands, and what it has said. */
function playerOf(options: Partial<LinePlayerOptions> = {}) {
  const engines: FakePlayback[] = [];
  const container = document.createElement('div');
  document.body.append(container);
  const player = new LinePlayer({
    container, lines: LINES,
    open: ({ kind }) => {
      const engine = new FakePlayback(kind);
      engines.push(engine);
      return engine;
    },
    ...options,
  });
  const said: string[] = [];
  player.on('state', (state) => said.push(state));
  player.on('line', ({ index, reason }) => said.push(`line ${index} ${reason}`));
  player.on('lineError', ({ index, error }) => said.push(`lineError ${index} ${error.type}`));
  player.on('error', ({ type, fatal }) => said.push(`error ${type}${fatal ? ' fatal' : ''}`));
  player.on('switching', (to) => said.push(to ? `switching ${to.index} ${to.reason}` : 'switched'));
  player.on('autoplayRefused', () => said.push('refused'));
  const last = () => engines.at(-1)!;
  /** What has been said since the last look. */
  const heard = () => said.splice(0);
  return { player, engines, container, last, heard };
}

/** Plays a line from the start. */
function playing(options: Partial<LinePlayerOptions> = {}) {
  const all = playerOf(options);
  all.player.start();
  all.last().shows();
  all.heard();
  return all;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  document.body.replaceChildren();
});

describe('a line player', () => {
  test('plays the first line and tells when the picture came', () => {
    const { player, engines, container, heard } = playerOf();
    const pictures: unknown[] = [];
    player.on('picture', (picture) => pictures.push(picture));
    expect(player.state).toBe('idle');
    player.start();
    expect(player.state).toBe('connecting');
    vi.advanceTimersByTime(120);
    engines[0]!.shows();
    expect(heard()).toEqual(['connecting', 'line 0 started', 'playing']);
    expect(pictures).toEqual([{ index: 0, afterMs: 120 }]);
    expect([player.index, player.line, player.video]).toEqual([0, LINES[0], engines[0]!.element]);
    expect(container.contains(engines[0]!.element)).toBe(true);
    player.stop();
    expect([player.state, player.index, engines[0]!.isReleased]).toEqual(['idle', null, true]);
    expect(container.childElementCount).toBe(0);
  });

  test('needs a line, and one that there is', () => {
    const container = document.createElement('div');
    expect(() => new LinePlayer({ container, lines: [] })).toThrow(/at least one/);
    expect(() => new LinePlayer({ container, lines: LINES, line: 3 })).toThrow('line 3: allowed is 0 to 2');
    expect(() => playerOf().player.choose(-1)).toThrow('line -1: allowed is 0 to 2');
  });

  test('begins with the line that is asked for', () => {
    const { player, last } = playerOf({ line: 2 });
    player.start();
    expect([last().kind, player.chosen]).toEqual(['hls', 2]);
  });
});

describe('a picture that stands', () => {
  test('is told of the line that is shown, and forgotten with it', () => {
    const { player, engines } = playing();
    const told: boolean[] = [];
    player.on('videoPaused', (isPaused) => told.push(isPaused));
    engines[0]!.narrows(true);
    engines[0]!.narrows(true);
    expect(told).toEqual([true]);
    engines[0]!.narrows(false);
    engines[0]!.narrows(true);
    player.choose(1);
    expect(told).toEqual([true, false, true]);
    engines[1]!.shows();
    expect(told).toEqual([true, false, true, false]);
    // What goes on behind the picture is not seen.
    player.choose(0);
    engines[2]!.narrows(true);
    expect(told).toHaveLength(4);
    engines[2]!.shows();
    expect(told).toEqual([true, false, true, false, true]);
    player.stop();
    expect(told.at(-1)).toBe(false);
  });
});

describe('choosing by hand', () => {
  test('keeps the old line until the new one has a picture', () => {
    const { player, engines, heard, container } = playing();
    player.choose(1);
    expect(heard()).toEqual(['switching 1 chosen']);
    const [old, fresh] = engines as [FakePlayback, FakePlayback];
    expect([old.state, fresh.isOpen, fresh.muted, old.muted]).toEqual(['playing', true, true, false]);
    expect([container.contains(old.element), container.contains(fresh.element), fresh.element.style.opacity]).toEqual([true, true, '0.01']);
    fresh.shows();
    expect(heard()).toEqual(['switched', 'line 1 chosen']);
    expect([old.isReleased, fresh.muted, fresh.element.style.opacity, player.state]).toEqual([true, false, '1', 'playing']);
    expect(container.contains(old.element)).toBe(false);
  });

  test('forgets the line before when asked for another one at once', () => {
    const { player, engines } = playing();
    player.choose(1);
    player.choose(2);
    expect(engines.map(({ kind, isReleased }) => [kind, isReleased])).toEqual([['webrtc', false], ['flv', true], ['hls', false]]);
    engines[1]!.shows();
    expect(player.index).toBe(0);
    engines[2]!.shows();
    expect(player.index).toBe(2);
  });

  test('stays where it is when the chosen line fails, and tries it again later', () => {
    const { player, engines, heard } = playing();
    player.choose(2);
    engines[1]!.breaks();
    expect(heard()).toEqual(['switching 2 chosen', 'lineError 2 network', 'switched']);
    expect([player.index, player.state, engines[0]!.isReleased]).toEqual([0, 'playing', false]);
    vi.advanceTimersByTime(PENALTY);
    expect(heard()).toEqual(['switching 2 returned']);
    engines[2]!.shows();
    expect([player.index, player.chosen]).toEqual([2, 2]);
  });

  test('goes back to the order', () => {
    const { player, engines } = playing({ line: 2 });
    player.choose(null);
    engines[1]!.shows();
    expect([player.index, player.chosen]).toEqual([0, null]);
  });
});

describe('falling back', () => {
  test('plays the next line when one cannot be opened', () => {
    const { player, engines, heard } = playerOf();
    player.start();
    engines[0]!.breaks('connection');
    expect(engines[0]!.isReleased).toBe(true);
    engines[1]!.shows();
    expect(heard()).toEqual(['connecting', 'lineError 0 connection', 'line 1 started', 'playing']);
  });

  test('plays the next line when one has no picture in time', () => {
    const { player, engines, heard } = playerOf();
    player.start();
    vi.advanceTimersByTime(START_PATIENCE - 1);
    expect(engines).toHaveLength(1);
    vi.advanceTimersByTime(1);
    engines[1]!.shows();
    expect(heard()).toEqual(['connecting', 'lineError 0 timeout', 'line 1 started', 'playing']);
  });

  test('plays the next line when one breaks, and returns to it after a while', () => {
    const { player, engines, heard } = playing();
    engines[0]!.breaks();
    engines[1]!.shows();
    expect(heard()).toEqual(['lineError 0 network', 'line 1 failed']);
    vi.advanceTimersByTime(PENALTY - 1);
    expect(engines).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(heard()).toEqual(['switching 0 returned']);
    expect([player.index, engines[1]!.state]).toEqual([1, 'playing']);
    engines[2]!.shows();
    expect(heard()).toEqual(['switched', 'line 0 returned']);
    expect(engines[1]!.isReleased).toBe(true);
  });

  test('waits longer after each failure of the better line, until it has proved itself', () => {
    const { engines } = playing();
    engines[0]!.breaks();
    engines[1]!.shows();
    for (const penalty of [PENALTY, 2 * PENALTY, 4 * PENALTY]) {
      const before = engines.length;
      vi.advanceTimersByTime(penalty - 1);
      expect(engines, `${penalty} ms`).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(engines).toHaveLength(before + 1);
      if (penalty < 4 * PENALTY) engines.at(-1)!.breaks();
    }
    engines.at(-1)!.shows();
    vi.advanceTimersByTime(PROOF);
    engines.at(-1)!.breaks();
    engines.at(-1)!.shows();
    const before = engines.length;
    vi.advanceTimersByTime(PENALTY);
    expect(engines).toHaveLength(before + 1);
  });

  test('does not come back to a line that can never work here', () => {
    const { player, engines } = playerOf();
    player.start();
    engines[0]!.breaks('unsupported');
    engines[1]!.shows();
    vi.advanceTimersByTime(10 * PENALTY);
    expect(engines).toHaveLength(2);
  });

  test('leaves a line that stands still, which shows its last picture until the other one has one', () => {
    const { player, engines, heard } = playing();
    engines[0]!.is('stalled');
    vi.advanceTimersByTime(STALL_PATIENCE - 1);
    expect(heard()).toEqual(['stalled']);
    vi.advanceTimersByTime(1);
    expect(heard()).toEqual(['switching 1 stalled']);
    expect(engines[0]!.isReleased).toBe(false);
    engines[1]!.shows();
    expect(heard()).toEqual(['switched', 'line 1 stalled', 'playing']);
    expect(engines[0]!.isReleased).toBe(true);
    expect(player.index).toBe(1);
  });

  test('stays with a line that goes on by itself', () => {
    const { player, engines, heard } = playing();
    engines[0]!.is('stalled');
    vi.advanceTimersByTime(STALL_PATIENCE - 1);
    engines[0]!.is('playing');
    vi.advanceTimersByTime(STALL_PATIENCE);
    expect(engines).toHaveLength(1);
    engines[0]!.is('stalled');
    vi.advanceTimersByTime(STALL_PATIENCE);
    engines[0]!.is('playing');
    expect(heard()).toEqual(['stalled', 'playing', 'stalled', 'switching 1 stalled', 'switched', 'playing']);
    expect([player.index, engines[1]!.isReleased]).toEqual([0, true]);
  });

  test('is left out where it is not wanted', () => {
    const { player, engines, heard } = playing({ automatic: false });
    engines[0]!.breaks();
    expect(heard()).toEqual(['lineError 0 network', 'error network', 'connecting']);
    vi.advanceTimersByTime(ROUND);
    expect(engines.map(({ kind }) => kind)).toEqual(['webrtc', 'webrtc']);
    engines[1]!.shows();
    expect(player.state).toBe('playing');
  });
});

describe('when no line plays', () => {
  test('says why once, and tries again with growing pauses', () => {
    const { player, engines, heard } = playerOf();
    player.start();
    for (let i = 0; i < 3; i += 1) engines[i]!.breaks();
    expect(heard()).toEqual(['connecting', 'lineError 0 network', 'lineError 1 network', 'lineError 2 network', 'error network']);
    vi.advanceTimersByTime(ROUND);
    for (let i = 3; i < 6; i += 1) engines[i]!.breaks();
    expect(heard()).toEqual(['lineError 0 network', 'lineError 1 network', 'lineError 2 network']);
    vi.advanceTimersByTime(2 * ROUND - 1);
    expect(engines).toHaveLength(6);
    vi.advanceTimersByTime(1);
    engines[6]!.shows();
    expect(player.state).toBe('playing');
  });

  test('says so when the reason becomes another one', () => {
    const { player, engines, heard } = playerOf({ lines: LINES.slice(1, 2) });
    player.start();
    vi.advanceTimersByTime(2 * START_PATIENCE);
    expect(heard()).toEqual(['connecting', 'lineError 0 timeout', 'error timeout']);
    vi.advanceTimersByTime(ROUND);
    engines[1]!.breaks('not-live');
    expect(heard()).toEqual(['lineError 0 not-live', 'error not-live', 'waiting']);
  });

  test('takes one word that nobody publishes for more than silence', () => {
    const { player, engines, heard } = playerOf({ lines: LINES.slice(1) });
    player.start();
    vi.advanceTimersByTime(START_PATIENCE);
    engines[1]!.breaks('not-live');
    expect(heard().slice(-2)).toEqual(['error not-live', 'waiting']);
  });

  test('tries at once when the network is back', () => {
    const { player, engines } = playerOf({ lines: LINES.slice(0, 1) });
    player.start();
    engines[0]!.breaks();
    globalThis.dispatchEvent(new Event('online'));
    expect(engines).toHaveLength(2);
  });

  test('waits for a broadcast that has not begun', () => {
    const { player, engines, heard } = playerOf();
    player.start();
    for (let i = 0; i < 3; i += 1) engines[i]!.breaks('not-live');
    expect(heard().slice(-2)).toEqual(['error not-live', 'waiting']);
    vi.advanceTimersByTime(ROUND);
    engines[3]!.shows();
    expect(player.state).toBe('playing');
  });

  test('waits in a room that is empty, without leaving it', () => {
    const { player, engines, heard } = playerOf();
    player.start();
    engines[0]!.is('waiting');
    vi.advanceTimersByTime(10 * START_PATIENCE);
    expect(engines).toHaveLength(1);
    engines[0]!.is('connecting');
    engines[0]!.shows();
    expect(heard()).toEqual(['connecting', 'waiting', 'connecting', 'line 0 started', 'playing']);
    engines[0]!.is('waiting');
    expect(player.state).toBe('waiting');
  });

  test('waits after a broadcast that has ended', () => {
    const { player, engines, heard } = playing({ lines: LINES.slice(1, 2) });
    engines[0]!.ends();
    expect(heard()).toEqual(['lineError 0 not-live', 'error not-live', 'waiting']);
    vi.advanceTimersByTime(ROUND);
    engines[1]!.shows();
    expect(player.state).toBe('playing');
  });

  test('ends with the broadcast where nothing is to be waited for', () => {
    const ended = playing({ lines: LINES.slice(1, 2), wait: false });
    ended.engines[0]!.ends();
    expect(ended.heard()).toEqual(['lineError 0 not-live', 'ended']);
    const never = playerOf({ lines: LINES.slice(1, 2), wait: false });
    never.player.start();
    never.engines[0]!.breaks('not-live');
    expect(never.heard()).toEqual(['connecting', 'lineError 0 not-live', 'failed', 'error not-live fatal']);
  });

  test('gives up where nothing can ever be played, and can be started again', () => {
    const { player, engines, heard } = playerOf();
    player.start();
    for (let i = 0; i < 3; i += 1) engines[i]!.breaks('unsupported');
    expect(heard().slice(-2)).toEqual(['failed', 'error unsupported fatal']);
    expect(player.state).toBe('failed');
    vi.advanceTimersByTime(100_000);
    expect(engines).toHaveLength(3);
  });

  test('gives up when the viewer is removed from the room, and does not go around it', () => {
    const { player, engines, heard } = playing();
    engines[0]!.breaks('removed');
    expect(heard()).toEqual(['lineError 0 removed', 'failed', 'error removed fatal']);
    expect([player.state, engines.length]).toEqual(['failed', 1]);
  });
});

describe('sound and pauses', () => {
  test('keeps volume and muting over a change of line', () => {
    const { player, engines } = playing();
    player.setVolume(0.3);
    player.setMuted(true);
    expect([engines[0]!.volume, engines[0]!.muted]).toEqual([0.3, true]);
    player.setMuted(false);
    player.choose(1);
    engines[1]!.shows();
    expect([engines[1]!.volume, engines[1]!.muted, player.volume, player.isMuted]).toEqual([0.3, false, 0.3, false]);
    player.setVolume(7);
    expect(engines[1]!.volume).toBe(1);
  });

  test('tells of refused autoplay, does not mute by itself, and plays on after a click', async () => {
    const { player, engines, heard } = playerOf();
    player.start();
    engines[0]!.isRefused();
    expect(heard()).toEqual(['connecting', 'refused']);
    expect(engines[0]!.muted).toBe(false);
    // A click may take its time.
    vi.advanceTimersByTime(10 * START_PATIENCE);
    expect(engines).toHaveLength(1);
    expect(await player.resume()).toBe(false);
    engines[0]!.isAllowed = true;
    expect(await player.resume()).toBe(true);
    engines[0]!.shows();
    expect(heard()).toEqual(['line 0 started', 'playing']);
  });

  test('plays on after a click where the first picture had come before', async () => {
    const { player, engines, heard } = playerOf();
    player.start();
    engines[0]!.isRefused();
    engines[0]!.shows();
    expect([player.state, heard()]).toEqual(['connecting', ['connecting', 'refused', 'line 0 started']]);
    engines[0]!.isAllowed = true;
    await player.resume();
    expect(player.state).toBe('playing');
  });

  test('pauses and plays on', async () => {
    const { player, engines, heard } = playing();
    player.pause();
    expect([player.state, engines[0]!.isPaused]).toEqual(['paused', true]);
    engines[0]!.is('stalled');
    vi.advanceTimersByTime(STALL_PATIENCE);
    await player.resume();
    expect(heard()).toEqual(['paused', 'playing']);
    expect(engines).toHaveLength(1);
  });

  test('ends the download of a long pause, and begins anew after it', async () => {
    const { player, engines } = playing();
    player.pause();
    vi.advanceTimersByTime(PAUSE_PATIENCE);
    expect([engines[0]!.isReleased, player.state]).toEqual([true, 'paused']);
    await player.resume();
    expect([engines.length, player.state]).toEqual([2, 'connecting']);
    engines[1]!.shows();
    expect(player.state).toBe('playing');
  });

  test('stops all engines and timers', () => {
    const { player, engines } = playing();
    engines[0]!.is('stalled');
    vi.advanceTimersByTime(STALL_PATIENCE);
    player.stop();
    expect(engines.map(({ isReleased }) => isReleased)).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(RETURN_AFTER + PENALTY);
    expect(engines).toHaveLength(2);
  });
});

describe('a picture that this browser has no codec for', () => {
  test('is had from another line, while the sound goes on', () => {
    const { engines, last, heard } = playing();
    engines[0]!.lacksCodec();
    expect(heard()).toEqual(['lineError 0 unsupported', 'switching 1 failed']);
    expect(engines[0]!.state).toBe('playing');
    last().shows();
    expect(heard()).toEqual(['switched', 'line 1 failed']);
    vi.advanceTimersByTime(10 * RETURN_AFTER + 10 * PENALTY);
    expect([engines.length, heard()]).toEqual([2, []]);
  });

  test('is not waited for where the line has not begun', () => {
    const { player, engines, last, heard } = playerOf();
    player.start();
    engines[0]!.lacksCodec();
    expect(last().kind).toBe('flv');
    expect([engines[0]!.isReleased, heard()]).toEqual([true, ['connecting', 'lineError 0 unsupported']]);
  });

  test('is told where there is no other line, and the sound plays', () => {
    const { player, engines, heard } = playerOf({ lines: LINES.slice(0, 1) });
    player.start();
    engines[0]!.lacksCodec();
    engines[0]!.shows();
    expect(heard()).toEqual(['connecting', 'error unsupported', 'line 0 started', 'playing']);
  });
});
