import { toWebliveError, WebliveError } from '../errors';
import { emptyPlaybackStats, ReceiveMeter, type PlaybackStats } from '../stats';
import { WhepClient, type WhepOptions } from '../whep';
import { Player } from './player';
import { StandingPicture } from './standing';

/** Plays a WHEP address: the way with the least delay. */
export class WebRtcPlayer extends Player {
  override readonly kind = 'webrtc';
  readonly #options: WhepOptions;
  readonly #meter = new ReceiveMeter();
  #client: WhepClient | null = null;
  #watch: ReturnType<typeof setInterval> | undefined;
  #standing = new StandingPicture();
  #packets = 0;
  #quietTicks = 0;

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
    client.on('state', (state) => {
      if (state === 'closed') this.end();
      else if (state === 'connected') this.#onConnected(client);
    });
    client.on('error', (error) => this.fail(error));
    client.on('track', () => {
      if (this.video.srcObject === client.stream) return;
      this.video.srcObject = client.stream;
      void this.play(this.video);
    });
    client.start().catch((thrown: unknown) => this.fail(toWebliveError(thrown, 'WebRTC')));
    this.#watch = setInterval(() => void this.#look(), LOOK_EVERY);
  }

  /** The server declines a picture that this browser has no codec for. */
  #onConnected({ peer }: WhepClient): void {
    const lacks = peer?.getTransceivers().some(({ receiver, currentDirection }) => receiver.track.kind === 'video' && currentDirection === 'inactive');
    if (lacks) this.emit('unplayable', new WebliveError('unsupported', 'no picture: this browser has no codec for it in WebRTC', false, { reason: 'noCommonCodec' }));
  }

  /** An element that shows a MediaStream fires no `waiting` when packets cease to come. */
  async #look(): Promise<void> {
    const peer = this.#client?.peer;
    if (!peer) return;
    let [packets, frames, sound] = [0, 0, 0];
    for (const report of (await peer.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      const { kind, packetsReceived = 0, framesReceived = 0 } = report as RTCInboundRtpStreamStats;
      packets += packetsReceived;
      if (kind === 'audio') sound += packetsReceived;
      else frames += framesReceived;
    }
    this.pauseVideo(this.#standing.take({ frames, sound }));
    this.#quietTicks = packets === this.#packets ? this.#quietTicks + 1 : 0;
    this.#packets = packets;
    this.note(this.#quietTicks < QUIET_TICKS);
  }

  protected override release(): void {
    clearInterval(this.#watch);
    void this.#client?.close();
    this.#client = null;
    this.video.srcObject = null;
  }
}

/** Milliseconds between two looks at what has come. */
const LOOK_EVERY = 1_000;

/** Looks without a new packet before the picture counts as stalled. */
const QUIET_TICKS = 2;
