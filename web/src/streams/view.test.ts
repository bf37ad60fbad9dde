// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Publication } from '../protocol/messages';
import type { Receiver } from '../rtc/receiver';
import { Reception } from '../rtc/reception';
import { FakeTrack, installFakes } from './fakes';
import { LocalStream } from './local';
import { RemoteStream } from './remote';
import type { PlayerChange } from './view';

const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };

describe('a stream that is shown', () => {
  let plays: ReturnType<typeof vi.spyOn>;
  beforeEach(() => {
    installFakes();
    document.body.innerHTML = '<div id="box"></div><div id="other"></div>';
    plays = vi.spyOn(HTMLMediaElement.prototype, 'play').mockResolvedValue();
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  const local = async (options: ConstructorParameters<typeof LocalStream>[0] = { audio: true, video: true }) => {
    const stream = new LocalStream(options);
    await stream.start();
    return stream;
  };

  const remote = () => {
    const stream = new RemoteStream({ room: 1, user: 'anna', track: 'main' }, BOTH);
    const reception = new Reception('0_1_anna_main', () => undefined);
    stream.receive(reception);
    return { stream, join: (track: FakeTrack) => reception.join(track.real) };
  };

  it('has an element each for sound and picture in a box of its own', async () => {
    const stream = await local();
    await stream.play('box');
    const [box] = document.querySelectorAll('#box > div');
    expect([...box!.children].map(({ tagName }) => tagName).sort()).toEqual(['AUDIO', 'VIDEO']);
    expect([stream.videoElement?.style.objectFit, stream.videoElement?.style.transform]).toEqual(['cover', 'scaleX(-1)']);
    // One's own voice is not played back.
    expect([stream.videoElement?.muted, stream.audioElement?.muted]).toEqual([true, true]);
  });

  it('fits by what it is: a screen whole and not mirrored, a picture of others not mirrored', async () => {
    const screen = await local({ screen: true });
    await screen.play('box');
    expect([screen.videoElement?.style.objectFit, screen.videoElement?.style.transform]).toEqual(['contain', '']);
    const { stream, join } = remote();
    await stream.play('other');
    join(new FakeTrack('video'));
    join(new FakeTrack('audio'));
    expect([stream.videoElement?.style.transform, stream.audioElement?.muted]).toEqual(['', false]);
  });

  it('goes on after the page was frozen, until it is shown no longer', async () => {
    const stream = await local();
    await stream.play('box');
    const elements = [stream.videoElement, stream.audioElement];
    const thaw = () => {
      plays.mockClear();
      document.dispatchEvent(new Event('resume'));
      // Streams of other tests are shown still.
      return elements.map((element) => plays.mock.contexts.filter((one: unknown) => one === element).length);
    };
    expect(thaw()).toEqual([1, 1]);
    stream.stop();
    expect(thaw()).toEqual([0, 0]);
  });

  it('changes options and place by another call, and leaves nothing behind', async () => {
    const stream = await local();
    await stream.play('box');
    await stream.play('box', { objectFit: 'contain', mirror: false, muted: false });
    expect(document.querySelectorAll('#box > div')).toHaveLength(1);
    expect([stream.videoElement?.style.objectFit, stream.videoElement?.style.transform, stream.audioElement?.muted]).toEqual(['contain', '', false]);
    await stream.play(document.getElementById('other')!);
    expect([document.getElementById('box')!.childElementCount, document.getElementById('other')!.childElementCount]).toEqual([0, 1]);
    stream.stop();
    expect(document.querySelectorAll('video, audio')).toHaveLength(0);
  });

  it('is refused where there is no such element', async () => {
    const stream = await local();
    await expect(stream.play('nowhere')).rejects.toMatchObject({ type: 'argument', message: expect.stringContaining('nowhere') });
  });

  it('shows tracks that come after play, and drops those that end for good', async () => {
    const { stream, join } = remote();
    await stream.play('box');
    expect(document.querySelectorAll('video, audio')).toHaveLength(0);
    const [picture, sound] = [new FakeTrack('video'), new FakeTrack('audio')];
    join(picture);
    join(sound);
    expect(document.querySelectorAll('#box video, #box audio')).toHaveLength(2);
    picture.end();
    // Another one may come soon: the last picture stays.
    expect(document.querySelectorAll('#box video')).toHaveLength(1);
    stream.publication = { ...BOTH, hasVideo: false };
    expect(document.querySelectorAll('#box video')).toHaveLength(0);
    expect(document.querySelectorAll('#box audio')).toHaveLength(1);
  });

  it('tells what the player does, once each', async () => {
    const { stream, join } = remote();
    const changes: PlayerChange[] = [];
    stream.on('player', (change) => changes.push(change));
    await stream.play('box');
    const sound = new FakeTrack('audio');
    join(sound);
    const element = stream.audioElement!;
    // Media comes before the element plays it.
    sound.dispatchEvent(new Event('unmute'));
    element.dispatchEvent(new Event('playing'));
    element.dispatchEvent(new Event('playing'));
    sound.dispatchEvent(new Event('mute'));
    sound.dispatchEvent(new Event('unmute'));
    element.dispatchEvent(new Event('pause'));
    element.dispatchEvent(new Event('playing'));
    sound.end();
    expect(changes.map(({ kind, state, reason }) => `${kind} ${state} ${reason}`)).toEqual([
      'audio playing playing', 'audio paused mute', 'audio playing unmute', 'audio paused pause', 'audio playing playing', 'audio stopped ended',
    ]);
  });

  it('rejects and tells once where the browser wants a click, and goes on after it', async () => {
    const { stream, join } = remote();
    join(new FakeTrack('video'));
    join(new FakeTrack('audio'));
    const errors = vi.fn();
    stream.on('error', errors);
    plays.mockImplementation(function (this: HTMLMediaElement) {
      return this.muted ? Promise.resolve() : Promise.reject(new DOMException('gesture', 'NotAllowedError'));
    });
    await expect(stream.play('box')).rejects.toMatchObject({ type: 'autoplay' });
    expect(errors).toHaveBeenCalledTimes(1);
    const told: string[] = [];
    stream.on('player', ({ kind, state }) => told.push(`${kind} ${state}`));
    stream.audioTrack!.dispatchEvent(new Event('unmute'));
    expect(told).toEqual([]);
    plays.mockResolvedValue(undefined);
    await stream.resume();
    stream.audioElement!.dispatchEvent(new Event('playing'));
    expect(told).toEqual(['audio playing']);
    expect(errors).toHaveBeenCalledTimes(1);
  });

  it('is not held up by media that does not come', async () => {
    vi.useFakeTimers();
    try {
      const stream = await local();
      plays.mockReturnValue(new Promise(() => undefined));
      let isDone = false;
      void stream.play('box').then(() => (isDone = true));
      await vi.advanceTimersByTimeAsync(2_900);
      expect(isDone).toBe(false);
      await vi.advanceTimersByTimeAsync(200);
      expect(isDone).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it('keeps loudness within 0 and 1, for elements that come later too', async () => {
    const { stream, join } = remote();
    stream.volume = 0.25;
    await stream.play('box');
    join(new FakeTrack('audio'));
    expect(stream.audioElement?.volume).toBe(0.25);
    stream.volume = 7;
    expect(stream.audioElement?.volume).toBe(1);
    expect(() => (stream.volume = Number.NaN)).toThrow(/allowed is 0 to 1/);
  });

  it('silences another one here only, whatever track comes', () => {
    const { stream, join } = remote();
    stream.mute({ audio: true });
    const sound = new FakeTrack('audio');
    join(sound);
    expect(sound.enabled).toBe(false);
    stream.mute({ audio: false });
    expect(sound.enabled).toBe(true);
  });

  it('has the tracks of what its publisher sends, and shows no others', async () => {
    const { stream, join } = remote();
    await stream.play('box');
    const [sound, picture] = [new FakeTrack('audio'), new FakeTrack('video')];
    join(sound);
    join(picture);
    const tracks = vi.fn();
    stream.on('track', tracks);
    stream.publication = { ...BOTH, hasAudio: false };
    stream.publication = { ...BOTH, hasAudio: false, videoMuted: true };
    expect([stream.audioTrack, stream.videoTrack, stream.audioElement]).toEqual([null, picture, null]);
    expect(tracks.mock.calls).toEqual([[{ kind: 'audio', track: null }]]);
    stream.publication = BOTH;
    expect([stream.audioTrack, stream.audioElement === null]).toEqual([sound, false]);
  });

  it('has arrived when its connection stands', async () => {
    const stream = new RemoteStream({ room: 1, user: 'anna', track: 'main' }, BOTH);
    const reception = new Reception('0_1_anna_main', () => undefined);
    const peer = { connectionState: 'connecting' };
    let look: () => void = () => undefined;
    const receiver = { peer, on: (_: 'state', listener: () => void) => ((look = listener), () => undefined) };
    stream.receive(reception, receiver as unknown as Receiver);
    reception.join(new FakeTrack('audio').real);
    let isThere = false;
    const arrived = stream.arrived(['audio'], 1_000).then(() => (isThere = true));
    look();
    await Promise.resolve();
    expect(isThere).toBe(false);
    peer.connectionState = 'connected';
    look();
    await arrived;
  });

  it('waits for what is wanted of it, and gives up in time', async () => {
    vi.useFakeTimers();
    try {
      const { stream, join } = remote();
      const arrived = stream.arrived(['audio', 'video'], 1_000);
      join(new FakeTrack('audio'));
      join(new FakeTrack('video'));
      await arrived;
      const { stream: other } = remote();
      const late = expect(other.arrived(['audio'], 1_000)).rejects.toMatchObject({ type: 'timeout' });
      await vi.advanceTimersByTimeAsync(1_000);
      await late;
      const end = new AbortController();
      const ended = expect(other.arrived(['audio'], 1_000, end.signal)).rejects.toMatchObject({ type: 'state' });
      end.abort();
      await ended;
    } finally {
      vi.useRealTimers();
    }
  });
});
