import { vi } from 'vitest';

/** A track of unit tests. */
export class FakeTrack extends EventTarget {
  static #count = 0;
  readonly id = `track${(FakeTrack.#count += 1)}`;
  readyState: 'live' | 'ended' = 'live';

  constructor(
    readonly kind: 'audio' | 'video',
    public muted = false,
    readonly height = 480,
    readonly width = (height * 4) / 3,
  ) {
    super();
  }

  getSettings = () => ({ width: this.width, height: this.height });

  /** The first packet has come. */
  unmute(): void {
    this.muted = false;
    this.dispatchEvent(new Event('unmute'));
  }

  stop(): void {
    this.readyState = 'ended';
  }

  end(): void {
    this.readyState = 'ended';
    this.dispatchEvent(new Event('ended'));
  }
}

export const fakeTrack = (kind: 'audio' | 'video', muted = false, height = 480) => new FakeTrack(kind, muted, height) as FakeTrack & MediaStreamTrack;

/** A MediaStream of unit tests. */
export class FakeStream extends EventTarget {
  readonly #tracks = new Set<FakeTrack>();

  constructor(readonly id = 'own') {
    super();
  }
  getTracks = () => [...this.#tracks];
  addTrack = (track: FakeTrack) => void this.#tracks.add(track);
  removeTrack = (track: FakeTrack) => void this.#tracks.delete(track);

  /** The other side has taken a track away. */
  lose(track: FakeTrack): void {
    this.#tracks.delete(track);
    this.dispatchEvent(Object.assign(new Event('removetrack'), { track }));
  }
}

class FakeSender {
  parameters: { encodings: RTCRtpEncodingParameters[]; degradationPreference?: string };

  constructor(
    public track: FakeTrack | null,
    encodings: RTCRtpEncodingParameters[] = [{}],
  ) {
    this.parameters = { encodings: encodings.map((encoding) => ({ ...encoding })) };
  }
  replaceTrack = async (track: FakeTrack | null) => void (this.track = track);
  getParameters = () => structuredClone(this.parameters);
  setParameters = async (parameters: FakeSender['parameters']) => void (this.parameters = parameters);
}

/** As much of a peer connection as rooms touch; the test moves its state. */
export class FakePeer extends EventTarget {
  /** All that were made since {@link install}. */
  static all: FakePeer[] = [];

  static get last(): FakePeer {
    return FakePeer.all.at(-1)!;
  }

  /** Puts the fakes in the place of the browser's own. */
  static install(): void {
    FakePeer.all = [];
    vi.stubGlobal('RTCPeerConnection', FakePeer);
    vi.stubGlobal('MediaStream', FakeStream);
    vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null });
  }

  connectionState = 'new';
  signalingState = 'stable';
  localDescription: { sdp: string } | null = null;
  remoteDescription: { sdp: string } | null = null;
  readonly senders: FakeSender[] = [];
  #offers = 0;

  constructor(public configuration: RTCConfiguration) {
    super();
    FakePeer.all.push(this);
  }

  addTransceiver(track: FakeTrack | 'audio' | 'video', init: RTCRtpTransceiverInit): { sender: FakeSender } {
    const sender = new FakeSender(typeof track === 'string' ? null : track, init.sendEncodings);
    this.senders.push(sender);
    return { sender };
  }
  getTransceivers = () => this.senders.map((sender) => ({ sender }));
  getStats = async () => new Map();
  setConfiguration = (configuration: RTCConfiguration) => void (this.configuration = configuration);

  async createOffer(options?: RTCOfferOptions): Promise<{ type: string; sdp: string }> {
    if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
    this.#offers += 1;
    return { type: 'offer', sdp: sdp(options?.iceRestart ? `restart${this.#offers}` : `offer${this.#offers}`) };
  }
  createAnswer = async () => ({ type: 'answer', sdp: `answer to ${this.remoteDescription?.sdp}` });
  setLocalDescription = async (it: { sdp: string }) => this.#set('localDescription', it);
  setRemoteDescription = async (it: { sdp: string }) => this.#set('remoteDescription', it);

  #set(which: 'localDescription' | 'remoteDescription', it: { sdp: string }): void {
    if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
    this[which] = it;
  }

  close(): void {
    this.signalingState = 'closed';
    this.connectionState = 'closed';
  }

  become(state: 'connecting' | 'connected' | 'disconnected' | 'failed'): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  gather(candidate: string | null): void {
    this.dispatchEvent(Object.assign(new Event('icecandidate'), { candidate: candidate === null ? null : { candidate } }));
  }

  /** A track comes, in the stream of that public id. */
  bring(track: FakeTrack, stream: FakeStream): void {
    stream.addTrack(track);
    this.dispatchEvent(Object.assign(new Event('track'), { track, streams: [stream] }));
  }
}

/** An SDP with as much as is read of it. */
export function sdp(ufrag: string): string {
  return `v=0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:${ufrag}\r\na=ice-pwd:secret\r\na=rtpmap:111 opus/48000/2\r\n`;
}
