import { vi } from 'vitest';
import { FakePeer } from '../rtc/fake-peer';
import { FakeServer } from '../signal/fake-server';
import { installFakes } from '../streams/fakes';

/** A peer connection of unit tests that connects as soon as it has an answer. */
export class ConnectingPeer extends FakePeer {
  /** Whether peers connect by themselves. */
  static connects = true;

  stats = new Map<string, Record<string, unknown>>();

  constructor(configuration: RTCConfiguration) {
    super(configuration);
    const set = this.setRemoteDescription;
    this.setRemoteDescription = async (it: { type?: string; sdp: string }) => {
      await set(it);
      if (it.type === 'answer' && ConnectingPeer.connects) queueMicrotask(() => this.become('connected'));
    };
    this.getStats = async () => this.stats;
  }
}

/** A browser of unit tests whose sockets lead to a fake server. Undone by `vi.unstubAllGlobals()`. */
export function installBrowser(): { server: FakeServer; devices: ReturnType<typeof installFakes> } {
  FakePeer.install();
  vi.stubGlobal('RTCPeerConnection', ConnectingPeer);
  ConnectingPeer.connects = true;
  const devices = installFakes();
  const server = new FakeServer();
  vi.stubGlobal('WebSocket', function (url: string) {
    return server.open(url);
  });
  server.answers['enterRoom'] = (frame) => ({ result: entered((frame['role'] as string | undefined) ?? 'audience') });
  server.answers['publish'] = (frame) => ({ result: { answer: 'v=0\r\n', etag: 'e1', stream: `0_${String(frame['room'])}_me_${String(frame['track'])}`, relay: null } });
  server.answers['subscribe'] = (frame) => ({ result: { stream: streamOf(String(frame['user']), String(frame['track'])) } });
  return { server, devices };
}

/** The stream id under which the fake server sends what a user publishes. */
export const streamOf = (user: string, track = 'main') => `0_7_${user}_${track}`;

/** What entering a room is answered with. */
export function entered(role: string, anchors: unknown[] = []): object {
  const info = { room: 7, name: '', notice: '', introduction: '', cover: '', hidden: false, owner: null, scene: 'live', online: 1, totalEntered: 1, seats: null, createdAt: null };
  return { info, already: false, role, anchors, seats: [], coHosts: [] };
}

/** An anchor in a room. */
export function anchor(user: string, main: unknown = null, aux: unknown = null): object {
  return { user, profile: { nick: '', avatar: '' }, rank: 'generalUser', role: 'anchor', tracks: { main, aux } };
}
