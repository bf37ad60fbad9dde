// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePeer } from '../rtc/fake-peer';
import { FakeTrack } from '../streams/fakes';
import { ConnectingPeer } from './fakes';
import { ROOM, begin, client, end, join, local, make, rejected, server, settle } from './fixture';
import TRTC, { type LocalStream } from './index';

describe('a client', () => {
  beforeEach(begin);
  afterEach(end);

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
});
