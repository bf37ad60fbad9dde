import { preferVideoCodec, type VideoCodec } from './codecs';
import { RtcSession, type SessionOptions } from './rtc-session';

/** Settings of a publisher. */
export interface WhipOptions extends SessionOptions {
  /**
   * The codec to send, in browsers that have it. H.264 (the default) plays everywhere by FLV and HLS, H.265, VP9 and
   * AV1 where players take them, and VP8 not at all; browsers without H.264 in WebRTC receive VP8.
   */
  videoCodec?: VideoCodec;
  /** Offer no other video codec than {@link videoCodec}. */
  onlyVideoCodec?: boolean;
  /** Upper bound of the video bit rate, in bits per second. */
  maxVideoBps?: number;
  /** What gives way when bandwidth or CPU is short. */
  degradationPreference?: RTCDegradationPreference;
}

/**
 * Publishes one MediaStream by WHIP (RFC 9725).
 *
 * ```ts
 * const whip = new WhipClient(addressesOf('my-stream').whip, stream);
 * whip.on('state', (state) => console.log(state));
 * await whip.start();
 * ```
 */
export class WhipClient extends RtcSession {
  readonly #stream: MediaStream;
  readonly #whip: WhipOptions;

  constructor(endpoint: string, stream: MediaStream, options: WhipOptions = {}) {
    super(endpoint, options);
    this.#stream = stream;
    this.#whip = options;
  }

  protected override prepare(peer: RTCPeerConnection): void {
    for (const track of this.#stream.getTracks()) {
      const transceiver = peer.addTransceiver(track, { direction: 'sendonly', streams: [this.#stream] });
      if (track.kind === 'video') {
        preferVideoCodec(transceiver, this.#whip.videoCodec ?? 'h264', this.#whip.onlyVideoCodec ?? false);
      }
    }
  }

  protected override onConnected(peer: RTCPeerConnection): void {
    for (const sender of peer.getSenders()) {
      if (sender.track?.kind === 'video') void this.#limit(sender);
    }
  }

  async #limit(sender: RTCRtpSender): Promise<void> {
    const { maxVideoBps, degradationPreference } = this.#whip;
    const parameters = sender.getParameters();
    if (maxVideoBps !== undefined) for (const encoding of parameters.encodings) encoding.maxBitrate = maxVideoBps;
    if (degradationPreference !== undefined) parameters.degradationPreference = degradationPreference;
    // Bounds are a wish: a browser that refuses them still publishes.
    await sender.setParameters(parameters).catch(() => undefined);
  }
}
