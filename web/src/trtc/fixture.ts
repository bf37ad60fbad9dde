import { vi } from 'vitest';
import type { Publication } from '../protocol/messages';
import type { FakeServer } from '../signal/fake-server';
import { FakeTrack } from '../streams/fakes';
import { installBrowser, streamOf } from './fakes';
import TRTC, { type Client, type ClientConfig, type ClientEvents, type LocalStream, type RemoteStream, type RtcError } from './index';

export const ROOM = 7;
export const BOTH: Publication = { hasAudio: true, hasVideo: true, hasSmall: false, audioMuted: false, videoMuted: false };
const EVENTS: readonly (keyof ClientEvents)[] = [
  'stream-added', 'stream-removed', 'stream-subscribed', 'stream-updated', 'peer-join', 'peer-leave', 'mute-audio', 'unmute-audio', 'mute-video', 'unmute-video',
  'client-banned', 'network-quality', 'connection-state-changed', 'error',
];

/** The server, the client and what it has told, in its order. New for each test. */
export let server: FakeServer;
export let client: Client;
export let told: [string, unknown][];

/** For `beforeEach`. */
export function begin(): void {
  vi.useFakeTimers();
  ({ server } = installBrowser());
  forget();
}

/** For `afterEach`. */
export async function end(): Promise<void> {
  await settle();
  await client?.leave();
  await settle();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
}

/** Forgets what was told so far. */
export function forget(): void {
  told = [];
}

/** What was told, by name and stream. */
export const names = () => told.map(([name, data]) => (typeof data === 'string' ? `${name} ${data}` : name));

/** Lets promises and short timers run. */
export const settle = () => vi.advanceTimersByTimeAsync(100);

/** Makes the client. */
export function make(config: Partial<ClientConfig> = {}): Client {
  client = TRTC.createClient({ sdkAppId: 5, userId: 'me', userSig: 'sig', mode: 'rtc', server: 'http://live.test', ...config });
  for (const name of EVENTS) {
    client.on(name, (event: ClientEvents[typeof name]) => told.push([name, 'stream' in event ? idOf(event.stream) : event]));
  }
  return client;
}

/** Makes the client and joins the room. */
export async function join(config: Partial<ClientConfig> = {}, role?: 'anchor' | 'audience'): Promise<Client> {
  make(config);
  await client.join({ roomId: ROOM, ...(role && { role }) });
  await settle();
  forget();
  return client;
}

/** Somebody begins to publish, changes that or ends it. */
export const publish = (user: string, publication: Publication | null, track: 'main' | 'aux' = 'main') => server.tell({ event: 'trackChanged', room: ROOM, user, track, publication });

/** An anchor enters. */
export const enters = (user: string) => server.tell({ event: 'anchorEntered', room: ROOM, user, profile: { nick: '', avatar: '' } });

/** Media of somebody arrive. */
export function arrive(user: string, track = 'main', kinds: readonly ('audio' | 'video')[] = ['audio', 'video']): void {
  for (const kind of kinds) client.media!.receiver.reception(streamOf(user, track)).join(new FakeTrack(kind).real);
}

/** The next stream that is added. */
export const added = () => new Promise<RemoteStream>((resolve) => client.on('stream-added', ({ stream }) => resolve(stream)));

/** A stream of one's own, ready to be published. */
export async function local(config: Parameters<typeof TRTC.createStream>[0] = { userId: 'me', audio: true, video: true }): Promise<LocalStream> {
  const stream = TRTC.createStream(config);
  await stream.initialize();
  return stream;
}

/** What a promise is rejected with. */
export async function rejected(promise: Promise<unknown>): Promise<RtcError> {
  return promise.then(
    () => Promise.reject(new Error('it did not reject')),
    (thrown: unknown) => thrown as RtcError,
  );
}

const idOf = (stream: RemoteStream) => `${stream.getUserId()}/${stream.getType()}`;
