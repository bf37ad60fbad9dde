// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Publication } from '../protocol/messages';
import { FakePeer } from '../rtc/fake-peer';
import type { FakeServer } from '../signal/fake-server';
import { FakeTrack } from '../streams/fakes';
import { anchor, ConnectingPeer, entered, installBrowser, streamOf } from './fakes';
import TRTC, { type Client, type ClientConfig, type ClientEvents, type LocalStream, type RemoteStream, type RtcError } from './index';

const ROOM = 7;
const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };
const EVENTS: readonly (keyof ClientEvents)[] = [
  'stream-added', 'stream-removed', 'stream-subscribed', 'stream-updated', 'peer-join', 'peer-leave', 'mute-audio', 'unmute-audio', 'mute-video', 'unmute-video',
  'client-banned', 'network-quality', 'connection-state-changed', 'error',
];

describe('a client', () => {
  let server: FakeServer;
  let told: [string, unknown][];
  let client: Client;

  beforeEach(() => {
    vi.useFakeTimers();
    ({ server } = installBrowser());
    told = [];
  });
  afterEach(async () => {
    await settle();
    await client?.leave();
    await settle();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  /** Lets promises and short timers run. */
  const settle = () => vi.advanceTimersByTimeAsync(100);

  const make = (config: Partial<ClientConfig> = {}): Client => {
    client = TRTC.createClient({ sdkAppId: 5, userId: 'me', userSig: 'sig', mode: 'rtc', server: 'http://live.test', ...config });
    for (const name of EVENTS) {
      client.on(name, (event: ClientEvents[typeof name]) => told.push([name, 'stream' in event ? idOf(event.stream) : event]));
    }
    return client;
  };

  const join = async (config: Partial<ClientConfig> = {}, role?: 'anchor' | 'audience'): Promise<Client> => {
    make(config);
    await client.join({ roomId: ROOM, ...(role && { role }) });
    await settle();
    told = [];
    return client;
  };

  const publish = (user: string, publication: Publication | null, track: 'main' | 'aux' = 'main') => server.tell({ event: 'trackChanged', room: ROOM, user, track, publication });
  const enters = (user: string) => server.tell({ event: 'anchorEntered', room: ROOM, user, profile: { nick: '', avatar: '' } });
  const arrive = (user: string, track = 'main', kinds: readonly ('audio' | 'video')[] = ['audio', 'video']) => {
    for (const kind of kinds) client.media!.receiver.reception(streamOf(user, track)).join(new FakeTrack(kind).real);
  };
  const names = () => told.map(([name, data]) => (typeof data === 'string' ? `${name} ${data}` : name));
  const added = () => new Promise<RemoteStream>((resolve) => client.on('stream-added', ({ stream }) => resolve(stream)));

  const local = async (config: Parameters<typeof TRTC.createStream>[0] = { userId: 'me', audio: true, video: true }): Promise<LocalStream> => {
    const stream = TRTC.createStream(config);
    await stream.initialize();
    return stream;
  };

  const rejected = async (promise: Promise<unknown>): Promise<RtcError> => promise.then(
    () => Promise.reject(new Error('it did not reject')),
    (thrown: unknown) => thrown as RtcError,
  );

  describe('joins', () => {
    it('as an anchor in both modes unless told otherwise, and tells its states', async () => {
      make({ mode: 'live' });
      await client.join({ roomId: ROOM, privateMapKey: 'key' });
      expect(server.asked('enterRoom')[0]).toMatchObject({ room: 7, part: 'media', scene: 'live', role: 'anchor', privateMapKey: 'key' });
      expect(told).toEqual([
        ['connection-state-changed', { prevState: 'DISCONNECTED', state: 'CONNECTING' }],
        ['connection-state-changed', { prevState: 'CONNECTING', state: 'CONNECTED' }],
      ]);
      await client.leave();
      expect(told.at(-1)).toEqual(['connection-state-changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }]);
      expect(server.asked('leaveRoom')).toHaveLength(1);
    });

    it('as audience where it is asked to, in live mode only', async () => {
      await join({ mode: 'live' }, 'audience');
      expect(server.asked('enterRoom')[0]).toMatchObject({ role: 'audience' });
      await client.leave();
      await join({ mode: 'rtc' }, 'audience');
      expect(server.asked('enterRoom').at(-1)).toMatchObject({ scene: 'rtc', role: 'anchor' });
    });

    it('a room with a name', async () => {
      make({ useStringRoomId: true });
      await client.join({ roomId: '7' });
      expect(server.asked('enterRoom')[0]).toMatchObject({ room: '7' });
    });

    it('once at a time', async () => {
      await join();
      expect((await rejected(client.join({ roomId: 8 }))).getCode()).toBe(0x1001);
    });

    it('not where the server refuses, and may try again', async () => {
      make();
      const good = server.answers['enterRoom']!;
      server.answers['enterRoom'] = () => ({ refused: 'banned' });
      const error = await rejected(client.join({ roomId: ROOM }));
      expect([error.getCode(), error.getExtraCode()]).toEqual([0x4004, 3]);
      expect(client.media).toBeNull();
      expect(told.filter(([name]) => name === 'error')).toEqual([]);
      server.answers['enterRoom'] = good;
      await client.join({ roomId: ROOM });
    });

    it('not without an answer for 10 s', async () => {
      make();
      server.answers['enterRoom'] = () => undefined;
      const failed = rejected(client.join({ roomId: ROOM }));
      await vi.advanceTimersByTimeAsync(9_900);
      expect(client.media).toBeNull();
      await vi.advanceTimersByTimeAsync(200);
      expect((await failed).getCode()).toBe(0x404b);
    });

    it('not where it leaves meanwhile, and may join again at once', async () => {
      make();
      const aborted = rejected(client.join({ roomId: 8 }));
      await client.leave();
      expect((await aborted).getCode()).toBe(0x404d);
      expect(client.media).toBeNull();
      expect(server.asked('leaveRoom')).toHaveLength(1);
      told = [];
      const [first, second] = [rejected(client.join({ roomId: 8 })), client.leave().then(() => client.join({ roomId: ROOM }))];
      await settle();
      expect((await first).getCode()).toBe(0x404d);
      await second;
      expect(client.media!.room).toBe(ROOM);
      enters('ben');
      expect(names().at(-1)).toBe('peer-join');
      await client.leave();
    });

    it('and is told of nothing before the promise has resolved', async () => {
      server.answers['enterRoom'] = () => ({ result: entered('anchor', [anchor('ben', BOTH)]) });
      make();
      let before: string[] = [];
      await client.join({ roomId: ROOM }).then(() => (before = names()));
      expect(before.filter((name) => !name.startsWith('connection'))).toEqual([]);
      await settle();
      expect(names().slice(2)).toEqual(['peer-join', 'stream-added ben/main']);
    });
  });

  describe('receives', () => {
    it('what comes by itself: added, then subscribed when media has come, then removed', async () => {
      await join();
      enters('ben');
      publish('ben', BOTH);
      await settle();
      expect(names()).toEqual(['peer-join', 'stream-added ben/main']);
      expect(server.asked('subscribe')[0]).toMatchObject({ room: 7, user: 'ben', track: 'main', audio: true, video: true });
      arrive('ben', 'main', ['audio']);
      await settle();
      expect(names()).not.toContain('stream-subscribed ben/main');
      arrive('ben', 'main', ['video']);
      await settle();
      publish('ben', null);
      server.tell({ event: 'anchorLeft', room: ROOM, user: 'ben', reason: 'left' });
      await settle();
      expect(names()).toEqual(['peer-join', 'stream-added ben/main', 'stream-subscribed ben/main', 'stream-removed ben/main', 'peer-leave']);
      expect(told[0]).toEqual(['peer-join', { userId: 'ben' }]);
      expect(told.at(-1)).toEqual(['peer-leave', { userId: 'ben' }]);
    });

    it('the sound of a picture that this browser has no codec for, and tells of that', async () => {
      await join();
      enters('ben');
      const ben = added();
      publish('ben', BOTH);
      const errors: [number, boolean][] = [];
      (await ben).on('error', (error) => errors.push([error.getCode(), error.fatal]));
      await settle();
      arrive('ben', 'main', ['audio']);
      server.tell({ event: 'codecMissing', stream: streamOf('ben'), codec: 'H264' });
      await settle();
      expect(names()).toContain('stream-subscribed ben/main');
      expect(errors).toEqual([[0x4049, false]]);
      // Another publisher's codec, or another publication of ben's.
      arrive('ben', 'main', ['video']);
      server.tell({ event: 'codecMissing', stream: streamOf('ben'), codec: 'AV1' });
      await settle();
      expect(errors.at(-1)).toEqual([0x1002, false]);
    });

    it('only what it asks for, from within stream-added', async () => {
      make();
      const done: string[] = [];
      client.on('stream-added', ({ stream }) => void client.subscribe(stream, { video: false }).then(() => done.push('resolved')));
      await client.join({ roomId: ROOM });
      enters('ben');
      publish('ben', BOTH);
      await settle();
      arrive('ben', 'main', ['audio']);
      await settle();
      expect(server.asked('subscribe').map(({ audio, video }) => [audio, video])).toEqual([[true, false]]);
      expect(done).toEqual(['resolved']);
      expect(names().filter((name) => name === 'stream-subscribed ben/main')).toHaveLength(1);
    });

    it('nothing by itself where it is told so, in either way', async () => {
      await join({ autoSubscribe: false });
      enters('ben');
      publish('ben', BOTH);
      await settle();
      await client.leave();
      make();
      client.setDefaultMuteRemoteStreams(true);
      await client.join({ roomId: ROOM });
      enters('ben');
      publish('ben', BOTH);
      await settle();
      expect(server.asked('subscribe')).toEqual([]);
    });

    it('screens as streams of type auxiliary', async () => {
      await join();
      enters('ben');
      const screen = added();
      publish('ben', { ...BOTH, hasAudio: false }, 'aux');
      const stream = await screen;
      expect([stream.getType(), stream.getUserId(), stream.hasAudio(), stream.hasVideo()]).toEqual(['auxiliary', 'ben', false, true]);
      await settle();
      arrive('ben', 'aux', ['video']);
      await settle();
      expect(names()).toEqual(['peer-join', 'stream-added ben/auxiliary', 'stream-subscribed ben/auxiliary']);
    });

    it('no more after unsubscribe', async () => {
      await join();
      enters('ben');
      const ben = added();
      publish('ben', BOTH);
      const stream = await ben;
      await settle();
      arrive('ben');
      await settle();
      expect(stream.getAudioTrack()).not.toBeNull();
      await client.unsubscribe(stream);
      expect(server.asked('unsubscribe')[0]).toMatchObject({ room: 7, user: 'ben', track: 'main' });
      expect([stream.getAudioTrack(), stream.getVideoTrack()]).toEqual([null, null]);
    });

    it('a stream whose connection has a state of its own', async () => {
      await join({ autoSubscribe: false });
      enters('ben');
      const ben = added();
      publish('ben', BOTH);
      const stream = await ben;
      const states: string[] = [];
      stream.on('connection-state-changed', ({ prevState, state }) => states.push(`${prevState} ${state}`));
      const failed = rejected(client.subscribe(stream));
      await vi.advanceTimersByTimeAsync(10_100);
      await failed;
      const done = client.subscribe(stream);
      await settle();
      arrive('ben');
      await done;
      await client.unsubscribe(stream);
      expect(states).toEqual([
        'DISCONNECTED CONNECTING', 'CONNECTING DISCONNECTED', 'DISCONNECTED CONNECTING', 'CONNECTING CONNECTED', 'CONNECTED DISCONNECTED',
      ]);
    });

    it('not what has no media for 10 s, and not what is gone', async () => {
      await join({ autoSubscribe: false });
      enters('ben');
      const ben = added();
      publish('ben', BOTH);
      const stream = await ben;
      const late = rejected(client.subscribe(stream));
      await vi.advanceTimersByTimeAsync(10_100);
      expect((await late).getCode()).toBe(0x4042);
      const cut = rejected(client.subscribe(stream));
      await settle();
      publish('ben', null);
      expect((await cut).getCode()).toBe(0x4010);
      expect((await rejected(client.subscribe(stream))).getCode()).toBe(0x4010);
    });

    it('the small picture of who sends one, and the large one again', async () => {
      await join();
      enters('ben');
      const [stream] = await Promise.all([added(), publish('ben', { ...BOTH, hasSmall: true })]);
      await settle();
      arrive('ben');
      await settle();
      const wishes = () => server.asked('subscribe').map(({ audio, video, picture }) => [audio, video, picture]);
      expect(wishes()).toEqual([[true, true, 'large']]);
      await client.setRemoteVideoStreamType(stream, 'small');
      await client.setRemoteVideoStreamType(stream, 'small');
      expect(wishes().slice(1)).toEqual([[true, true, 'small']]);
      await client.subscribe(stream, { video: false });
      await client.setRemoteVideoStreamType(stream, 'big');
      expect(wishes().slice(2)).toEqual([[true, false, 'small'], [true, false, 'large']]);

      server.answers['subscribe'] = () => ({ refused: 'notLive' });
      expect((await rejected(client.setRemoteVideoStreamType(stream, 'small'))).getCode()).toBe(0xffff);
      server.answers['subscribe'] = () => ({ result: { stream: streamOf('ben') } });
      await client.unsubscribe(stream);
      await client.setRemoteVideoStreamType(stream, 'small');
      const again = client.subscribe(stream);
      await settle();
      arrive('ben');
      await again;
      expect(wishes().at(-1)).toEqual([true, true, 'small']);

      publish('ben', BOTH);
      expect((await rejected(client.setRemoteVideoStreamType(stream, 'small'))).getCode()).toBe(0x1001);
    });

    it('neither sound nor picture only by unsubscribe', async () => {
      await join({ autoSubscribe: false });
      enters('ben');
      const ben = added();
      publish('ben', BOTH);
      expect((await rejected(client.subscribe(await ben, { audio: false, video: false }))).getCode()).toBe(0x1000);
    });
  });

  describe('tells', () => {
    it('who mutes what, also of those who were muted when they came', async () => {
      server.answers['enterRoom'] = () => ({ result: entered('anchor', [anchor('ben', { ...BOTH, audioMuted: true })]) });
      make();
      await client.join({ roomId: ROOM });
      await settle();
      publish('ben', { ...BOTH, videoMuted: true });
      publish('ben', BOTH);
      await settle();
      expect(told.slice(2).map(([name, data]) => [name, data])).toEqual([
        ['peer-join', { userId: 'ben' }], ['stream-added', 'ben/main'], ['mute-audio', { userId: 'ben' }],
        ['unmute-audio', { userId: 'ben' }], ['mute-video', { userId: 'ben' }], ['unmute-video', { userId: 'ben' }],
      ]);
    });

    it('what changes in a stream', async () => {
      await join();
      enters('ben');
      publish('ben', { ...BOTH, hasVideo: false });
      publish('ben', BOTH);
      await settle();
      expect(names()).toEqual(['peer-join', 'stream-added ben/main', 'stream-updated ben/main']);
      expect(client.getRemoteMutedState()).toEqual([{ userId: 'ben', hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false }]);
    });

    it.each(['kick', 'room-disband'] as const)('why it is out of the room: %s', async (reason) => {
      await join();
      server.tell({ event: 'removed', room: ROOM, reason, message: 'why' });
      expect(told).toEqual([
        ['connection-state-changed', { prevState: 'CONNECTED', state: 'DISCONNECTED' }], ['client-banned', { reason, message: 'why' }],
      ]);
      expect(client.media).toBeNull();
    });

    it('that the same user has come from elsewhere', async () => {
      await join();
      server.socket.end(4001, 'logged in elsewhere');
      await settle();
      expect(told.at(-1)).toEqual(['client-banned', { reason: 'banned', message: expect.stringContaining('elsewhere') }]);
    });

    it('the quality of the network as it is', async () => {
      await join();
      const quality = { uplinkNetworkQuality: 1, downlinkNetworkQuality: 2, uplinkRTT: 20, uplinkLoss: 0, downlinkRTT: 30, downlinkLoss: 1 };
      server.tell({ event: 'networkQuality', ...quality });
      expect(told).toEqual([['network-quality', quality]]);
    });

    it('how loud each stream is, as often as it is asked to', async () => {
      await join();
      enters('ben');
      publish('ben', BOTH);
      await settle();
      const results: ClientEvents['audio-volume'][] = [];
      client.on('audio-volume', (event) => results.push(event));
      expect(server.asked('listenVolumes')).toEqual([]);
      client.enableAudioVolumeEvaluation(500);
      await settle();
      expect(server.asked('listenVolumes').at(-1)).toMatchObject({ room: 7, intervalMs: 500 });
      server.tell({ event: 'volumes', room: ROOM, volumes: [{ user: 'ben', volume: 42 }] });
      await vi.advanceTimersByTimeAsync(1_000);
      expect(results.length).toBeGreaterThanOrEqual(1);
      expect(results.at(-1)!.result.map(({ userId, audioVolume, stream }) => [userId, audioVolume, stream.getUserId()])).toEqual([['ben', 42, 'ben']]);
      client.enableAudioVolumeEvaluation(0);
      const before = results.length;
      await vi.advanceTimersByTimeAsync(2_000);
      expect(results).toHaveLength(before);
      expect(server.asked('listenVolumes').at(-1)).toMatchObject({ intervalMs: 0 });
    });

    it('a lost and found connection', async () => {
      await join();
      server.cut({ isUp: false });
      await settle();
      expect(told).toEqual([['connection-state-changed', { prevState: 'CONNECTED', state: 'RECONNECTING' }]]);
      server.isUp = true;
      await vi.advanceTimersByTimeAsync(10_000);
      expect(told.at(-1)).toEqual(['connection-state-changed', { prevState: 'RECONNECTING', state: 'CONNECTED' }]);
    });

    it('once that nothing can be received any more', async () => {
      await join();
      for (let loss = 0; loss < 4; loss += 1) server.tell({ event: 'receiverClosed', message: 'gone' });
      await settle();
      expect(told.map(([name, error]) => [name, (error as RtcError).getCode()])).toEqual([['error', 0x4008]]);
    });

    it('an error where the room cannot be entered again', async () => {
      await join();
      server.answers['enterRoom'] = () => ({ refused: 'banned' });
      server.cut({ knows: false });
      await vi.advanceTimersByTimeAsync(5_000);
      const [, error] = told.find(([name]) => name === 'error') as [string, RtcError];
      expect([error.getCode(), error.fatal]).toEqual([0x4006, true]);
      expect(client.media).toBeNull();
    });

    it('handlers by their context, until they are removed', async () => {
      await join();
      const page = { seen: 0 };
      const count = function (this: typeof page) {
        this.seen += 1;
      };
      client.on('peer-join', count, page);
      enters('ben');
      client.off('peer-join', count);
      enters('carol');
      expect(page.seen).toBe(1);
      client.off('*');
      told = [];
      enters('dan');
      expect(told).toEqual([]);
    });

    it('the other handlers where one throws', async () => {
      vi.spyOn(console, 'error').mockReturnValue();
      await join();
      client.off('*');
      const second = vi.fn();
      client.on('peer-join', () => {
        throw new Error('a fault of the page');
      });
      client.on('peer-join', second);
      enters('ben');
      expect(second).toHaveBeenCalledWith({ userId: 'ben' });
    });
  });

  describe('publishes', () => {
    it('a stream, and its changes', async () => {
      await join({ streamId: 'show' });
      const stream = await local();
      const states: unknown[] = [];
      stream.on('connection-state-changed', (state) => states.push(state));
      await client.publish(stream);
      expect(server.asked('publish')[0]).toMatchObject({ room: 7, track: 'main', streamId: 'show', publication: { hasAudio: true, hasVideo: true, hasSmall: false } });
      expect(states).toEqual([{ prevState: 'DISCONNECTED', state: 'CONNECTING' }, { prevState: 'CONNECTING', state: 'CONNECTED' }]);
      expect(stream.muteAudio()).toBe(true);
      await settle();
      expect(server.asked('muteTrack')[0]).toMatchObject({ track: 'main', audio: true });
      await stream.removeTrack(stream.getVideoTrack()!);
      await settle();
      expect(server.asked('updatePublication')[0]).toMatchObject({ publication: { hasAudio: true, hasVideo: false, audioMuted: true } });
      await client.unpublish(stream);
      expect(server.asked('unpublish')[0]).toMatchObject({ track: 'main' });
      expect(states.at(-1)).toEqual({ prevState: 'CONNECTED', state: 'DISCONNECTED' });
      stream.close();
    });

    it('a screen beside the camera, under an id of its own', async () => {
      await join({ streamId: 'show' });
      const [camera, screen] = [await local(), await local({ screen: true })];
      await client.publish(camera);
      expect((await rejected(client.publish(screen))).getCode()).toBe(0x1001);
      await client.publish(screen, { isAuxiliary: true });
      const [, aux] = server.asked('publish');
      expect([aux?.['track'], aux?.['streamId']]).toEqual(['aux', undefined]);
    });

    it('not as audience, until it switches its role; and then no more', async () => {
      await join({ mode: 'live' }, 'audience');
      const stream = await local();
      const error = await rejected(client.publish(stream));
      expect([error.getCode(), error.message.includes('switchRole')]).toEqual([0x1001, true]);
      await client.switchRole('anchor');
      await client.publish(stream);
      await client.switchRole('audience');
      expect(server.asked('switchRole').map(({ role }) => role)).toEqual(['anchor', 'audience']);
      expect((await rejected(client.unpublish(stream))).getCode()).toBe(0x1001);
      expect(FakePeer.all[0]?.connectionState).toBe('closed');
    });

    it('not before join, not what is not initialized, not anything else', async () => {
      make();
      expect((await rejected(client.publish(TRTC.createStream({ audio: true })))).getCode()).toBe(0x1001);
      await client.join({ roomId: ROOM });
      expect((await rejected(client.publish(TRTC.createStream({ audio: true })))).message).toContain('initialize');
      expect((await rejected(client.publish({} as LocalStream))).getCode()).toBe(0x1000);
    });

    it('not where no media flows, and ends it', async () => {
      ConnectingPeer.connects = false;
      await join();
      const failed = rejected(client.publish(await local()));
      await vi.advanceTimersByTimeAsync(15_500);
      expect((await failed).getCode()).toBe(0x404b);
      expect(server.asked('unpublish')).toHaveLength(1);
    });

    it('not what the browser can make no offer of', async () => {
      await join();
      vi.spyOn(ConnectingPeer.prototype, 'createOffer').mockRejectedValue(new DOMException('no codec', 'OperationError'));
      expect((await rejected(client.publish(await local()))).getCode()).toBe(0x4005);
    });

    it('with another microphone for one that is gone, and says which are in use', async () => {
      const stream = await local();
      const recovered = new Promise((resolve) => stream.on('device-auto-recovered', resolve));
      (stream.getAudioTrack() as unknown as FakeTrack).end();
      expect(await recovered).toEqual({ isCamera: false, isMicrophone: true, cameraId: 'cam1', microphoneId: 'mic1' });
      stream.close();
    });

    it("not what the server refuses, under the server's code", async () => {
      await join();
      server.answers['publish'] = () => ({ refused: 'noCommonCodec' });
      const stream = await local();
      const error = await rejected(client.publish(stream));
      expect([error.extraCode, error.advice]).toEqual([3, 'Read the message; the request was understood and refused.']);
      delete server.answers['publish'];
    });

    it('a small picture too, in the shape that was asked for', async () => {
      await join();
      await client.setSmallStreamProfile({ width: 320, height: 240, bitrate: 200, frameRate: 10 });
      await client.enableSmallStream();
      const stream = await local();
      await client.publish(stream);
      expect(server.asked('publish')[0]).toMatchObject({ publication: { hasSmall: true } });
      const encodings = FakePeer.last.senders[1]!.parameters.encodings;
      expect(encodings).toEqual(expect.arrayContaining([expect.objectContaining({ scaleResolutionDownBy: 2, maxBitrate: 200_000, maxFramerate: 10 })]));
      expect((await rejected(client.disableSmallStream())).getCode()).toBe(0x1001);
      expect((await rejected(client.setSmallStreamProfile({ width: 0, height: 1, bitrate: 1, frameRate: 1 }))).getCode()).toBe(0x1000);
    });
  });

  describe('offers', () => {
    it('FLV and HLS addresses under an id of its own, where it publishes', async () => {
      await join();
      expect((await rejected(client.startPublishCDNStream())).getCode()).toBe(0x1001);
      await client.publish(await local());
      await client.startPublishCDNStream({ streamId: 'mine' });
      await client.stopPublishCDNStream();
      expect(server.asked('startRelay')[0]).toMatchObject({ room: 7, track: 'main', streamId: 'mine' });
      expect(server.asked('stopRelay')).toHaveLength(1);
      expect((await rejected(client.startPublishCDNStream({ streamId: 'a b' }))).getCode()).toBe(0x1000);
      expect((await rejected(client.startPublishCDNStream({ url: 'rtmp://elsewhere', appId: 1, bizId: 2 }))).getCode()).toBe(0x4045);
      const peer = FakePeer.last as ConnectingPeer;
      peer.stats = new Map([['v', { id: 'v', type: 'outbound-rtp', kind: 'video', codecId: 'c', bytesSent: 1 }], ['c', { id: 'c', type: 'codec', mimeType: 'video/VP8' }]]);
      expect((await rejected(client.startPublishCDNStream())).getCode()).toBe(0x4049);
      peer.stats.clear();
      server.answers['startRelay'] = () => undefined;
      const late = rejected(client.startPublishCDNStream());
      await vi.advanceTimersByTimeAsync(5_100);
      expect((await late).getCode()).toBe(0x404b);
    });

    it('no mixing, and says so', async () => {
      await join();
      const config = { mixUsers: [{ userId: 'me', width: 640, height: 480, zOrder: 1 }] };
      expect((await rejected(client.startMixTranscode(config))).getCode()).toBe(0x4047);
      expect((await rejected(client.stopMixTranscode())).getCode()).toBe(0x4048);
    });

    it('SEI messages only as documented', async () => {
      await join();
      const send = (data: unknown, options = {}) => () => client.sendSEIMessage(data as ArrayBuffer, options);
      const codeOf = (call: () => void) => {
        try {
          call();
        } catch (thrown) {
          return (thrown as RtcError).getCode();
        }
        return 0;
      };
      expect([send('text'), send(new ArrayBuffer(0)), send(new ArrayBuffer(1_001)), send(new ArrayBuffer(1), { seiPayloadType: 4 })].map(codeOf)).toEqual([0x1000, 0x1000, 0x1000, 0x1000]);
      expect(codeOf(send(new ArrayBuffer(1)))).toBe(0x1001);
    });

    it('SEI messages not in VP8', async () => {
      server.answers['publish'] = () => ({ result: { answer: 'm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n', etag: 'e1', stream: 's', relay: null } });
      await join({ enableSEI: true });
      await client.publish(await local());
      expect(() => client.sendSEIMessage(new ArrayBuffer(1))).toThrow(/VP8; allowed is H264/);
    });

    it('statistics of what it sends and receives', async () => {
      await join();
      await client.publish(await local());
      const peer = FakePeer.last as ConnectingPeer;
      peer.stats = new Map<string, Record<string, unknown>>([
        ['a', { id: 'a', type: 'outbound-rtp', kind: 'audio', bytesSent: 10, packetsSent: 1 }],
        ['v', { id: 'v', type: 'outbound-rtp', kind: 'video', bytesSent: 20, packetsSent: 2, framesEncoded: 3, framesSent: 4, frameWidth: 640, frameHeight: 480 }],
      ]);
      expect(await client.getLocalAudioStats()).toEqual({ me: { bytesSent: 10, packetsSent: 1 } });
      expect(await client.getLocalVideoStats()).toEqual({ me: { bytesSent: 20, packetsSent: 2, framesEncoded: 3, framesSent: 4, frameWidth: 640, frameHeight: 480 } });
      expect(await client.getRemoteAudioStats()).toEqual({});
      expect(await client.getRemoteVideoStats('auxiliary')).toEqual({});
      expect(await client.getTransportStats()).toEqual({ rtt: 0, downlinksRTT: {} });
    });

    it('a new PrivateMapKey and nothing else of its experiments', async () => {
      await join();
      await client.callExperimentalAPI('updatePrivateMapKey', { privateMapKey: 'new' });
      expect(server.asked('updatePrivateMapKey')[0]).toMatchObject({ room: 7, privateMapKey: 'new' });
      expect((await rejected(client.callExperimentalAPI('other'))).getCode()).toBe(0x1002);
    });

    it('a way through a proxy and TURN servers, before it joins', async () => {
      make();
      client.setProxyServer({ websocketProxy: 'wss://proxy.test' });
      client.setTurnServer([{ url: 'turn.test:3478', username: 'u', credential: 'c' }]);
      await client.join({ roomId: ROOM });
      expect(server.socket.url).toBe('wss://proxy.test/signal');
      expect(client.media!.session.iceServers).toEqual([{ urls: 'turn:turn.test:3478', username: 'u', credential: 'c' }]);
      expect(() => client.setProxyServer('wss://other.test')).toThrow(/before join/);
      expect(() => client.setTurnServer([])).toThrow(/before join/);
    });

    it('nothing more once it is destroyed, which is possible outside of a room only', async () => {
      await join();
      expect(() => client.destroy()).toThrow(/leave first/);
      await client.leave();
      client.destroy();
      expect((await rejected(client.join({ roomId: ROOM }))).getCode()).toBe(0x1001);
    });
  });

  describe('asks for a click', () => {
    const refuse = () => vi.spyOn(HTMLMediaElement.prototype, 'play').mockImplementation(function (this: HTMLMediaElement) {
      return this.muted ? Promise.resolve() : Promise.reject(new DOMException('gesture', 'NotAllowedError'));
    });

    const hear = async (config: Partial<ClientConfig>): Promise<{ stream: RemoteStream; error: RtcError }> => {
      document.body.innerHTML = '<div id="box"></div>';
      await join(config);
      enters('ben');
      const ben = added();
      publish('ben', { ...BOTH, hasVideo: false });
      const stream = await ben;
      await settle();
      arrive('ben', 'main', ['audio']);
      return { stream, error: await rejected(stream.play('box')) };
    };

    it('where the browser refuses sound, and plays after it', async () => {
      const plays = refuse();
      const { error } = await hear({});
      expect(error.getCode()).toBe(0x4043);
      const dialog = document.querySelector('dialog')!;
      expect(dialog.getAttribute('aria-labelledby')).toBe(dialog.querySelector('p')!.id);
      plays.mockClear();
      plays.mockResolvedValue(undefined);
      dialog.querySelector('button')!.click();
      await settle();
      expect(plays).toHaveBeenCalled();
      expect(document.querySelector('dialog')).toBeNull();
    });

    it('in the language of the page, and after Escape by whatever is clicked next', async () => {
      document.documentElement.lang = 'ko-KR';
      const plays = refuse();
      await hear({});
      const dialog = document.querySelector('dialog')!;
      expect([dialog.lang, dialog.querySelector('button')!.textContent]).toEqual(['ko', '재생']);
      document.documentElement.lang = '';
      dialog.dispatchEvent(new Event('cancel', { cancelable: true }));
      await settle();
      expect(document.querySelector('dialog')).toBeNull();
      plays.mockClear();
      plays.mockResolvedValue(undefined);
      document.body.dispatchEvent(new Event('pointerup', { bubbles: true }));
      await settle();
      expect(plays).toHaveBeenCalledTimes(1);
    });

    it('no longer when it plays', async () => {
      refuse();
      await hear({});
      document.querySelector('audio')!.dispatchEvent(new Event('playing'));
      expect(document.querySelector('dialog')).toBeNull();
    });

    it('no longer when the stream has gone', async () => {
      refuse();
      await hear({});
      publish('ben', null);
      expect(document.querySelector('dialog')).toBeNull();
    });

    it('not where the page does it itself', async () => {
      refuse();
      const { error } = await hear({ enableAutoPlayDialog: false });
      expect(error.getCode()).toBe(0x4043);
      expect(document.querySelector('dialog')).toBeNull();
    });
  });
});

const idOf = (stream: RemoteStream) => `${stream.getUserId()}/${stream.getType()}`;
