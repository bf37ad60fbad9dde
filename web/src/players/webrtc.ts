import { toWebliveError } from '../errors';
import { emptyPlaybackStats, ReceiveMeter, type PlaybackStats } from '../stats';
import { WhepClient, type WhepOptions } from '../whep';
import { Player } from './player';

/** Plays a WHEP address: the way with the least delay. */
export class WebRtcPlayer extends Player {
  override readonly kind = 'webrtc';
  readonly #options: WhepOptions;
  readonly #meter = new ReceiveMeter();
  #client: WhepClient | null = null;

  constructor(url: string, video: HTMLVideoElement, options: WhepOptions = {}) {
    super(url, video);
    this.#options = options;
  }

  /** The peer connection, for statistics; null when there is none. */
  get peer(): RTCPeerConnection | null {
    return this.#client?.peer ?? null;
  }

  override async stats(): Promise<PlaybackStats> {
    const peer = this.#client?.peer;
    return peer ? this.#meter.read(peer) : emptyPlaybackStats();
  }

  protected override open(): void {
    const client = new WhepClient(this.url, this.#options);
    this.#client = client;
    client.on('state', (state) => state === 'closed' && this.end());
    client.on('error', (error) => this.fail(error));
    client.on('track', () => {
      if (this.video.srcObject !== client.stream) this.video.srcObject = client.stream;
      this.play();
    });
    client.start().catch((thrown: unknown) => this.fail(toWebliveError(thrown, 'WebRTC')));
  }

  protected override release(): void {
    void this.#client?.close();
    this.#client = null;
    this.video.srcObject = null;
  }
}
