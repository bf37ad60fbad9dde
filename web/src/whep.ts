import { RtcSession, type SessionOptions } from './rtc-session';
import { inStereo } from './stereo';

/** Settings of a WebRTC viewer. */
export interface WhepOptions extends SessionOptions {
  /** Media to ask for. Default both. */
  audio?: boolean;
  video?: boolean;
  /** Wanted jitter buffer in milliseconds; the browser's own choice when absent. */
  jitterBufferTarget?: number;
}

/**
 * Plays one stream by WHEP. Give `stream` to an element at the first `track` event: further tracks join it as
 * they come, but Chromium never starts an element whose stream was empty and then got sound alone.
 */
export class WhepClient extends RtcSession {
  /** What is received. */
  readonly stream = new MediaStream();
  readonly #whep: WhepOptions;

  constructor(endpoint: string, options: WhepOptions = {}) {
    super(endpoint, options);
    this.#whep = options;
  }

  #join(track: MediaStreamTrack): void {
    this.stream.addTrack(track);
    this.emit('track', track);
  }

  protected override shape(offer: string): string {
    return inStereo(offer);
  }

  protected override prepare(peer: RTCPeerConnection): void {
    for (const kind of ['video', 'audio'] as const) {
      if (this.#whep[kind] === false) continue;
      const { receiver } = peer.addTransceiver(kind, { direction: 'recvonly' });
      if (this.#whep.jitterBufferTarget !== undefined && 'jitterBufferTarget' in receiver) {
        receiver.jitterBufferTarget = this.#whep.jitterBufferTarget;
      }
    }
    peer.addEventListener('track', ({ track }) => {
      // An element waits for the first frame of each video track it has: one that may never
      // come (the publisher sends sound alone) must not hold the sound back.
      if (track.kind === 'audio' || !track.muted) this.#join(track);
      else track.addEventListener('unmute', () => this.#join(track), { once: true });
    });
  }
}
