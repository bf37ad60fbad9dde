// @vitest-environment happy-dom
import { afterEach, describe, expect, test, vi } from 'vitest';
import { emptyPlaybackStats } from '../stats';
import { Player } from './player';

class Plain extends Player {
  override readonly kind = 'hls';
  override stats = async () => emptyPlaybackStats();
  protected override open(): void {}
  protected override release(): void {}
}

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
