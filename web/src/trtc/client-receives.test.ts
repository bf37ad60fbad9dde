// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { streamOf } from './fakes';
import { BOTH, ROOM, added, arrive, begin, client, end, enters, join, make, names, publish, rejected, server, settle, told } from './fixture';

describe('a client', () => {
  beforeEach(begin);
  afterEach(end);

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

    it('a picture that stands while its network is too slow, as one that is muted', async () => {
      await join();
      enters('ben');
      const ben = added();
      publish('ben', BOTH);
      const stream = await ben;
      const states: string[] = [];
      stream.on('player-state-changed', ({ type, state, reason }) => states.push(`${type} ${state} ${reason}`));
      await settle();
      arrive('ben');
      await settle();
      const pause = (paused: boolean) => server.tell({ event: 'videoPaused', stream: streamOf('ben'), paused });
      pause(true);
      pause(false);
      expect(states).toEqual([]);
      document.body.innerHTML = '<div id="ben"></div>';
      await stream.play('ben');
      states.length = 0;
      pause(true);
      pause(false);
      expect(states).toEqual(['video PAUSED mute', 'video PLAYING unmute']);
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

    it('late media all the same, where nobody but the client has asked for it', async () => {
      await join();
      enters('ben');
      publish('ben', BOTH);
      await vi.advanceTimersByTimeAsync(25_000);
      expect(names()).not.toContain('stream-subscribed ben/main');
      expect(server.asked('subscribe')).toHaveLength(3);
      arrive('ben');
      await settle();
      expect(names()).toContain('stream-subscribed ben/main');
      await vi.advanceTimersByTimeAsync(25_000);
      expect(server.asked('subscribe')).toHaveLength(3);
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
});
