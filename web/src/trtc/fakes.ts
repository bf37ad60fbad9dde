import { vi } from 'vitest';
import { FakeServer } from '../signal/fake-server';
import { installFakes } from '../streams/fakes';

/** A sender of unit tests. */
class FakeSender {
  #parameters: RTCRtpSendParameters;

  constructor(
    public track: unknown,
    encodings: RTCRtpEncodingParameters[],
  ) {
    this.#parameters = { transactionId: '', codecs: [], headerExtensions: [], rtcp: {}, encodings };
  }

  replaceTrack(track: unknown): Promise<void> {
    this.track = track;
    return Promise.resolve();
  }

  getParameters(): RTCRtpSendParameters {
    return structuredClone(this.#parameters);
  }

  setParameters(parameters: RTCRtpSendParameters): Promise<void> {
    this.#parameters = parameters;
    return Promise.resolve();
  }
}

/** A peer connection of unit tests: it connects as soon as it has an answer. */
export class FakePeer extends EventTarget {
  static readonly all: FakePeer[] = [];
  /** Whether peers connect by themselves. */
  static connects = true;

  connectionState: RTCPeerConnectionState = 'new';
  iceConnectionState: RTCIceConnectionState = 'new';
  signalingState: RTCSignalingState = 'stable';
  localDescription: RTCSessionDescriptionInit | null = null;
  remoteDescription: RTCSessionDescriptionInit | null = null;
  stats = new Map<string, Record<string, unknown>>();
  readonly transceivers: { sender: FakeSender; receiver: object; init: RTCRtpTransceiverInit }[] = [];

  constructor(readonly config: RTCConfiguration = {}) {
    super();
    FakePeer.all.push(this);
  }

  addTransceiver(track: unknown, init: RTCRtpTransceiverInit = {}): unknown {
    const sender = new FakeSender(typeof track === 'string' ? null : track, init.sendEncodings ?? [{}]);
    const transceiver = { sender, receiver: {}, init };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers(): unknown[] {
    return this.transceivers;
  }

  getSenders(): FakeSender[] {
    return this.transceivers.map(({ sender }) => sender);
  }

  getReceivers(): unknown[] {
    return [];
  }

  createOffer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: 'offer', sdp: 'v=0\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 VP8/90000\r\n' });
  }

  createAnswer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: 'answer', sdp: 'v=0\r\n' });
  }

  setLocalDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.localDescription = description;
    return Promise.resolve();
  }

  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.remoteDescription = description;
    if (description.type === 'answer' && FakePeer.connects) queueMicrotask(() => this.become('connected'));
    return Promise.resolve();
  }

  getStats(): Promise<unknown> {
    return Promise.resolve(this.stats);
  }

  close(): void {
    this.signalingState = 'closed';
    this.connectionState = 'closed';
  }

  become(state: RTCPeerConnectionState): void {
    if (this.connectionState === 'closed') return;
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}

/** A browser of unit tests whose sockets lead to a fake server. Undone by `vi.unstubAllGlobals()`. */
export function installBrowser(): { server: FakeServer; devices: ReturnType<typeof installFakes> } {
  const devices = installFakes();
  const server = new FakeServer();
  FakePeer.all.length = 0;
  FakePeer.connects = true;
  vi.stubGlobal('RTCPeerConnection', FakePeer);
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => ({ codecs: [] }) });
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
  const info = { room: 7, name: '', notice: '', owner: null, scene: 'live', online: 1, totalEntered: 1, seats: null };
  return { info, already: false, role, anchors, seats: [], coHosts: [] };
}

/** An anchor in a room. */
export function anchor(user: string, main: unknown = null, aux: unknown = null): object {
  return { user, profile: { nick: '', avatar: '' }, rank: 'generalUser', role: 'anchor', tracks: { main, aux } };
}
