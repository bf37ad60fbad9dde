import type { MediaKind, RemoteStream as Below } from '../streams';
import { Stream } from './stream';

/** What another one publishes. Comes with `stream-added`, and has media from `stream-subscribed` on. */
export class RemoteStream extends Stream {
  /** @internal */
  constructor(readonly below: Below) {
    super();
    this.listen();
    below.on('paused', (isPaused) => {
      if (below.videoElement === null) return;
      this.emit('player-state-changed', { type: 'video', ...(isPaused ? { state: 'PAUSED', reason: 'mute' } : { state: 'PLAYING', reason: 'unmute' }) });
    });
  }

  /** `main` is camera and microphone, `auxiliary` a shared screen. */
  getType(): 'main' | 'auxiliary' {
    return this.below.source.track === 'main' ? 'main' : 'auxiliary';
  }

  getUserId(): string {
    return this.below.source.user;
  }

  /** Whether the publisher sends sound. */
  hasAudio(): boolean {
    return this.below.publication.hasAudio;
  }

  /** Whether the publisher sends a picture. */
  hasVideo(): boolean {
    return this.below.publication.hasVideo;
  }

  /** Shows it no longer; it is received until `unsubscribe`. */
  close(): void {
    this.stop();
  }

  protected override mute(kind: MediaKind, isMuted: boolean): boolean {
    if (!(kind === 'audio' ? this.below.audioTrack : this.below.videoTrack)) return false;
    this.below.mute({ [kind]: isMuted });
    return true;
  }
}
