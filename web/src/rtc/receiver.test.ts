import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeServer } from '../signal/fake-server';
import { Session } from '../signal/session';
import { FakePeer, FakeStream, FakeTrack, fakeTrack } from './fake-peer';
import { beginVirtualTime, endVirtualTime, tick } from './fixture';
import { Receiver } from './receiver';

let server: FakeServer;
let session: Session;
let receiver: Receiver;
let lost: string[];
let errors: { fatal: boolean }[];

beforeEach(async () => {
  server = beginVirtualTime();
  session = new Session({ server: 'https://live.example', app: 0, user: 'ben' }, server.open);
  await session.ready;
  receiver = Receiver.of(session);
  lost = [];
  errors = [];
  receiver.on('lost', (why) => lost.push(why));
  receiver.on('error', (error) => errors.push(error));
});

afterEach(() => endVirtualTime(session));

async function offer(revision: number): Promise<void> {
  server.tell({ event: 'offer', revision, sdp: `offer ${revision}` });
  await tick();
}

const answers = () => server.asked('answer').map((frame) => [frame['revision'], frame['sdp']]);
const kindsOf = (id: string) => receiver.reception(id).stream.getTracks().map(({ kind }) => kind).sort();
const iceRestarts = () => server.asked('receiverTrickle').filter((frame) => frame['fragment'] === undefined);

it('is one a session', () => {
  expect(Receiver.of(session)).toBe(receiver);
});

describe('offers', () => {
  it('are answered one after the other, each under its revision, by one peer connection', async () => {
    server.tell({ event: 'offer', revision: 1, sdp: 'offer 1' });
    server.tell({ event: 'offer', revision: 2, sdp: 'offer 2' });
    await tick();
    expect(answers()).toEqual([[1, 'answer to offer 1'], [2, 'answer to offer 2']]);
    expect(FakePeer.all).toHaveLength(1);
  });

  it('begin a new peer connection with their first revision', async () => {
    await offer(1);
    await offer(1);
    expect(FakePeer.all.map(({ signalingState }) => signalingState)).toEqual(['closed', 'stable']);
  });

  it('that come behind an end are left alone', async () => {
    await offer(1);
    receiver.close();
    await offer(2);
    expect(answers()).toHaveLength(1);
    expect(FakePeer.all).toHaveLength(1);
    expect(receiver.peer).toBeNull();
  });

  it('are answered though the socket is lost for longer than a request has', async () => {
    server.answers['answer'] = () => undefined;
    await offer(1);
    server.cut({ isUp: false });
    await tick(20_000);
    delete server.answers['answer'];
    server.isUp = true;
    await tick(1_500);
    expect(new Set(server.asked('answer').map(({ id }) => id)).size).toBe(1);
    await offer(2);
    expect(answers().at(-1)).toEqual([2, 'answer to offer 2']);
    expect(errors).toEqual([]);
  });

  it('that are overtaken are no fault, those that are refused are', async () => {
    server.answers['answer'] = () => ({ refused: 'wrongRevision' });
    await offer(1);
    expect(errors).toEqual([]);
    server.answers['answer'] = () => ({ refused: 'badSdp' });
    await offer(2);
    expect(errors).toMatchObject([{ fatal: false, type: 'refused' }]);
    server.answers['answer'] = () => ({ refused: 'noPeerConnection' });
    await offer(3);
    expect(receiver.peer).toBeNull();
    expect(errors).toHaveLength(1);
  });
});

describe('tracks', () => {
  const streams: FakeStream[] = [];
  const stream = (id: string) => {
    streams.push(new FakeStream(id));
    return streams.at(-1)!;
  };

  it('join what was subscribed to, before or after they come', async () => {
    const early = receiver.reception('a');
    const seen: string[] = [];
    early.on('track', ({ kind }) => seen.push(kind));
    await offer(1);
    FakePeer.last.bring(fakeTrack('audio'), stream('a'));
    FakePeer.last.bring(fakeTrack('video'), stream('b'));
    expect(seen).toEqual(['audio']);
    expect(kindsOf('b')).toEqual(['video']);
  });

  it('of a picture join when it moves, so that they do not hold the sound back', async () => {
    await offer(1);
    const [a, video] = [stream('a'), fakeTrack('video', true)];
    FakePeer.last.bring(fakeTrack('audio', true), a);
    FakePeer.last.bring(video, a);
    expect(kindsOf('a')).toEqual(['audio']);
    video.unmute();
    expect(kindsOf('a')).toEqual(['audio', 'video']);
  });

  it('of a line that is used again belong to the new publication alone', async () => {
    await offer(1);
    const [a, b, line] = [stream('a'), stream('b'), fakeTrack('video', true)];
    const gone: string[] = [];
    FakePeer.last.bring(line, a);
    receiver.reception('a').on('gone', ({ id }) => gone.push(id));
    // It never moved as a's, and now it is b's.
    a.lose(line);
    FakePeer.last.bring(line, b);
    line.unmute();
    expect([kindsOf('a'), kindsOf('b')]).toEqual([[], ['video']]);
    b.lose(line);
    FakePeer.last.bring(line, a);
    expect([kindsOf('a'), kindsOf('b')]).toEqual([['video'], []]);
    a.lose(line);
    expect(gone).toEqual([line.id]);
  });

  it('take the place of earlier ones of their kind, and leave when they end', async () => {
    await offer(1);
    const [first, second] = [fakeTrack('video'), fakeTrack('video')];
    FakePeer.last.bring(first, stream('a'));
    FakePeer.last.bring(second, stream('a'));
    expect(receiver.reception('a').stream.getTracks()).toEqual([second]);
    (second as FakeTrack).end();
    expect(kindsOf('a')).toEqual([]);
  });

  it('of a codec that this browser lacks do not come, which is told until one comes that can', async () => {
    await offer(1);
    const a = receiver.reception('a');
    const told: string[] = [];
    a.on('unplayable', ({ type, message }) => told.push(`${type}: ${message}`));
    server.tell({ event: 'codecMissing', stream: 'a', codec: 'H264' });
    server.tell({ event: 'codecMissing', stream: 'of another page', codec: 'H264' });
    expect(told).toEqual(['unsupported: no picture: this browser has no H264 in WebRTC']);
    expect(a.unplayable).not.toBeNull();
    FakePeer.last.bring(fakeTrack('audio'), stream('a'));
    expect(a.unplayable).not.toBeNull();
    FakePeer.last.bring(fakeTrack('video'), stream('a'));
    expect(a.unplayable).toBeNull();
  });

  it('stand while the path is too narrow for them, until they come again or all begins anew', async () => {
    await offer(1);
    const told: string[] = [];
    for (const id of ['a', 'b']) receiver.reception(id).on('paused', (isPaused) => told.push(`${id} ${isPaused ? 'stands' : 'goes on'}`));
    const tell = (stream: string, paused: boolean) => server.tell({ event: 'videoPaused', stream, paused });
    tell('a', true);
    tell('a', true);
    tell('of another page', true);
    expect([receiver.reception('a').isPaused, receiver.reception('b').isPaused]).toEqual([true, false]);
    tell('a', false);
    tell('b', false);
    tell('b', true);
    server.tell({ event: 'receiverClosed', message: 'gone' });
    expect(told).toEqual(['a stands', 'a goes on', 'b stands', 'b goes on']);
    expect(receiver.reception('b').isPaused).toBe(false);
  });

  it('are there again for who gives up a stream and wants it at once', async () => {
    await offer(1);
    FakePeer.last.bring(fakeTrack('audio'), stream('a'));
    const before = receiver.reception('a');
    receiver.forget('a');
    expect(before.stream.getTracks()).toEqual([]);
    expect(receiver.reception('a')).not.toBe(before);
    expect(kindsOf('a')).toEqual(['audio']);
  });
});

describe('a lost path', () => {
  const flowing = async () => {
    await offer(1);
    FakePeer.last.become('connected');
  };

  it('is given a moment, then ICE restarts are asked for until one helps', async () => {
    await flowing();
    FakePeer.last.become('disconnected');
    await tick(1_400);
    expect(iceRestarts()).toHaveLength(0);
    await tick(100);
    expect(iceRestarts()).toHaveLength(1);
    await offer(2);
    await tick(8_000);
    expect(iceRestarts()).toHaveLength(3);
    FakePeer.last.become('connected');
    await tick(20_000);
    expect(iceRestarts()).toHaveLength(3);
    expect(FakePeer.all).toHaveLength(1);
    expect(lost).toEqual([]);
  });

  it('is restarted as soon as the server can be reached again, not before', async () => {
    await flowing();
    server.cut({ isUp: false });
    FakePeer.last.become('disconnected');
    await tick(9_000);
    FakePeer.last.become('failed');
    expect(iceRestarts()).toHaveLength(0);
    server.isUp = true;
    await tick(1_300);
    expect(iceRestarts()).toHaveLength(1);
  });

  it('asks whether the server is there', async () => {
    await flowing();
    const pings = () => server.socket.frames.filter(({ type }) => type === 'ping').length;
    const before = pings();
    FakePeer.last.become('disconnected');
    expect(pings()).toBe(before + 1);
  });

  it('ends with the server\'s word, and what is wanted can be subscribed to again', async () => {
    await flowing();
    const track = fakeTrack('audio');
    FakePeer.last.bring(track, new FakeStream('a'));
    const reception = receiver.reception('a');
    server.tell({ event: 'receiverClosed', message: 'gone' });
    expect(lost).toEqual(['gone']);
    expect(receiver.peer).toBeNull();
    expect(reception.stream.getTracks()).toEqual([]);
    await offer(1);
    FakePeer.last.bring(fakeTrack('audio'), new FakeStream('a'));
    expect(receiver.reception('a')).toBe(reception);
    expect(kindsOf('a')).toEqual(['audio']);
  });

  it('that never stands is given up after three, with an error', async () => {
    for (let i = 0; i < 4; i += 1) {
      await offer(1);
      server.tell({ event: 'receiverClosed', message: 'no media' });
    }
    expect(lost).toHaveLength(3);
    expect(errors).toMatchObject([{ type: 'connection', fatal: true }]);
  });

  it('ends silently with the session', async () => {
    await flowing();
    server.cut({ knows: false });
    await tick(1);
    expect(receiver.peer).toBeNull();
    expect(lost).toEqual([]);
    await offer(1);
    expect(FakePeer.all).toHaveLength(2);
    await session.close();
    expect(receiver.peer).toBeNull();
  });
});
