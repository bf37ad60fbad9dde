import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MemberView, Publication } from '../protocol/messages';
import type { FakeServer } from '../signal/fake-server';
import { Session } from '../signal/session';
import { FakePeer, FakeStream, fakeTrack, sdp } from './fake-peer';
import { beginVirtualTime, endVirtualTime, tick } from './fixture';
import { RoomMedia } from './room-media';

const ROOM = 5;
const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };
const WANTED = { audio: true, video: true };
const BEN = { user: 'ben', track: 'main' } as const;

let server: FakeServer;
let session: Session;
let room: RoomMedia;
let told: string[];
/** What the room is entered with. */
let inside: { anchors: MemberView[]; role: string | null; coHosts: unknown[] };

beforeEach(async () => {
  server = beginVirtualTime();
  inside = { anchors: [], role: 'anchor', coHosts: [] };
  server.answers['enterRoom'] = () => ({ result: { info: {}, already: false, seats: [], ...inside } });
  server.answers['publish'] = () => ({ result: { answer: sdp('answer'), etag: 'e1', stream: '0_5_anna_main', relay: null } });
  server.answers['subscribe'] = (frame) => ({ result: { stream: `0_${String(frame['room'])}_${String(frame['user'])}_${String(frame['track'])}` } });
  session = new Session({ server: 'https://live.example', app: 0, user: 'anna' }, server.open);
  await session.ready;
  room = new RoomMedia(session, ROOM);
  told = [];
  room.on('state', ({ state }) => told.push(state));
  room.on('anchorEntered', ({ user }) => told.push(`${user} in`));
  room.on('anchorLeft', ({ user, reason }) => told.push(`${user} out: ${reason}`));
  room.on('publication', ({ room, user, track, publication }) => told.push(`${room}/${user}/${track} ${publication ? look(publication) : 'ends'}`));
  room.on('role', (role) => told.push(role));
  room.on('removed', ({ reason }) => told.push(`removed: ${reason}`));
  room.on('receivingFailed', ({ type }) => told.push(`receiving failed: ${type}`));
  room.on('error', ({ type, reason }) => told.push(`error: ${type} ${reason ?? ''}`.trim()));
});

afterEach(() => endVirtualTime(session));
const look = ({ hasAudio, hasVideo, audioMuted, videoMuted }: Publication) => `${hasAudio ? (audioMuted ? 'a' : 'A') : '-'}${hasVideo ? (videoMuted ? 'v' : 'V') : '-'}`;
const anchor = (user: string, main: Publication | null = null): MemberView => ({
  user, profile: { nick: user, avatar: '' }, rank: 'generalUser', role: 'anchor', tracks: { main, aux: null },
});
const types = () => server.requests.map(({ type }) => type);
/** What is told from now on. */
const from = (count: number) => told.slice(count);

describe('a room', () => {
  it('is entered with what is there, oneself apart, and left', async () => {
    inside.anchors = [anchor('anna', BOTH), anchor('ben', BOTH), anchor('carol')];
    await room.enter({ role: 'anchor', privateMapKey: 'key' });
    expect(server.asked('enterRoom')[0]).toMatchObject({ room: ROOM, part: 'media', role: 'anchor', privateMapKey: 'key' });
    expect(told).toEqual(['connecting', 'connected', 'anchor', 'ben in', '5/ben/main AV', 'carol in']);
    await room.leave();
    expect(types().at(-1)).toBe('leaveRoom');
    expect([room.state, room.anchors.size]).toEqual(['closed', 0]);
    server.tell({ event: 'anchorEntered', room: ROOM, user: 'dan', profile: {} });
    expect(told.at(-1)).toBe('closed');
  });

  it('that refuses is not entered, and may be tried again', async () => {
    server.answers['enterRoom'] = () => ({ refused: 'banned' });
    await expect(room.enter()).rejects.toMatchObject({ reason: 'banned' });
    expect(told).toEqual(['connecting', 'closed']);
    server.answers['enterRoom'] = () => ({ result: { ...inside, role: 'audience' } });
    await room.enter();
    await expect(room.enter()).rejects.toMatchObject({ type: 'state' });
    expect(room.role).toBe('audience');
  });

  it('that is left while it is entered stays left', async () => {
    server.answers['enterRoom'] = () => undefined;
    const entering = room.enter().catch((error: Error) => error.message);
    await tick();
    void room.leave();
    server.socket.answer(server.asked('enterRoom')[0]!, inside);
    expect(await entering).toContain('left meanwhile');
    expect(room.state).toBe('closed');
  });

  it('needs to be entered before anything else', async () => {
    await expect(room.publish('main', [])).rejects.toMatchObject({ type: 'state' });
    await expect(room.subscribe(BEN, WANTED)).rejects.toMatchObject({ type: 'state' });
    await expect(room.switchRole('anchor')).rejects.toMatchObject({ type: 'state' });
    expect(types()).toEqual([]);
  });
});

describe('who is there', () => {
  it('is told as it comes, changes and goes, of this room alone', async () => {
    await room.enter();
    const begin = told.length;
    const tell = (event: string, more: object) => server.tell({ event, room: ROOM, user: 'ben', ...more });
    tell('anchorEntered', { profile: { nick: 'Ben', avatar: '' } });
    tell('anchorEntered', { profile: { nick: 'Ben', avatar: '' } });
    tell('trackChanged', { track: 'main', publication: BOTH });
    tell('trackChanged', { track: 'main', publication: BOTH });
    tell('trackChanged', { track: 'main', publication: { ...BOTH, audioMuted: true } });
    tell('trackChanged', { track: 'aux', publication: { ...BOTH, hasAudio: false } });
    server.tell({ event: 'trackChanged', room: '5', user: 'ben', track: 'main', publication: null });
    server.tell({ event: 'anchorEntered', room: ROOM, user: 'anna', profile: {} });
    tell('profileChanged', { profile: { nick: 'Benny', avatar: '' } });
    expect(room.anchors.get('ben')?.profile.nick).toBe('Benny');
    tell('trackChanged', { track: 'main', publication: null });
    tell('anchorLeft', { reason: 'left' });
    tell('anchorLeft', { reason: 'left' });
    expect(from(begin)).toEqual([
      'ben in', '5/ben/main AV', '5/ben/main aV', '5/ben/aux -V', '5/ben/main ends', '5/ben/aux ends', 'ben out: left',
    ]);
  });

  it('in connected rooms is told with their ids', async () => {
    await room.enter();
    const begin = told.length;
    const there = (user: string, publication: Publication | null) => ({ room: 'next', owner: user, isMuted: false, anchors: [anchor(user, publication)] });
    server.tell({ event: 'coHostsChanged', room: ROOM, coHosts: [there('paul', null)] });
    server.tell({ event: 'coHostAnchors', room: ROOM, other: 'next', anchors: [anchor('paul', BOTH)] });
    server.tell({ event: 'coHostAnchors', room: ROOM, other: 'unheard of', anchors: [anchor('eve', BOTH)] });
    expect(room.coHosts).toHaveLength(1);
    await room.subscribe({ user: 'paul', track: 'main', room: 'next' }, WANTED);
    expect(server.asked('subscribe')[0]).toMatchObject({ room: 'next', user: 'paul', track: 'main', audio: true, video: true });
    server.tell({ event: 'coHostsChanged', room: ROOM, coHosts: [] });
    expect(from(begin)).toEqual(['next/paul/main AV', 'next/paul/main ends']);
  });

  it('and how loud and how good it is', async () => {
    await room.enter();
    const heard: unknown[] = [];
    for (const event of ['volumes', 'activeSpeaker', 'quality'] as const) room.on(event, (value) => heard.push(value));
    await room.listenVolumes(500);
    server.tell({ event: 'volumes', room: ROOM, volumes: [{ user: 'ben', volume: 7 }] });
    server.tell({ event: 'activeSpeaker', room: ROOM, user: 'ben' });
    server.tell({ event: 'networkQuality', uplinkNetworkQuality: 1, downlinkRTT: 20 });
    expect(heard).toEqual([[{ user: 'ben', volume: 7 }], 'ben', { uplinkNetworkQuality: 1, downlinkRTT: 20 }]);
  });
});

describe('subscribing', () => {
  it('gives what is received, and ends with the publication', async () => {
    inside.anchors = [anchor('ben', BOTH)];
    await room.enter();
    const reception = await room.subscribe(BEN, WANTED);
    expect(reception.id).toBe('0_5_ben_main');
    expect(await room.subscribe(BEN, { audio: true, video: false })).toBe(reception);
    server.tell({ event: 'offer', revision: 1, sdp: 'offer' });
    await tick();
    FakePeer.last.bring(fakeTrack('audio'), new FakeStream(reception.id));
    expect(reception.stream.getTracks()).toHaveLength(1);
    server.tell({ event: 'trackChanged', room: ROOM, user: 'ben', track: 'main', publication: null });
    expect(reception.stream.getTracks()).toHaveLength(0);
    server.answers['unsubscribe'] = () => ({ refused: 'notSubscribed' });
    await room.unsubscribe(BEN);
  });

  it('is done again when the server has lost the connection, and told when that does not help', async () => {
    inside.anchors = [anchor('ben', BOTH)];
    await room.enter();
    await room.subscribe(BEN, { audio: true, video: false });
    for (let i = 0; i < 4; i += 1) {
      server.tell({ event: 'receiverClosed', message: 'gone' });
      await tick();
    }
    expect(server.asked('subscribe').map(({ video }) => video)).toEqual([false, false, false, false]);
    expect(told.at(-1)).toBe('receiving failed: connection');
    expect(room.state).toBe('connected');
    // Wanting anything else tries again, for what was wanted before too.
    await room.subscribe({ user: 'carol', track: 'main' }, WANTED);
    await tick();
    expect(server.asked('subscribe').slice(4).map(({ user }) => user)).toEqual(['carol', 'ben']);
  });
});

describe('roles', () => {
  it('are switched, and the audience publishes nothing', async () => {
    await room.enter({ role: 'anchor' });
    const publication = await room.publish('main', [fakeTrack('audio')]);
    await expect(room.publish('main', [])).rejects.toMatchObject({ type: 'state' });
    expect(room.publication('main')).toBe(publication);
    await room.switchRole('audience');
    expect(publication.state).toBe('closed');
    expect(room.publication('main')).toBeNull();
    server.tell({ event: 'roleChanged', room: ROOM, role: 'anchor' });
    expect(told.slice(-2)).toEqual(['audience', 'anchor']);
    // What was switched to is what the room is entered as after a lost session.
    inside.role = 'anchor';
    server.cut({ knows: false });
    await tick(1);
    expect(server.asked('enterRoom').at(-1)).toMatchObject({ role: 'anchor' });
  });
});

describe('the room ends for one', () => {
  it.each(['kick', 'banned', 'room-disband'])('with the reason %s, and everything in it', async (reason) => {
    await room.enter({ role: 'anchor' });
    const publication = await room.publish('main', [fakeTrack('audio')]);
    server.tell({ event: 'removed', room: ROOM, reason, message: 'out' });
    expect(told.slice(-2)).toEqual(['closed', `removed: ${reason}`]);
    expect(publication.state).toBe('closed');
    await tick(60_000);
    expect(types()).toEqual(['enterRoom', 'publish']);
  });

  it('by a login elsewhere: told once, and nobody comes back', async () => {
    await room.enter({ role: 'anchor' });
    server.tell({ event: 'loggedOut', message: 'elsewhere' });
    server.tell({ event: 'removed', room: ROOM, reason: 'banned', message: 'elsewhere' });
    server.cut({ code: 4001 });
    await tick(60_000);
    expect(told.filter((line) => line.startsWith('removed'))).toEqual(['removed: banned']);
    expect(server.sockets).toHaveLength(1);
  });

  it('by a login elsewhere of which only the close code arrives', async () => {
    await room.enter({ role: 'anchor' });
    const publication = await room.publish('main', [fakeTrack('audio')]);
    server.cut({ code: 4001 });
    expect(told.slice(-2)).toEqual(['closed', 'removed: banned']);
    expect(publication.state).toBe('closed');
  });

  it('with its session: by the operator with an error, by logging out without', async () => {
    await room.enter();
    server.cut({ code: 4005 });
    expect(told.slice(-2)).toEqual(['closed', 'error: removed']);
    const other = new Session({ server: 'https://live.example', app: 0, user: 'anna' }, server.open);
    const second = new RoomMedia(other, ROOM);
    await second.enter();
    const seen = vi.fn();
    second.on('error', seen);
    await other.close();
    expect(second.state).toBe('closed');
    expect(seen).not.toHaveBeenCalled();
  });
});

describe('a lost socket', () => {
  it('changes nothing but the state', async () => {
    await room.enter();
    const begin = told.length;
    server.cut();
    await tick(1);
    expect(from(begin)).toEqual(['reconnecting', 'connected']);
    expect(types()).toEqual(['enterRoom']);
  });
});

describe('a lost session', () => {
  const live = async () => {
    inside.anchors = [anchor('ben', BOTH), anchor('carol', BOTH)];
    await room.enter({ role: 'anchor' });
    const publication = await room.publish('main', [fakeTrack('audio'), fakeTrack('video')]);
    FakePeer.last.become('connected');
    const reception = await room.subscribe(BEN, WANTED);
    await room.subscribe({ user: 'carol', track: 'main' }, WANTED);
    await room.listenVolumes(300);
    return { publication, reception };
  };

  it('is followed by entering, then publishing and subscribing again', async () => {
    const { publication, reception } = await live();
    const [begin, asked] = [told.length, server.requests.length];
    inside.anchors = [anchor('ben', BOTH)];
    server.cut({ knows: false });
    await tick(1);
    expect(from(begin)).toEqual(['reconnecting', 'connected', '5/carol/main ends', 'carol out: lost']);
    const [first, ...then] = types().slice(asked);
    expect([first, ...then.sort()]).toEqual(['enterRoom', 'listenVolumes', 'publish', 'subscribe']);
    expect(server.requests.slice(asked).find(({ type }) => type === 'subscribe')).toMatchObject({ user: 'ben' });
    FakePeer.last.become('connected');
    expect(publication.state).toBe('connected');
    server.tell({ event: 'offer', revision: 1, sdp: 'offer' });
    await tick();
    FakePeer.last.bring(fakeTrack('audio'), new FakeStream(reception.id));
    expect(reception.stream.getTracks()).toHaveLength(1);
  });

  it('is over only when the room is entered: nothing is asked of a room that one is not in', async () => {
    await live();
    const [begin, asked] = [told.length, server.requests.length];
    server.answers['enterRoom'] = () => undefined;
    server.cut({ knows: false });
    await tick(5_000);
    expect(from(begin)).toEqual(['reconnecting']);
    expect(types().slice(asked)).toEqual(['enterRoom']);
  });

  it('is followed again when the next one is lost while the room is entered', async () => {
    await live();
    const asked = server.requests.length;
    server.answers['enterRoom'] = () => undefined;
    server.cut({ knows: false });
    await tick(1_000);
    server.answers['enterRoom'] = () => ({ result: inside });
    server.cut({ knows: false });
    await tick(2_000);
    const [first, second, ...then] = types().slice(asked);
    expect([first, second, ...then.sort()]).toEqual(['enterRoom', 'enterRoom', 'listenVolumes', 'publish', 'subscribe', 'subscribe']);
    expect(room.state).toBe('connected');
  });

  it.each(['busy', 'timedOut'] as const)('is borne where the room cannot be entered for a while: %s', async (reason) => {
    const { publication } = await live();
    let refusals = 3;
    server.answers['enterRoom'] = () => (refusals-- > 0 ? { refused: reason } : { result: inside });
    server.cut({ knows: false });
    await tick(3_100);
    expect(room.state).toBe('connected');
    expect(publication.state).toBe('reconnecting');
    FakePeer.last.become('connected');
    expect(publication.state).toBe('connected');
  });

  it('ends the stay where the room refuses, with the reason', async () => {
    const { publication } = await live();
    server.answers['enterRoom'] = () => ({ refused: 'banned' });
    server.cut({ knows: false });
    await tick(1);
    expect(told.slice(-2)).toEqual(['closed', 'error: refused banned']);
    expect(publication.state).toBe('closed');
  });

  it('drops what one may no longer publish, and what nobody publishes any more', async () => {
    const { publication, reception } = await live();
    inside = { anchors: [anchor('ben', BOTH)], role: 'audience', coHosts: [] };
    server.answers['subscribe'] = () => ({ refused: 'notPublished' });
    const asked = server.requests.length;
    server.cut({ knows: false });
    await tick(1);
    expect(publication.state).toBe('closed');
    expect(told).toContain('audience');
    expect(types().slice(asked)).not.toContain('publish');
    expect(room.receiver.reception('0_5_ben_main')).not.toBe(reception);
  });

  it('and leaving meanwhile leaves it at that', async () => {
    await live();
    server.answers['enterRoom'] = () => undefined;
    server.cut({ knows: false });
    await tick(10);
    const pending = server.asked('enterRoom').at(-1)!;
    void room.leave();
    const asked = server.requests.length;
    server.socket.answer(pending, inside);
    await tick(5_000);
    expect(room.state).toBe('closed');
    expect(types().slice(asked).filter((type) => type !== 'leaveRoom')).toEqual([]);
  });
});

describe('a page that is closed', () => {
  it('ends what it publishes at once, unless the browser keeps it', async () => {
    const page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    await room.enter({ role: 'anchor' });
    await room.publish('main', [fakeTrack('audio')]);
    const hide = (persisted: boolean) => page.dispatchEvent(Object.assign(new Event('pagehide'), { persisted }));
    hide(true);
    await tick();
    expect(server.asked('unpublish')).toHaveLength(0);
    hide(false);
    expect(server.socket.frames.at(-1)).toMatchObject({ type: 'unpublish', track: 'main' });
    expect(FakePeer.last.signalingState).toBe('closed');
    await room.leave();
    hide(false);
  });
});
