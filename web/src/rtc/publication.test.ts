import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FakeServer } from '../signal/fake-server';
import { Session } from '../signal/session';
import { FakePeer, fakeTrack, sdp } from './fake-peer';
import { beginVirtualTime, endVirtualTime, tick } from './fixture';
import { LocalPublication, type PublishOptions } from './publication';

let server: FakeServer;
let session: Session;
let states: string[];
let errors: string[];

beforeEach(async () => {
  server = beginVirtualTime();
  server.answers['publish'] = () => ({ result: { answer: sdp('answer'), etag: 'e1', stream: '0_5_anna_main', relay: null } });
  server.answers['patchPublisher'] = (frame) =>
    frame['ifMatch'] === '*' ? { result: { etag: 'e2', fragment: 'a=ice-ufrag:new\r\na=ice-pwd:new\r\n' } } : { result: { etag: null, fragment: null } };
  session = new Session({ server: 'https://live.example', app: 0, user: 'anna' }, server.open);
  await session.ready;
});

afterEach(() => endVirtualTime(session));

async function published(options: PublishOptions = {}, tracks = [fakeTrack('audio'), fakeTrack('video')]): Promise<LocalPublication> {
  const publication = new LocalPublication(session, 5, 'main', tracks, options);
  states = [];
  errors = [];
  publication.on('state', (state) => states.push(state));
  publication.on('error', ({ type }) => errors.push(type));
  await publication.start();
  return publication;
}

async function flowing(options?: PublishOptions): Promise<LocalPublication> {
  const publication = await published(options);
  FakePeer.last.become('connected');
  await tick(6_000);
  return publication;
}

const restarts = () => server.asked('patchPublisher').filter((frame) => frame['ifMatch'] === '*');

describe('a publication', () => {
  it('offers sound and picture, takes the answer, and is connected when media flows', async () => {
    session.setIceServers([{ urls: 'stun:own.example' }]);
    const publication = await published({ streamId: 'show' });
    expect(server.asked('publish')[0]).toMatchObject({
      room: 5, track: 'main', streamId: 'show', offer: sdp('offer1'),
      publication: { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false },
    });
    expect(FakePeer.last.configuration.iceServers).toEqual([{ urls: 'stun:own.example' }]);
    expect(FakePeer.last.remoteDescription?.sdp).toBe(sdp('answer'));
    expect(publication.stream).toBe('0_5_anna_main');
    expect(publication.state).toBe('connecting');
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected']);
  });

  it('sends its candidates in bundles under the server\'s tag', async () => {
    await published();
    FakePeer.last.gather('candidate:1');
    FakePeer.last.gather('candidate:2');
    await tick(60);
    FakePeer.last.gather(null);
    await tick(60);
    const [first, second] = server.asked('patchPublisher');
    expect(first).toMatchObject({ room: 5, track: 'main', ifMatch: 'e1' });
    expect(first!['fragment']).toMatch(/a=candidate:1\r\na=candidate:2\r\n$/);
    expect(second!['fragment']).toMatch(/a=end-of-candidates\r\n$/);
  });

  it('that the server refuses rejects with the reason, and is over', async () => {
    server.answers['publish'] = () => ({ refused: 'audienceMayNotPublish' });
    await expect(published()).rejects.toMatchObject({ type: 'refused', reason: 'audienceMayNotPublish' });
    expect(states).toEqual(['closed']);
    expect(FakePeer.last.signalingState).toBe('closed');
  });

  it('tells when the relay plays it, and when it no longer does', async () => {
    const publication = await published();
    const heard: unknown[] = [];
    publication.on('relay', (relay) => heard.push(relay?.stream ?? null));
    const relay = { stream: 'show', flv: '/live/show.flv', hls: '/live/show.m3u8' };
    server.tell({ event: 'relayStarted', room: 5, track: 'aux', relay });
    server.tell({ event: 'relayStarted', room: 5, track: 'main', relay });
    // Under another id now: the old one stops after that.
    server.tell({ event: 'relayStarted', room: 5, track: 'main', relay: { ...relay, stream: 'other' } });
    server.tell({ event: 'relayStopped', room: 5, track: 'main', stream: 'show' });
    expect(publication.relay?.stream).toBe('other');
    server.tell({ event: 'relayStopped', room: 5, track: 'main', stream: 'other' });
    expect(heard).toEqual(['show', 'other', null]);
  });

  it('ends, and the server is told once', async () => {
    const publication = await flowing();
    await publication.stop();
    await publication.stop();
    expect(server.asked('unpublish')).toHaveLength(1);
    expect(publication.state).toBe('closed');
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    await tick(20_000);
    expect(server.asked('publish')).toHaveLength(1);
  });
});

describe('bounds and pictures', () => {
  it('are set on the large picture; the small one has its own', async () => {
    const publication = await flowing({ maxVideoBps: 900_000, maxAudioBps: 40_000, small: { width: 160, height: 120, bitrateBps: 100_000, framesPerSecond: 15 } });
    const [audio, video] = FakePeer.last.senders;
    expect(server.asked('publish')[0]!['publication']).toMatchObject({ hasSmall: true });
    expect(audio!.parameters.encodings).toEqual([{ maxBitrate: 40_000 }]);
    expect(video!.parameters.encodings).toEqual([
      { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 100_000, maxFramerate: 15 }, { rid: 'h', maxBitrate: 900_000 },
    ]);
    await publication.setBounds({ maxVideoBps: 500_000, degradationPreference: 'maintain-resolution' });
    expect(video!.parameters).toMatchObject({ encodings: [{ maxBitrate: 100_000 }, { maxBitrate: 500_000 }], degradationPreference: 'maintain-resolution' });
  });

  it('have no small one of a picture that is small itself', async () => {
    await published({ small: { width: 160, height: 120, bitrateBps: 100_000, framesPerSecond: 15 } }, [fakeTrack('video', false, 240)]);
    expect(server.asked('publish')[0]!['publication']).toMatchObject({ hasVideo: true, hasSmall: false });
    expect(FakePeer.last.senders.flatMap(({ parameters }) => parameters.encodings?.filter(({ rid }) => rid !== undefined) ?? [])).toEqual([]);
  });

  it('are sent as far as somebody takes them, by each peer connection, and by whatever the page has stopped itself', async () => {
    const publication = await flowing({ maxVideoBps: 900_000, small: { width: 160, height: 120, bitrateBps: 100_000, framesPerSecond: 15 } });
    const active = () => FakePeer.last.senders.map(({ parameters }) => parameters.encodings.map(({ active }) => active));
    const want = async (picture: string, track = 'main') => {
      server.tell({ event: 'pictureWanted', room: 5, track, picture });
      await tick();
    };
    await want('large');
    await want('small', 'aux');
    expect(active()).toEqual([[undefined], [undefined, undefined]]);
    await want('small');
    expect(active()).toEqual([[undefined], [undefined, false]]);
    await want('small');
    await publication.setBounds({ maxVideoBps: 500_000 });
    expect(FakePeer.last.senders[1]!.parameters.encodings[1]).toMatchObject({ active: false, maxBitrate: 500_000 });
    // Another peer connection sends no more than this one.
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    await tick();
    FakePeer.last.become('connected');
    await tick();
    expect(FakePeer.all).toHaveLength(2);
    expect(active()).toEqual([[undefined], [undefined, false]]);
    await want('large');
    expect(active()).toEqual([[undefined], [undefined, true]]);
    // As a page may, by the sender that it was given.
    FakePeer.last.senders[1]!.parameters.encodings[1]!.active = false;
    await want('small');
    await want('large');
    expect(active()).toEqual([[undefined], [undefined, false]]);
  });

  it('of one picture alone are sent whatever is wanted', async () => {
    await flowing();
    server.tell({ event: 'pictureWanted', room: 5, track: 'main', picture: 'small' });
    await tick();
    expect(FakePeer.last.senders[1]!.parameters.encodings).toEqual([{}]);
  });

  it('change one after the other, and a refusal changes nothing', async () => {
    await flowing({ small: { width: 160, height: 120, bitrateBps: 100_000, framesPerSecond: 15 } });
    const sender = FakePeer.last.senders[1]!;
    const set = sender.setParameters;
    let open = 0;
    sender.setParameters = async (parameters) => {
      expect((open += 1)).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await set(parameters);
      open -= 1;
    };
    for (const picture of ['small', 'large', 'small']) server.tell({ event: 'pictureWanted', room: 5, track: 'main', picture });
    await tick(200);
    expect(sender.parameters.encodings[1]!.active).toBe(false);
    sender.setParameters = async () => Promise.reject(new DOMException('not now', 'InvalidStateError'));
    server.tell({ event: 'pictureWanted', room: 5, track: 'main', picture: 'large' });
    await tick();
    sender.setParameters = set;
    server.tell({ event: 'pictureWanted', room: 5, track: 'main', picture: 'large' });
    await tick();
    expect(sender.parameters.encodings[1]!.active).toBe(true);
  });

  it('are asked for in stereo by what the other side is said to want', async () => {
    await published({ stereo: true });
    expect(FakePeer.last.remoteDescription?.sdp).toContain('a=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1\r\n');
  });

  it('change their track without an offer, and the room is told where that changes what there is', async () => {
    const publication = await flowing();
    const next = fakeTrack('video');
    await publication.replaceTrack('video', next);
    expect(FakePeer.last.senders[1]!.track).toBe(next);
    expect(server.asked('updatePublication')).toHaveLength(0);
    await publication.replaceTrack('video', null);
    expect(server.asked('updatePublication').at(-1)).toMatchObject({ publication: { hasAudio: true, hasVideo: false } });
    // A publication of nothing is refused: what there was last is muted.
    await publication.replaceTrack('audio', null);
    expect(server.asked('updatePublication').at(-1)).toMatchObject({ publication: { hasAudio: true, audioMuted: true, hasVideo: false } });
    await publication.replaceTrack('video', next);
    expect(server.asked('updatePublication').at(-1)).toMatchObject({ publication: { hasAudio: false, hasVideo: true, videoMuted: false } });
    expect(server.asked('publish')).toHaveLength(1);
  });

  it('that end are black, as large as before and in step with a worker, until there is another one', async () => {
    const painted = vi.fn();
    const [black, blacker, blackest] = [fakeTrack('video'), fakeTrack('video'), fakeTrack('video')];
    const tracks = [black, blacker, blackest];
    const canvas = () => ({ getContext: () => ({ fillRect: painted }), captureStream: () => ({ getVideoTracks: () => [tracks.shift()] }) });
    vi.stubGlobal('document', { createElement: canvas });
    vi.stubGlobal('HTMLCanvasElement', class {
      captureStream() {}
    });
    const workers: { onmessage?: () => void; onerror?: () => void; terminate: () => void }[] = [];
    vi.stubGlobal('Worker', class {
      terminate = vi.fn();
      constructor() {
        workers.push(this);
      }
    });
    const publication = await flowing();
    const [, sender] = FakePeer.last.senders;
    await publication.replaceTrack('video', null);
    await publication.replaceTrack('video', null);
    expect([sender!.track, publication.contents.hasVideo]).toEqual([black, false]);
    workers[0]!.onmessage!();
    expect(painted.mock.calls).toEqual([[0, 0, 640, 480], [0, 0, 640, 480]]);
    const next = fakeTrack('video');
    await publication.replaceTrack('video', next);
    expect([sender!.track, black.readyState, publication.contents.hasVideo]).toEqual([next, 'ended', true]);
    expect(workers[0]!.terminate).toHaveBeenCalledTimes(1);

    // A page that allows no such workers has timers.
    await publication.replaceTrack('video', null);
    workers[1]!.onerror!();
    painted.mockClear();
    await tick(1_000);
    expect(painted).toHaveBeenCalledTimes(10);
    // Black too on another peer connection.
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    await tick(100);
    expect([blacker.readyState, FakePeer.last.senders[1]!.track]).toEqual(['ended', blackest]);
    painted.mockClear();
    await publication.stop();
    await tick(1_000);
    expect([painted.mock.calls.length, blackest.readyState]).toEqual([0, 'ended']);
    vi.unstubAllGlobals();
  });

  it('that change while the offer is on its way are told behind it', async () => {
    server.answers['publish'] = () => undefined;
    const publication = new LocalPublication(session, 5, 'main', [fakeTrack('audio'), fakeTrack('video')], {});
    const started = publication.start();
    await tick();
    await publication.mute({ audio: true });
    const next = fakeTrack('video');
    const replaced = publication.replaceTrack('video', next);
    server.socket.answer(server.asked('publish')[0]!, { answer: sdp('answer'), etag: 'e1', stream: 's', relay: null });
    await Promise.all([started, replaced]);
    expect(server.asked('muteTrack')).toHaveLength(0);
    expect(server.asked('updatePublication')).toHaveLength(1);
    expect(server.asked('updatePublication')[0]).toMatchObject({ publication: { audioMuted: true } });
    expect(FakePeer.last.senders[1]!.track).toBe(next);
  });
});

describe('muting', () => {
  it('is told, kept for a new peer connection, and taken back where it is refused', async () => {
    const publication = await flowing();
    await publication.mute({ audio: true });
    expect(server.asked('muteTrack')[0]).toMatchObject({ room: 5, track: 'main', audio: true });
    server.answers['muteTrack'] = () => ({ refused: 'deviceLocked' });
    await expect(publication.mute({ audio: false })).rejects.toMatchObject({ reason: 'deviceLocked' });
    expect(publication.contents.audioMuted).toBe(true);
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    server.answers['muteTrack'] = () => ({ refused: 'notPublished' });
    await publication.mute({ video: true });
    await tick(2_000);
    expect(server.asked('publish')[1]).toMatchObject({ publication: { audioMuted: true, videoMuted: false } });
    expect(server.asked('updatePublication')[0]).toMatchObject({ publication: { audioMuted: true, videoMuted: true } });
  });
});

describe('a lost path', () => {
  it('is given a moment to heal by itself', async () => {
    await flowing();
    FakePeer.last.become('disconnected');
    await tick(1_400);
    FakePeer.last.become('connected');
    await tick(20_000);
    expect(restarts()).toHaveLength(0);
    expect(states).toEqual(['connected']);
  });

  it('is replaced by an ICE restart, with the server\'s new credentials', async () => {
    await flowing();
    FakePeer.last.become('disconnected');
    await tick(1_500);
    expect(states).toEqual(['connected', 'reconnecting']);
    expect(restarts()).toHaveLength(1);
    expect(restarts()[0]!['fragment']).toContain('a=ice-ufrag:restart2');
    expect(FakePeer.last.remoteDescription?.sdp).toContain('a=ice-ufrag:new');
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected', 'reconnecting', 'connected']);
    await tick(20_000);
    expect(FakePeer.all).toHaveLength(1);
    // The next loss has a restart of its own, with the TURN credentials that count by then.
    const iceServers = [{ urls: ['turn:t.example'], username: '9:anna', credential: 'new' }];
    server.tell({ event: 'iceServersRenewed', iceServers });
    FakePeer.last.become('failed');
    await tick();
    expect(restarts()).toHaveLength(2);
    expect(FakePeer.last.configuration.iceServers).toEqual(iceServers);
  });

  it('is published anew when the restart does not help, or is refused', async () => {
    await flowing();
    FakePeer.last.become('failed');
    await tick(4_100);
    expect(FakePeer.all).toHaveLength(2);
    expect(FakePeer.all[0]!.signalingState).toBe('closed');
    FakePeer.last.become('connected');
    await tick(6_000);
    server.answers['patchPublisher'] = () => ({ refused: 'noPeerConnection' });
    FakePeer.last.become('failed');
    await tick();
    expect(FakePeer.all).toHaveLength(3);
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected', 'reconnecting', 'connected', 'reconnecting', 'connected']);
  });

  it('is given up after six peer connections that did not stand', async () => {
    const publication = await flowing();
    FakePeer.last.become('failed');
    await tick(90_000);
    expect(errors).toEqual(['connection']);
    expect(publication.state).toBe('closed');
    expect(server.asked('publish')).toHaveLength(7);
    await tick(60_000);
    expect(server.asked('publish')).toHaveLength(7);
  });

  it('that the server announces is published anew at once', async () => {
    await flowing();
    server.tell({ event: 'publisherClosed', room: 5, track: 'aux', message: 'another one' });
    server.tell({ event: 'publisherClosed', room: 6, track: 'main', message: 'another one' });
    await tick();
    expect(FakePeer.all).toHaveLength(1);
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    await tick();
    expect(FakePeer.all).toHaveLength(2);
  });

  it.each(['busy', 'publicationChanged', 'timedOut'] as const)('is tried again where the server says %s for the moment', async (reason) => {
    await flowing();
    let refusals = 2;
    const accept = server.answers['publish']!;
    server.answers['publish'] = (frame) => (refusals-- > 0 ? { refused: reason } : accept(frame));
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    await tick(4_000);
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected', 'reconnecting', 'connected']);
    expect(errors).toEqual([]);
  });

  it('ends where the server refuses for good', async () => {
    await flowing();
    server.answers['publish'] = () => ({ refused: 'audienceMayNotPublish' });
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    await tick();
    expect(states.at(-1)).toBe('closed');
    expect(errors).toEqual(['refused']);
  });

  it('of a first connection that never stands is tried anew', async () => {
    await published();
    await tick(8_000);
    expect(restarts()).toHaveLength(0);
    await tick();
    expect(FakePeer.all).toHaveLength(2);
  });
});

describe('without the server', () => {
  it('nothing is tried and nothing given up, however long it takes; then ICE is restarted at once', async () => {
    const publication = await flowing();
    server.cut({ isUp: false });
    FakePeer.last.become('disconnected');
    await tick(20_000);
    FakePeer.last.become('failed');
    await tick(100_000);
    expect(publication.state).toBe('reconnecting');
    expect(server.asked('patchPublisher')).toHaveLength(0);
    server.isUp = true;
    await tick(6_500);
    expect(restarts()).toHaveLength(1);
    expect(FakePeer.all).toHaveLength(1);
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected', 'reconnecting', 'connected']);
  });

  it('a restart that was on its way is answered after the session was resumed, and not asked for twice', async () => {
    await flowing();
    const restart = server.answers['patchPublisher']!;
    server.answers['patchPublisher'] = () => undefined;
    FakePeer.last.become('failed');
    await tick();
    server.answers['patchPublisher'] = restart;
    server.cut({ isUp: false });
    await tick(15_000);
    server.isUp = true;
    await tick(1_500);
    expect(new Set(restarts().map(({ id }) => id)).size).toBe(1);
    expect(FakePeer.last.remoteDescription?.sdp).toContain('a=ice-ufrag:new');
    FakePeer.last.become('connected');
    expect(FakePeer.all).toHaveLength(1);
  });

  it('a new peer connection waits, without counting as one that did not stand', async () => {
    await flowing();
    server.tell({ event: 'publisherClosed', room: 5, track: 'main', message: 'gone' });
    server.cut({ isUp: false });
    await tick(90_000);
    expect(errors).toEqual([]);
    server.isUp = true;
    await tick(6_500);
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected', 'reconnecting', 'connected']);
  });

  it('that has forgotten the session, it is held until the room is entered', async () => {
    const publication = await flowing();
    session.on('renewed', () => publication.hold());
    server.cut({ knows: false });
    await tick(30_000);
    expect(FakePeer.all[0]!.signalingState).toBe('closed');
    expect(server.asked('publish')).toHaveLength(1);
    publication.restart();
    await tick();
    expect(server.asked('publish')).toHaveLength(2);
    FakePeer.last.become('connected');
    expect(states).toEqual(['connected', 'reconnecting', 'connected']);
  });
});
