// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebliveError } from '../errors';
import { device, type FakeDevices, FakeTrack, installFakes } from './fakes';
import { LocalStream, type TrackSink } from './local';

/** A publication that notes what reaches it. */
class Sink implements TrackSink {
  readonly calls: unknown[][] = [];
  replaceTrack = async (kind: string, track: MediaStreamTrack | null) => void this.calls.push(['replaceTrack', kind, (track as unknown as FakeTrack | null)?.deviceId ?? null]);
  mute = async (what: object) => void this.calls.push(['mute', what]);
  setBounds = async (bounds: object) => void this.calls.push(['setBounds', bounds]);
}

describe('a local stream', () => {
  let fakes: FakeDevices;
  beforeEach(() => (fakes = installFakes()));
  afterEach(() => vi.unstubAllGlobals());

  const started = async (options: ConstructorParameters<typeof LocalStream>[0]) => {
    const stream = new LocalStream(options);
    await stream.start();
    return stream;
  };

  it('opens camera and microphone as the profiles and ids say', async () => {
    const stream = new LocalStream({ audio: true, video: true, cameraId: 'cam2' });
    await stream.setVideoProfile('720p');
    await stream.start();
    expect(fakes.asked).toMatchObject([
      { video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 15 }, deviceId: { exact: 'cam2' } } },
      { audio: { channelCount: { ideal: 1 }, echoCancellation: true } },
    ]);
    expect([stream.deviceId('video'), stream.deviceId('audio')]).toEqual(['cam2', 'mic1']);
    expect(stream.bounds).toEqual({ maxVideoBps: 1_500_000, maxAudioBps: 40_000 });
  });

  it('leaves nothing open where one of the devices is refused, and may be started again', async () => {
    const stream = new LocalStream({ audio: true, video: true, microphoneId: 'gone' });
    const error = await stream.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WebliveError);
    expect((error as WebliveError).type).toBe('device');
    expect(fakes.opened.map(({ kind, readyState }) => [kind, readyState])).toEqual([['video', 'ended']]);
    expect(stream.isStarted).toBe(false);
    fakes.list.push(device('audioinput', 'gone'));
    await stream.start();
    expect(stream.deviceId('audio')).toBe('gone');
  });

  it('shares a screen with its own sound or with the microphone, never with both', async () => {
    const own = await started({ screen: true, screenAudio: true });
    expect(fakes.shared[0]).toMatchObject({ video: { width: { ideal: 1920 }, frameRate: { ideal: 5 } } });
    expect(fakes.asked).toEqual([]);
    expect(own.videoTrack?.contentHint).toBe('detail');
    expect(own.bounds.degradationPreference).toBe('maintain-resolution');
    const spoken = await started({ screen: true, audio: true });
    expect(fakes.shared[1]?.audio).toBe(false);
    expect([spoken.deviceId('audio'), own.deviceId('audio')]).toEqual(['mic1', 'screen']);
  });

  it('tells when the user ends the sharing, and not when it is closed here', async () => {
    const stream = await started({ screen: true });
    const stopped = vi.fn();
    stream.on('screenStopped', stopped);
    fakes.opened[0]!.end();
    expect(stopped).toHaveBeenCalledTimes(1);
    const other = await started({ screen: true });
    other.on('screenStopped', stopped);
    other.close();
    fakes.opened[1]!.end();
    expect(stopped).toHaveBeenCalledTimes(1);
  });

  it('reaches a running publication with another device, mute and profile', async () => {
    const stream = await started({ audio: true, video: true });
    const sink = new Sink();
    const end = stream.feed(sink);
    await stream.switchDevice('video', 'cam2');
    await stream.mute({ audio: true });
    await stream.setVideoProfile('360p');
    expect(sink.calls).toEqual([
      ['replaceTrack', 'video', 'cam2'], ['mute', { audio: true }], ['setBounds', { maxVideoBps: 800_000, maxAudioBps: 40_000 }],
    ]);
    expect(stream.videoTrack).toMatchObject({ wishes: [{ width: { ideal: 640 }, height: { ideal: 360 } }] });
    expect(stream.audioTrack?.enabled).toBe(false);
    // The old camera's light is off.
    expect(fakes.opened.filter(({ deviceId }) => deviceId === 'cam1').map(({ readyState }) => readyState)).toEqual(['ended']);
    end();
    await stream.mute({ audio: false });
    expect(sink.calls).toHaveLength(3);
  });

  it('tells a publication that begins muted, and mutes what comes later', async () => {
    const stream = await started({ audio: true });
    await stream.mute({ audio: true, video: true });
    const sink = new Sink();
    stream.feed(sink);
    const late = new FakeTrack('video');
    await stream.addTrack(late.real);
    expect(sink.calls).toEqual([['mute', { audio: true, video: true }], ['replaceTrack', 'video', '']]);
    expect(late.enabled).toBe(false);
  });

  it('keeps the old device where the new one fails', async () => {
    const stream = await started({ audio: true });
    await expect(stream.switchDevice('audio', 'nowhere')).rejects.toMatchObject({ type: 'device' });
    expect(stream.deviceId('audio')).toBe('mic1');
    expect(stream.audioTrack?.readyState).toBe('live');
  });

  it('closes the old device first where the machine allows only one at a time', async () => {
    const stream = await started({ video: true });
    fakes.refusal = { name: 'NotReadableError', message: 'in use' };
    await stream.switchDevice('video', 'cam2');
    expect(stream.deviceId('video')).toBe('cam2');
    expect(fakes.opened[0]?.readyState).toBe('ended');
  });

  it("never stops the page's own tracks, and does not switch them", async () => {
    const [sound, picture] = [new FakeTrack('audio'), new FakeTrack('video')];
    const stream = await started({ audioTrack: sound.real, videoTrack: picture.real });
    await expect(stream.switchDevice('video', 'cam1')).rejects.toMatchObject({ type: 'state' });
    await stream.replaceTrack(new FakeTrack('video').real);
    stream.close();
    expect([sound.readyState, picture.readyState]).toEqual(['live', 'live']);
  });

  it('adds, removes and refuses what does not fit', async () => {
    const stream = await started({ audio: true });
    const picture = new FakeTrack('video');
    await stream.addTrack(picture.real);
    await expect(stream.addTrack(new FakeTrack('video').real)).rejects.toMatchObject({ type: 'state' });
    await expect(stream.removeTrack(new FakeTrack('video').real)).rejects.toMatchObject({ type: 'argument' });
    await stream.removeTrack(picture.real);
    expect(stream.videoTrack).toBeNull();
    await stream.open('video');
    expect(stream.deviceId('video')).toBe('cam1');
    await stream.shut('video');
    expect(fakes.opened.at(-1)?.readyState).toBe('ended');
  });

  it('takes another device for one that was unplugged', async () => {
    const stream = await started({ audio: true, microphoneId: 'mic2' });
    const sink = new Sink();
    stream.feed(sink);
    const recovered = new Promise((resolve) => stream.on('recovered', resolve));
    fakes.list = fakes.list.filter(({ deviceId }) => deviceId !== 'mic2');
    fakes.opened[0]!.end();
    expect(await recovered).toEqual({ kind: 'microphone', deviceId: 'mic1' });
    expect(sink.calls).toEqual([['replaceTrack', 'audio', 'mic1']]);
  });

  it('waits for a device where there is no other one, tells the others so, and takes it when it is plugged in', async () => {
    const stream = await started({ video: true });
    const sink = new Sink();
    stream.feed(sink);
    const error = new Promise<WebliveError>((resolve) => stream.on('error', resolve));
    const recovered = new Promise((resolve) => stream.on('recovered', resolve));
    const others = fakes.list.filter(({ kind }) => kind !== 'videoinput');
    fakes.list = others;
    fakes.opened[0]!.end();
    expect((await error).type).toBe('device');
    expect(sink.calls).toEqual([['replaceTrack', 'video', null]]);
    fakes.change([...others, device('videoinput', 'cam9')]);
    expect(await recovered).toEqual({ kind: 'camera', deviceId: 'cam9' });
    expect(sink.calls.slice(1)).toEqual([['replaceTrack', 'video', 'cam9']]);
  });

  it('takes a device that is allowed again, and leaves one alone that is not', async () => {
    const stream = await started({ audio: true, video: true });
    const sink = new Sink();
    stream.feed(sink);
    const [errors, recovered] = [vi.fn(), vi.fn()];
    stream.on('error', errors);
    stream.on('recovered', recovered);
    for (const track of [...fakes.opened]) {
      fakes.refusal = { name: 'NotAllowedError', message: 'Permission denied' };
      track.end();
      await vi.waitFor(() => expect(fakes.refusal).toBeNull());
    }
    await vi.waitFor(() => expect(errors.mock.calls.map(([{ type }]) => type)).toEqual(['permission', 'permission']));
    const asked = fakes.asked.length;
    for (const state of ['denied', 'prompt'] as const) fakes.permissions.set('microphone', state);
    fakes.permissions.set('microphone', 'granted');
    await vi.waitFor(() => expect(recovered).toHaveBeenCalledTimes(1));
    expect(recovered).toHaveBeenLastCalledWith({ kind: 'microphone', deviceId: 'mic1' });
    expect(fakes.asked).toHaveLength(asked + 1);
    expect(stream.videoTrack?.readyState).toBe('ended');
    fakes.permissions.set('camera', 'granted');
    await vi.waitFor(() => expect(recovered).toHaveBeenCalledTimes(2));
    expect(sink.calls.slice(-2)).toEqual([['replaceTrack', 'audio', 'mic1'], ['replaceTrack', 'video', 'cam1']]);
    stream.close();
    fakes.permissions.set('camera', 'granted');
    expect(fakes.asked).toHaveLength(asked + 2);
  });

  it('is opened by hand where it could not be recovered', async () => {
    const stream = await started({ video: true, cameraId: 'cam2' });
    const error = new Promise<WebliveError>((resolve) => stream.on('error', resolve));
    fakes.list = [device('videoinput', '')];
    fakes.refusal = { name: 'NotAllowedError', message: 'taken back' };
    fakes.opened[0]!.end();
    expect((await error).type).toBe('permission');
    fakes.reset();
    await stream.open('video');
    expect([stream.deviceId('video'), stream.videoTrack?.readyState]).toEqual(['cam2', 'live']);
    await stream.open('video');
    expect(fakes.opened).toHaveLength(1);
  });

  it('does nothing more once it is closed', async () => {
    const stream = await started({ audio: true, video: true });
    stream.close();
    expect(fakes.opened.every(({ readyState }) => readyState === 'ended')).toBe(true);
    await expect(stream.switchDevice('audio', 'mic2')).rejects.toMatchObject({ type: 'state' });
  });

  it('refuses a capture volume that is none', async () => {
    const stream = await started({ audio: true });
    await expect(stream.setCaptureVolume(Number.NaN)).rejects.toMatchObject({ type: 'argument' });
    await expect(stream.setCaptureVolume(-1)).rejects.toMatchObject({ type: 'argument' });
  });
});
