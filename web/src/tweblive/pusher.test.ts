// @vitest-environment happy-dom
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { setServer } from '../server';
import { EVENT } from './constants';
import { Pusher, type PusherOptions } from './pusher';
import type { StreamConfig } from '../trtc';
import type { RtcFace } from './rtc-face';

/** TRTC in the test's hands: everything that is asked of it is in `calls`. */
function fakeRtc({ canShare = true } = {}) {
  const calls: unknown[][] = [];
  const streams: FakeStream[] = [];
  const clients: FakeClient[] = [];
  const face = {
    checkSystemRequirements: async () => ({ result: true, detail: {} }),
    isScreenShareSupported: () => canShare,
    getCameras: async () => [{ deviceId: 'c1' }],
    getMicrophones: async () => [{ deviceId: 'm1' }],
    createStream: (options: { audio?: boolean; video?: boolean; screen?: boolean }) => {
      calls.push(['createStream', options]);
      const stream = new FakeStream(calls, options);
      streams.push(stream);
      return stream;
    },
    createClient: (options: unknown) => {
      calls.push(['createClient', options]);
      const client = new FakeClient(calls);
      clients.push(client);
      return client;
    },
  };
  return { face: face as unknown as RtcFace, calls, streams, clients };
}

class FakeStream {
  readonly handlers: Record<string, (data: unknown) => void> = {};
  audio: boolean;
  video: boolean;
  failure: Error | null = null;

  constructor(readonly calls: unknown[][], { audio, video, screen }: { audio?: boolean; video?: boolean; screen?: boolean }) {
    this.audio = audio === true;
    this.video = video === true || screen === true;
  }

  readonly below = {
    open: async (kind: string) => void (this.video || (this.calls.push(['open', kind]), (this.video = true))),
    shut: async (kind: string) => void (this.calls.push(['shut', kind]), (this.video = false)),
  };

  on(event: string, handler: (data: unknown) => void) {
    this.handlers[event] = handler;
  }
  async initialize() {
    this.calls.push(['initialize']);
    if (this.failure) throw this.failure;
  }
  async play(element: HTMLElement, options: unknown) {
    this.calls.push(['play', element.id, options]);
  }
  async resume() {
    this.calls.push(['resume']);
  }
  close() {
    this.calls.push(['close']);
  }
  async setAudioProfile(profile: unknown) {
    this.calls.push(['setAudioProfile', profile]);
  }
  async setVideoProfile(profile: unknown) {
    this.calls.push(['setVideoProfile', profile]);
  }
  async setScreenProfile(profile: unknown) {
    this.calls.push(['setScreenProfile', profile]);
  }
  async setVideoContentHint(hint: unknown) {
    this.calls.push(['setVideoContentHint', hint]);
  }
  async switchDevice(kind: string, id: string) {
    this.calls.push(['switchDevice', kind, id]);
  }
  muteAudio() {
    this.calls.push(['muteAudio']);
    return this.audio;
  }
  unmuteAudio() {
    this.calls.push(['unmuteAudio']);
    return this.audio;
  }
  hasAudio() {
    return this.audio;
  }
  hasVideo() {
    return this.video;
  }
  getAudioTrack() {
    return this.audio ? { getSettings: () => ({ deviceId: 'm1' }) } : undefined;
  }
  getVideoTrack() {
    return this.video ? { getSettings: () => ({ deviceId: 'c1' }) } : undefined;
  }
}

class FakeClient {
  readonly handlers: Record<string, (data: unknown) => void> = {};
  media: { publication(): { stream: string } } | null = null;
  failure: { at: string; error: Error } | null = null;

  constructor(readonly calls: unknown[][]) {}

  on(event: string, handler: (data: unknown) => void) {
    this.handlers[event] = handler;
  }
  join(options: unknown) {
    return this.#did('join', options);
  }
  async publish() {
    await this.#did('publish');
    this.media = { publication: () => ({ stream: '0_200_anna_main' }) };
  }
  unpublish() {
    return this.#did('unpublish');
  }
  leave() {
    return this.#did('leave');
  }
  destroy() {
    this.calls.push(['destroy']);
  }
  async #did(name: string, ...more: unknown[]) {
    this.calls.push([name, ...more]);
    if (this.failure?.at === name) throw this.failure.error;
  }
}

function pusherOf(options: Partial<PusherOptions> = {}, rtc = fakeRtc()) {
  const pusher = new Pusher(rtc.face, { userID: 'anna', ...options });
  const events: unknown[] = [];
  for (const name of Object.values(EVENT)) pusher.on(name, (event) => events.push([event.name, event.data]));
  const calls = () => rtc.calls.splice(0);
  return { pusher, rtc, events, calls };
}

const ROOM = 'room://sdkappid=1400000000&roomid=200&userid=anna&usersig=sig';

beforeEach(() => {
  document.body.innerHTML = '<div id="view"></div>';
  setServer('https://live.example.org');
});

describe('a pusher', () => {
  test('needs a user, and for screens a browser that shares them', () => {
    const { face } = fakeRtc();
    for (const options of [undefined, {}, { userID: '' }]) expect(() => new Pusher(face, options as PusherOptions)).toThrow(/userID/);
    expect(() => new Pusher(fakeRtc({ canShare: false }).face, { userID: 'anna', screenCapture: true })).toThrow(/cannot share/);
  });

  test('asks what the browser can do, and lists devices', async () => {
    const { pusher } = pusherOf();
    expect(await pusher.checkSystemRequirements()).toMatchObject({ result: true });
    expect(await pusher.getCameraList()).toEqual([{ deviceId: 'c1' }]);
    expect(await pusher.getMicrophoneList()).toEqual([{ deviceId: 'm1' }]);
  });
});

describe('setRenderView', () => {
  test('refuses empty options and an element that is not there', async () => {
    const { pusher } = pusherOf();
    await expect(pusher.setRenderView({})).rejects.toThrow(/options are missing/);
    await expect(pusher.setRenderView(undefined as never)).rejects.toThrow(/options are missing/);
    await expect(pusher.setRenderView({ elementID: 'nowhere' })).rejects.toThrow(/"nowhere"/);
  });

  test('opens camera and microphone and shows the picture without sound', async () => {
    const { pusher, calls } = pusherOf();
    expect([pusher.getCurrentCamera(), pusher.getCurrentMicrophone()]).toEqual([undefined, undefined]);
    await pusher.setRenderView({ elementID: 'view' });
    expect(calls()).toEqual([
      ['createStream', { userId: 'anna', audio: true, video: true }], ['initialize'], ['play', 'view', { objectFit: 'cover', muted: true }],
    ]);
    expect([pusher.getCurrentCamera(), pusher.getCurrentMicrophone()]).toEqual(['c1', 'm1']);
  });

  test.each([
    [{ audio: true }, 'setAudioProfile', 'standard'],
    [{ audio: 'high' }, 'setAudioProfile', 'high'],
    [{ video: true }, 'setVideoProfile', '720p'],
    [{ video: '1080p_2' }, 'setVideoProfile', '1080p_2'],
    [{ video: { width: 1, height: 2, frameRate: 3, bitrate: 4 } }, 'setVideoProfile', { width: 1, height: 2, frameRate: 3, bitrate: 4 }],
  ] as const)('%j sets a profile', async (options, call, profile) => {
    const { pusher, calls } = pusherOf();
    await pusher.setRenderView({ elementID: 'view', ...options });
    expect(calls()).toContainEqual([call, profile]);
  });

  test('leaves out what is false, and takes the devices that are named', async () => {
    const { pusher, calls } = pusherOf();
    await pusher.setCurrentMicrophone('m2');
    await pusher.setRenderView({ elementID: 'view', audio: true, video: false, cameraID: 'c2' });
    expect(calls()[0]).toEqual(['createStream', { userId: 'anna', audio: true, video: false, microphoneId: 'm2', cameraId: 'c2' }]);
  });

  test('takes the element itself', async () => {
    const { pusher, calls } = pusherOf();
    await pusher.setRenderView({ elementID: document.getElementById('view')! });
    expect(calls().at(-1)).toEqual(['play', 'view', { objectFit: 'cover', muted: true }]);
  });

  test('closes the stream before, and while pushing sends the new one', async () => {
    const { pusher, calls } = pusherOf();
    await pusher.setRenderView({ elementID: 'view' });
    await pusher.startPush(ROOM);
    calls();
    await pusher.setRenderView({ elementID: 'view', video: '480p' });
    expect(calls().map(([name]) => name)).toEqual(['unpublish', 'close', 'createStream', 'setVideoProfile', 'initialize', 'play', 'publish']);
  });

  test('closes what could not be opened', async () => {
    const rtc = fakeRtc();
    const { pusher, calls } = pusherOf({}, rtc);
    const denied = new Error('denied');
    const create = rtc.face.createStream;
    Object.assign(rtc.face, { createStream: (options: StreamConfig) => Object.assign(create(options), { failure: denied }) });
    await expect(pusher.setRenderView({ elementID: 'view' })).rejects.toBe(denied);
    expect(calls().at(-1)).toEqual(['close']);
    await expect(pusher.startPush(ROOM)).rejects.toThrow(/setRenderView first/);
  });

  test('asks for a screen in its own profile, sharp', async () => {
    const { pusher, calls } = pusherOf({ screenCapture: true });
    await pusher.setRenderView({ elementID: 'view', cameraID: 'c2' });
    expect(calls()).toEqual([
      ['createStream', { userId: 'anna', audio: true, video: false, screen: true, screenAudio: false }], ['setScreenProfile', '1080p'], ['initialize'],
      ['setVideoContentHint', 'detail'], ['play', 'view', { objectFit: 'cover', muted: true }],
    ]);
    await pusher.setRenderView({ elementID: 'view', systemAudio: true, screenProfile: '720p_2' });
    expect(calls()).toEqual(expect.arrayContaining([
      ['createStream', { userId: 'anna', audio: false, video: false, screen: true, screenAudio: true }], ['setScreenProfile', '720p_2'],
    ]));
  });
});

describe('pushing', () => {
  test('joins as anchor and publishes, and ends in the other order', async () => {
    const { pusher, calls } = pusherOf();
    await pusher.setRenderView({ elementID: 'view' });
    calls();
    await pusher.startPush(`${ROOM}&streamid=s1&privatemapkey=k`);
    expect(calls()).toEqual([
      ['createClient', {
        sdkAppId: 1400000000, userId: 'anna', userSig: 'sig', mode: 'live', useStringRoomId: false, autoSubscribe: false, server: 'https://live.example.org',
        streamId: 's1',
      }],
      ['join', { roomId: 200, role: 'anchor', privateMapKey: 'k' }],
      ['publish'],
    ]);
    expect(pusher.isPushing()).toBe(true);
    await pusher.startPush(ROOM);
    expect(calls()).toEqual([]);
    await pusher.stopPush();
    expect(calls()).toEqual([['unpublish'], ['leave'], ['close']]);
    expect(pusher.isPushing()).toBe(false);
    await pusher.stopPush();
    expect(calls()).toEqual([]);
  });

  test('uses its client again, and makes another one for another token', async () => {
    const { pusher, calls, rtc } = pusherOf();
    for (const url of [ROOM, ROOM, ROOM.replace('sig', 'renewed')]) {
      await pusher.setRenderView({ elementID: 'view' });
      await pusher.startPush(url);
      await pusher.stopPush();
    }
    expect(rtc.clients).toHaveLength(2);
    expect(calls().filter(([name]) => name === 'destroy')).toHaveLength(1);
  });

  test('goes into rooms with names', async () => {
    const { pusher, calls } = pusherOf();
    await pusher.setRenderView({ elementID: 'view' });
    await pusher.startPush('room://sdkappid=1&strroomid=lounge&userid=anna&usersig=x');
    expect(calls()).toEqual(expect.arrayContaining([['join', { roomId: 'lounge', role: 'anchor' }]]));
  });

  test.each([
    ['https://flv=a', 'Unsupported protocol!'],
    [ROOM.replace('anna', 'ben'), /userid ben .* anna/],
    [ROOM, /setRenderView first/],
  ])('%s is refused', async (url, message) => {
    const { pusher } = pusherOf();
    await expect(pusher.startPush(url)).rejects.toThrow(message);
    expect(pusher.isPushing()).toBe(false);
  });

  test('leaves the room when publishing is refused', async () => {
    const { pusher, calls, rtc } = pusherOf();
    await pusher.setRenderView({ elementID: 'view' });
    await pusher.startPush(ROOM);
    await pusher.stopPush();
    await pusher.setRenderView({ elementID: 'view' });
    const error = new Error('refused');
    rtc.clients[0]!.failure = { at: 'publish', error };
    calls();
    await expect(pusher.startPush(ROOM)).rejects.toBe(error);
    expect(calls().map(([name]) => name)).toEqual(['join', 'publish', 'leave']);
    expect(pusher.isPushing()).toBe(false);
  });

  test('calls take turns', async () => {
    const { pusher, calls } = pusherOf();
    const all = [pusher.setRenderView({ elementID: 'view' }), pusher.startPush(ROOM), pusher.stopPush()];
    await Promise.all(all);
    expect(calls().map(([name]) => name)).toEqual(['createStream', 'initialize', 'play', 'createClient', 'join', 'publish', 'unpublish', 'leave', 'close']);
  });
});

describe('devices of a pusher', () => {
  test('are switched while it is live', async () => {
    const { pusher, calls } = pusherOf();
    await pusher.setRenderView({ elementID: 'view' });
    calls();
    await pusher.setCurrentCamera('c2');
    await pusher.setCurrentMicrophone('m2');
    expect(calls()).toEqual([['switchDevice', 'video', 'c2'], ['switchDevice', 'audio', 'm2']]);
  });

  test('are closed and opened', async () => {
    const { pusher, calls } = pusherOf();
    await expect(pusher.startCamera()).rejects.toThrow(/setRenderView first/);
    await pusher.setRenderView({ elementID: 'view' });
    calls();
    await pusher.stopCamera();
    await pusher.stopCamera();
    await pusher.startCamera();
    await pusher.startCamera();
    await pusher.stopMicrophone();
    await pusher.startMicrophone();
    expect(calls()).toEqual([['shut', 'video'], ['open', 'video'], ['muteAudio'], ['unmuteAudio']]);
  });

  test('without a microphone there is none to mute', async () => {
    const { pusher } = pusherOf();
    await expect(pusher.startMicrophone()).rejects.toThrow('No Audio Track!');
    await pusher.setRenderView({ elementID: 'view', audio: false });
    await expect(pusher.stopMicrophone()).rejects.toThrow('No Audio Track!');
  });

  test('of a screen pusher stay as they are', async () => {
    const { pusher, calls } = pusherOf({ screenCapture: true });
    await pusher.setRenderView({ elementID: 'view' });
    calls();
    await Promise.all([
      pusher.startCamera(), pusher.stopCamera(), pusher.startMicrophone(), pusher.stopMicrophone(), pusher.setCurrentCamera('c2'), pusher.startScreenCapture(),
      pusher.stopScreenCapture(),
    ]);
    expect(calls()).toEqual([]);
    expect(pusher.getCurrentCamera()).toBeUndefined();
  });
});

describe('the address of a broadcast', () => {
  test('is empty before there is one', () => expect(pusherOf().pusher.getLiveStreamURL()).toBe(''));

  test.each([
    ['&streamid=s1&livedomainname=play.example.org', 'https://play.example.org/live/s1.flv'],
    ['&livedomainname=play.example.org', 'https://play.example.org/live/0_200_anna_main.flv'],
    ['&streamid=s1', 'https://live.example.org/live/s1.flv'],
    ['', 'https://live.example.org/live/0_200_anna_main.flv'],
    ['&server=ws%3A%2F%2F10.0.0.1%3A8080', 'http://10.0.0.1:8080/live/0_200_anna_main.flv'],
  ])('with %j is %s', async (more, address) => {
    const { pusher } = pusherOf();
    await pusher.setRenderView({ elementID: 'view' });
    await pusher.startPush(ROOM + more);
    expect(pusher.getLiveStreamURL()).toBe(address);
  });
});

describe('events of a pusher', () => {
  async function pushing(options: Partial<PusherOptions> = {}) {
    const all = pusherOf(options);
    await all.pusher.setRenderView({ elementID: 'view' });
    await all.pusher.startPush(ROOM);
    all.calls();
    return { ...all, client: all.rtc.clients[0]!, stream: all.rtc.streams[0]! };
  }

  test('carry what the client says', async () => {
    const { client, events } = await pushing();
    const state = { prevState: 'CONNECTED', state: 'RECONNECTING' };
    const quality = { uplinkNetworkQuality: 1, downlinkNetworkQuality: 0, uplinkRTT: 9, uplinkLoss: 0, downlinkRTT: 0, downlinkLoss: 0 };
    client.handlers['connection-state-changed']!(state);
    client.handlers['network-quality']!(quality);
    expect(events).toEqual([['t_connection_state_changed', state], ['t_network-quality', quality]]);
  });

  test('tell of the end', async () => {
    const { client, events, pusher } = await pushing();
    const error = new Error('lost');
    client.handlers['error']!(error);
    expect([events, pusher.isPushing()]).toEqual([[['t_rtc_client_error', error]], false]);
    const other = await pushing();
    const why = { reason: 'kick', message: 'Mind your words' };
    other.client.handlers['client-banned']!(why);
    expect([other.events, other.pusher.isPushing()]).toEqual([[['t_client_banned', why]], false]);
    other.calls();
    await other.pusher.startPush(ROOM);
    expect(other.calls()).toEqual([['join', { roomId: 200, role: 'anchor' }], ['publish']]);
  });

  test('tell that a screen is no longer shared, and end the push', async () => {
    const { stream, events, pusher, calls } = await pushing({ screenCapture: true });
    stream.handlers['screen-sharing-stopped']!(undefined);
    expect(events).toEqual([['t_screen_capture_stopped', undefined]]);
    await vi.waitFor(() => expect(pusher.isPushing()).toBe(false));
    expect(calls().map(([name]) => name)).toEqual(['unpublish', 'leave', 'close']);
  });

  test('of a device that is lost for good', async () => {
    const { stream, events } = await pushing();
    const error = new Error('the camera is gone');
    stream.handlers['error']!(error);
    expect(events).toEqual([['t_rtc_client_error', error]]);
  });

  test('resume a preview that the browser has paused', async () => {
    const { stream, calls } = await pushing();
    stream.handlers['player-state-changed']!({ type: 'video', state: 'PAUSED', reason: 'pause' });
    expect(calls()).toEqual([['resume']]);
  });
});
