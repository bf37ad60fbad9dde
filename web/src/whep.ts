import { RtcSession, type SessionOptions } from './rtc-session';

/** Settings of a WebRTC viewer. */
export interface WhepOptions extends SessionOptions {
  /** Media to ask for. Default both. */
  audio?: boolean;
  video?: boolean;
  /** Wanted jitter buffer in milliseconds; the browser's own choice when absent. */
  jitterBufferTarget?: number;
}

/**
 * Plays one stream by WHEP. `stream` can be given to a video element at once: tracks join it as they come.
 */
export class WhepClient extends RtcSession {
  /** What is received. */
  readonly stream = new MediaStream();
  readonly #whep: WhepOptions;

  constructor(endpoint: string, options: WhepOptions = {}) {
    super(endpoint, options);
    this.#whep = options;
  }

  protected override prepare(peer: RTCPeerConnection): void {
    for (const kind of ['video', 'audio'] as const) {
      if (this.#whep[kind] === false) continue;
      const { receiver } = peer.addTransceiver(kind, { direction: 'recvonly' });
      if (this.#whep.jitterBufferTarget !== undefined && 'jitterBufferTarget' in receiver) {
        receiver.jitterBufferTarget = this.#whep.jitterBufferTarget;
      }
    }
    peer.addEventListener('track', (event) => this.stream.addTrack(event.track));
  }
}
