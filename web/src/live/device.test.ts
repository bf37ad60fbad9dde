// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakePeer } from '../rtc/fake-peer';
import { device, type FakeDevices, FakeTrack, installFakes } from '../streams/fakes';
import { DeviceError, DeviceStatus, MirrorType, VideoQuality } from './enums';
import { anchor, LiveFixture, seat, settle } from './fixture';

let fakes: FakeDevices;

beforeEach(() => {
  FakePeer.install();
  fakes = installFakes();
});
afterEach(() => vi.unstubAllGlobals());

/** A page whose user may publish, or not. */
async function page(user: string, role: 'anchor' | 'audience'): Promise<LiveFixture> {
  const page = new LiveFixture();
  page.server.answers['publish'] = () => ({ result: { answer: 'v=0', etag: 'e1', stream: `0_show_${user}_main`, relay: null } });
  const enter = page.server.answers['enterRoom']!;
  page.server.answers['enterRoom'] = (frame) => {
    const { result } = enter(frame) as { result: object };
    return { result: { ...result, role: frame['part'] === 'media' ? role : null } };
  };
  await page.join(user);
  return page;
}

const published = (page: LiveFixture) => page.asked('publish').map(({ track, publication }) => {
  const { hasAudio, hasVideo } = publication as { hasAudio: boolean; hasVideo: boolean };
  return [track, hasAudio, hasVideo];
});

describe('what is open', () => {
  test('is published as soon as a seat allows it, and no sooner', async () => {
    const live = await page('gina', 'audience');
    const { device } = live.context;
    await device.openLocalMicrophone();
    await device.openLocalCamera();
    expect([device.microphoneStatus.value, device.cameraStatus.value]).toEqual([DeviceStatus.On, DeviceStatus.On]);
    expect(published(live)).toEqual([]);
    live.tell('roleChanged', { role: 'anchor' });
    await settle();
    expect(published(live)).toEqual([['main', true, true]]);
  });

  test('is published piece by piece in one publication', async () => {
    const live = await page('olga', 'anchor');
    const { device } = live.context;
    await device.openLocalCamera();
    expect(published(live)).toEqual([['main', false, true]]);
    await device.openLocalMicrophone();
    await settle();
    expect(live.asked('updatePublication').at(-1)).toMatchObject({ publication: { hasAudio: true, hasVideo: true } });
    await device.closeLocalCamera();
    await device.closeLocalMicrophone();
    await settle();
    expect(published(live)).toHaveLength(1);
    expect(live.asked('unpublish')).toEqual([{ room: 'show', track: 'main' }]);
    expect(fakes.opened.every(({ readyState }) => readyState === 'ended')).toBe(true);
  });

  test('is seen as in a mirror as long as it is a camera, and as it was asked for', async () => {
    const live = await page('olga', 'anchor');
    const { device } = live.context;
    const view = document.createElement('div');
    document.body.append(view);
    await device.openLocalCamera();
    await device.startPreview({ view, objectFit: 'contain' });
    const seen = () => {
      const { transform, objectFit } = view.querySelector('video')!.style;
      return [transform, objectFit];
    };
    expect(seen()).toEqual(['scaleX(-1)', 'contain']);
    const screen = new FakeTrack('video') as unknown as MediaStreamTrack;
    await device.setCustomSource({ videoTrack: screen });
    await settle();
    expect(seen()).toEqual(['', 'contain']);
    await device.switchMirror(MirrorType.Enable);
    expect(seen()).toEqual(['scaleX(-1)', 'contain']);
    await device.switchMirror(MirrorType.Auto);
    await device.clearCustomSource();
    await device.openLocalCamera();
    await settle();
    expect(seen()).toEqual(['scaleX(-1)', 'contain']);
  });

  test('is closed when the seat is lost', async () => {
    const live = await page('gina', 'anchor');
    const { device } = live.context;
    await device.openLocalMicrophone();
    await device.openLocalCamera();
    live.tell('kickedOffSeat', { seat: 1, host: 'olga' });
    live.tell('roleChanged', { role: 'audience' });
    await settle();
    expect([device.microphoneStatus.value, device.cameraStatus.value]).toEqual([DeviceStatus.Off, DeviceStatus.Off]);
    expect(fakes.opened.map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
    expect(FakePeer.last.signalingState).toBe('closed');
    // What is opened now stays here.
    await device.openLocalCamera();
    expect(published(live)).toHaveLength(1);
  });

  test('before a reload is opened anew on the seat that was kept', async () => {
    const live = new LiveFixture();
    live.seats = [seat(0, 'olga', 'owner'), seat(1, 'gina')];
    live.anchors = [anchor('olga', 'owner'), anchor('gina', 'generalUser', null)];
    live.server.answers['publish'] = () => ({ result: { answer: 'v=0', etag: 'e1', stream: 's', relay: null } });
    const enter = live.server.answers['enterRoom']!;
    live.server.answers['enterRoom'] = (frame) => {
      const { result } = enter(frame) as { result: object };
      return { result: { ...result, role: frame['part'] === 'media' ? 'anchor' : null } };
    };
    await live.join('gina');
    expect(live.context.coGuest.connected.value.map(({ userId }) => userId)).toEqual(['olga', 'gina']);
    await live.context.device.openLocalMicrophone();
    expect(published(live)).toEqual([['main', true, false]]);
  });

  test('before the room is entered is published on entering', async () => {
    const live = new LiveFixture();
    live.server.answers['publish'] = () => ({ result: { answer: 'v=0', etag: 'e1', stream: 's', relay: null } });
    await live.context.device.openLocalCamera();
    await live.login('olga');
    await live.context.liveList.startLive({ liveId: 'show' });
    await settle();
    expect(published(live)).toEqual([['main', false, true]]);
    await live.context.liveList.endLive();
    await settle();
    expect(live.context.device.cameraStatus.value).toBe(DeviceStatus.Off);
  });

  test('that was refused is tried again', async () => {
    vi.useFakeTimers();
    const live = await page('olga', 'anchor');
    const publish = live.server.answers['publish']!;
    live.server.answers['publish'] = () => ({ refused: 'publicationChanged' });
    await live.context.device.openLocalCamera();
    live.server.answers['publish'] = publish;
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    expect(published(live).length).toBeGreaterThan(1);
    expect(live.context.device.publishing.main.publication).not.toBeNull();
  });
});

describe('mute', () => {
  test('keeps the microphone open, and is told to the room', async () => {
    const live = await page('olga', 'anchor');
    const { device, seat: seats } = live.context;
    await device.openLocalMicrophone();
    await seats.muteMicrophone();
    expect([device.microphoneStatus.value, device.isLocalAudioMuted.value, fakes.opened[0]!.enabled]).toEqual([DeviceStatus.On, true, false]);
    await seats.unmuteMicrophone();
    expect([device.isLocalAudioMuted.value, fakes.opened[0]!.enabled]).toEqual([false, true]);
    expect(live.asked('muteTrack')).toEqual([{ room: 'show', track: 'main', audio: true }, { room: 'show', track: 'main', audio: false }]);
  });

  test('by a host holds until it is lifted; the camera is closed, and nothing opens by itself', async () => {
    const live = await page('gina', 'anchor');
    const { device } = live.context;
    await device.openLocalMicrophone();
    await device.openLocalCamera();
    live.tell('deviceChanged', { device: 'microphone', open: false });
    live.tell('deviceChanged', { device: 'camera', open: false });
    await settle();
    expect([device.isLocalAudioMuted.value, device.cameraStatus.value]).toEqual([true, DeviceStatus.Off]);
    await expect(device.unmuteLocalAudio()).rejects.toMatchObject({ reason: 'deviceLocked' });
    live.tell('deviceChanged', { device: 'microphone', open: true });
    live.tell('deviceChanged', { device: 'camera', open: true });
    await settle();
    expect([device.isLocalAudioMuted.value, device.cameraStatus.value]).toEqual([true, DeviceStatus.Off]);
    await device.unmuteLocalAudio();
    await device.openLocalCamera();
    expect([device.isLocalAudioMuted.value, device.cameraStatus.value]).toEqual([false, DeviceStatus.On]);
  });
});

describe('devices', () => {
  test('are listed and chosen', async () => {
    const { context } = new LiveFixture();
    expect(await context.device.getCameraList()).toEqual([{ deviceId: 'cam1', deviceName: 'cam1' }, { deviceId: 'cam2', deviceName: 'cam2' }]);
    await context.device.getMicrophoneList();
    await context.device.getSpeakerList();
    expect([context.device.cameraList.value.length, context.device.microphoneList.value.length, context.device.speakerList.value.length]).toEqual([2, 2, 1]);
    await context.device.setCurrentMicrophone({ deviceId: 'mic2' });
    await context.device.openLocalMicrophone();
    await context.device.openLocalCamera();
    expect(fakes.opened.map(({ deviceId }) => deviceId)).toEqual(['mic2', 'cam1']);
    await context.device.setCurrentCamera('cam2');
    expect(context.device.currentCamera.value).toEqual({ deviceId: 'cam2', deviceName: 'cam2' });
    expect(context.device.currentMicrophone.value).toEqual({ deviceId: 'mic2', deviceName: 'mic2' });
    await context.device.switchCamera();
    expect(context.device.currentCamera.value?.deviceId).toBe('cam1');
    await expect(context.device.setCurrentCamera({ deviceId: '' })).rejects.toMatchObject({ code: -1001 });
  });

  test.each([
    ['NotAllowedError', DeviceError.NoSystemPermission, -1003], ['NotFoundError', DeviceError.NoDeviceDetected, -1], ['NotReadableError', DeviceError.OccupiedError, -1],
  ] as const)('that fail with %s say so', async (name, error, code) => {
    const { context } = new LiveFixture();
    fakes.refusal = { name, message: 'no' };
    await expect(context.device.openLocalCamera()).rejects.toMatchObject({ code });
    expect([context.device.cameraStatus.value, context.device.cameraLastError.value]).toEqual([DeviceStatus.Off, error]);
    await context.device.openLocalCamera();
    expect([context.device.cameraStatus.value, context.device.cameraLastError.value]).toEqual([DeviceStatus.On, DeviceError.NoError]);
  });

  test('are replaced when they are unplugged', async () => {
    const { context } = new LiveFixture();
    await context.device.openLocalCamera();
    fakes.list = fakes.list.filter(({ deviceId }) => deviceId !== 'cam1');
    fakes.opened[0]!.end();
    await settle();
    expect(context.device.currentCamera.value?.deviceId).toBe('cam2');
    fakes.list = [device('audioinput', 'mic1')];
    fakes.opened[1]!.end();
    await settle();
    expect(context.device.cameraLastError.value).toBe(DeviceError.NoDeviceDetected);
  });

  test('go on when they are allowed again that were forbidden', async () => {
    const { context } = new LiveFixture();
    await context.device.openLocalCamera();
    fakes.refusal = { name: 'NotAllowedError', message: 'no' };
    fakes.permissions.set('camera', 'denied');
    fakes.opened[0]!.end();
    await settle();
    expect(context.device.cameraLastError.value).toBe(DeviceError.NoSystemPermission);
    fakes.permissions.set('camera', 'granted');
    await settle();
    expect([context.device.cameraLastError.value, context.device.currentCamera.value?.deviceId]).toEqual([DeviceError.NoError, 'cam1']);
  });

  test('take profiles by name and by size', async () => {
    const { context } = new LiveFixture();
    await context.device.setVideoProfile('720p');
    await context.device.openLocalCamera();
    expect(JSON.stringify(fakes.asked[0])).toContain('1280');
    await context.device.updateVideoQuality({ quality: VideoQuality.Quality1080P });
    expect(JSON.stringify(fakes.opened[0]!.wishes)).toContain('1920');
    await expect(context.device.updateVideoQuality(9 as VideoQuality)).rejects.toMatchObject({ code: -1001 });
  });
});

test('tracks of the page\'s own are published in place of devices, and never stopped', async () => {
  const live = await page('olga', 'anchor');
  const [audio, video] = [new FakeTrack('audio'), new FakeTrack('video')];
  await live.context.device.setCustomSource({ audioTrack: audio.real, videoTrack: video.real });
  await settle();
  expect(live.context.device.localVideoTrack.value).toBe(video.real);
  expect(live.asked('publish')).toHaveLength(1);
  await live.context.device.muteLocalAudio();
  expect(audio.enabled).toBe(false);
  await live.context.device.clearCustomSource();
  await settle();
  expect([audio.readyState, video.readyState]).toEqual(['live', 'live']);
  expect(live.context.device.cameraStatus.value).toBe(DeviceStatus.Off);
  expect(fakes.opened).toEqual([]);
});

describe('a shared screen', () => {
  test('is published beside the camera until either side stops it', async () => {
    const live = await page('olga', 'anchor');
    const { device } = live.context;
    await device.startScreenShare({ screenAudio: true });
    await settle();
    expect(device.screenStatus.value).toBe(DeviceStatus.On);
    expect(published(live)).toEqual([['aux', true, true]]);
    await device.stopScreenShare();
    expect(live.asked('unpublish')).toEqual([{ room: 'show', track: 'aux' }]);
    await device.startScreenShare();
    fakes.opened.at(-1)!.end();
    await settle();
    expect(device.screenStatus.value).toBe(DeviceStatus.Off);
  });

  test('that the user does not allow is an error', async () => {
    const live = await page('olga', 'anchor');
    fakes.refusal = { name: 'NotAllowedError', message: 'no' };
    await expect(live.context.device.startScreenShare()).rejects.toMatchObject({ type: 'permission' });
    expect([live.context.device.screenStatus.value, live.context.device.screenLastError.value]).toEqual([DeviceStatus.Off, DeviceError.NoSystemPermission]);
  });
});

test('a camera test shows the camera, and publishes nothing', async () => {
  const live = await page('olga', 'anchor');
  document.body.innerHTML = '<div id="view"></div>';
  HTMLMediaElement.prototype.play = () => Promise.resolve();
  await live.context.device.startCameraTest({ view: 'view' });
  expect(live.context.device.isCameraTesting.value).toBe(true);
  expect(document.querySelector('#view video')).not.toBeNull();
  expect(published(live)).toEqual([]);
  await live.context.device.stopCameraTest();
  expect([live.context.device.isCameraTesting.value, document.querySelector('#view video'), fakes.opened[0]!.readyState]).toEqual([false, null, 'ended']);
  await expect(live.context.device.startCameraTest({ view: 'nowhere' })).rejects.toMatchObject({ type: 'argument' });
});
