// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePeer } from '../rtc/fake-peer';
import { anchor, ConnectingPeer, entered } from './fakes';
import { BOTH, ROOM, added, arrive, begin, client, end, enters, forget, join, local, make, names, publish, rejected, server, settle, told } from './fixture';
import type { ClientConfig, ClientEvents, RemoteStream, RtcError } from './index';

describe('a client', () => {
  beforeEach(begin);
  afterEach(end);

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
      forget();
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
      forget();
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
      await client.startPublishCDNStream({ url: 'rtmp://elsewhere.example/app/key', appId: 1, bizId: 2 });
      expect(server.asked('startPush')[0]).toMatchObject({ room: 7, track: 'main', url: 'rtmp://elsewhere.example/app/key' });
      server.answers['startPush'] = () => ({ refused: 'noPermission' });
      expect((await rejected(client.startPublishCDNStream({ url: 'rtmp://elsewhere.example/app/key' }))).getCode()).toBe(0x4045);
      expect(server.asked('stopRelay'), 'what it began for that is ended').toHaveLength(2);
      server.tell({ event: 'relayStarted', room: 7, track: 'main', relay: { stream: 'before', flv: '', hls: '' } });
      await rejected(client.startPublishCDNStream({ url: 'rtmp://elsewhere.example/app/key' }));
      await rejected(client.startPublishCDNStream({ url: 'rtmp://elsewhere.example/app/key', streamId: 'other' }));
      expect(server.asked('startRelay').slice(-2)).toMatchObject([{ streamId: 'other' }, { streamId: 'before' }]);
      expect(server.asked('stopRelay')).toHaveLength(2);
      const peer = FakePeer.last as ConnectingPeer;
      peer.stats = new Map([['v', { id: 'v', type: 'outbound-rtp', kind: 'video', codecId: 'c', bytesSent: 1 }], ['c', { id: 'c', type: 'codec', mimeType: 'video/VP8' }]]);
      const refused = await rejected(client.startPublishCDNStream());
      expect([refused.getCode(), refused.message]).toEqual([0x4049, expect.stringContaining('FLV and HLS do not carry video/VP8')]);
      for (const carried of ['VP9', 'AV1', 'H264']) {
        peer.stats.set('c', { id: 'c', type: 'codec', mimeType: `video/${carried}` });
        await client.startPublishCDNStream();
      }
      expect(server.asked('startRelay')).toHaveLength(9);
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
