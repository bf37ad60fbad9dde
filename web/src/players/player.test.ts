// @vitest-environment happy-dom
import { afterEach, describe, expect, test, vi } from 'vitest';
import { emptyPlaybackStats } from '../stats';
import { BLINK, Player } from './player';

class Plain extends Player {
  override readonly kind = 'hls';
  override stats = async () => emptyPlaybackStats();
  protected override open(): void {}
  protected override release(): void {}
}

describe('an element that waits', () => {
  afterEach(() => void vi.useRealTimers());

  test('has stalled, unless it plays on at once', () => {
    vi.useFakeTimers();
    const player = new Plain('https://live.example/x.m3u8', document.createElement('video'));
    const told: string[] = [];
    player.on('state', (state) => told.push(state));
    player.start();
    const element = (event: string) => player.video.dispatchEvent(new Event(event));
    for (const event of ['playing', 'waiting']) element(event);
    vi.advanceTimersByTime(BLINK - 1);
    element('playing');
    vi.advanceTimersByTime(BLINK);
    expect(told).toEqual(['connecting', 'playing']);
    element('waiting');
    vi.advanceTimersByTime(BLINK);
    expect(told.at(-1)).toBe('stalled');
    element('playing');
    expect(told.at(-1)).toBe('playing');
    element('waiting');
    player.stop();
    vi.advanceTimersByTime(BLINK);
    expect(told.at(-1)).toBe('idle');
  });
});

describe('an element of a page that was frozen', () => {
  afterEach(() => void vi.restoreAllMocks());

  const started = () => {
    const player = new Plain('https://live.example/x.m3u8', document.createElement('video'));
    const play = vi.spyOn(player.video, 'play').mockResolvedValue();
    player.start();
    return { player, play };
  };
  const thaw = () => document.dispatchEvent(new Event('resume'));

  test('plays on where it played', () => {
    const { player, play } = started();
    thaw();
    expect(play).not.toHaveBeenCalled();
    player.video.dispatchEvent(new Event('playing'));
    thaw();
    expect(play).toHaveBeenCalledTimes(1);
    player.stop();
    thaw();
    expect(play).toHaveBeenCalledTimes(1);
  });

  test('stays held where the page holds it', () => {
    const { player, play } = started();
    player.video.dispatchEvent(new Event('playing'));
    player.pause();
    thaw();
    expect(play).not.toHaveBeenCalled();
    player.stop();
  });
});
