import { publicationStats, receptionStats } from './rtc/stats';

/** What a viewer sees of one playback; null where it is not known (yet). */
export interface PlaybackStats {
  width: number | null;
  height: number | null;
  codec: string | null;
  bitrateBps: number | null;
  framesPerSecond: number | null;
  /** Frames since the start of playback, without the dropped ones. */
  framesDecoded: number;
  framesDropped: number;
  /** The player's own estimate of its delay to the live edge, in milliseconds. */
  estimatedDelay: number | null;
}

/** What a publisher sends. */
export interface PublishStats {
  width: number | null;
  height: number | null;
  codec: string | null;
  videoBps: number | null;
  audioBps: number | null;
  framesPerSecond: number | null;
  /** Why the encoder sends less than it could: `none`, `cpu`, `bandwidth` or `other`. */
  limitation: string | null;
  roundTrip: number | null;
}

/** Turns a counter into a rate: units a second between the last two looks. */
export class Rate {
  #last: { at: number; count: number } | null = null;
  #rate: number | null = null;

  /** Takes a counter at a time in milliseconds; a counter that fell starts anew. */
  update(count: number, at: number): number | null {
    const last = this.#last;
    if (last && at - last.at < LEAST_SPAN && count >= last.count) return this.#rate;
    this.#rate = last && count >= last.count ? ((count - last.count) * 1000) / (at - last.at) : null;
    this.#last = { at, count };
    return this.#rate;
  }

  /** The rate of the last look. */
  get value(): number | null {
    return this.#rate;
  }
}

/** Reads {@link PublishStats} off a peer connection that sends. */
export class PublishMeter {
  readonly #video = new Rate();
  readonly #audio = new Rate();

  async read(peer: RTCPeerConnection): Promise<PublishStats> {
    // No picture has this name: all that is sent is the picture.
    const { at, roundTrip, audio, video } = publicationStats(await peer.getStats(), '');
    return {
      width: video?.width || null,
      height: video?.height || null,
      codec: labelOf(video),
      videoBps: video && bits(this.#video.update(video.bytes, at)),
      audioBps: audio && bits(this.#audio.update(audio.bytes, at)),
      framesPerSecond: video?.framesPerSecond ?? null,
      limitation: video?.limitation ?? null,
      roundTrip: roundTrip && roundTrip / 1000,
    };
  }
}

/** Reads {@link PlaybackStats} off a peer connection that receives. */
export class ReceiveMeter {
  readonly #bytes = new Rate();
  #seconds = 0;
  #count = 0;

  /** Reads what comes in; of the tracks with these ids alone, where they are given. */
  async read(peer: RTCPeerConnection, tracks?: ReadonlySet<string>): Promise<PlaybackStats> {
    const { at, bytes, roundTrip, audio, video } = receptionStats(await peer.getStats(), tracks);
    const seen = video ?? audio;
    const stats = emptyPlaybackStats();
    if (!seen) return stats;
    const { bufferedSeconds, bufferedCount } = seen;
    const [seconds, count] = [bufferedSeconds - this.#seconds, bufferedCount - this.#count];
    if (count > 0) stats.estimatedDelay = (seconds / count) * 1000 + (roundTrip ?? 0) / 2;
    [this.#seconds, this.#count] = [bufferedSeconds, bufferedCount];
    return {
      ...stats,
      ...(video && {
        width: video.width || null, height: video.height || null, framesPerSecond: video.framesPerSecond, framesDecoded: video.framesDecoded,
        framesDropped: video.framesDropped,
      }),
      codec: labelOf(seen),
      bitrateBps: bits(this.#bytes.update(bytes, at)),
    };
  }
}

/** The frame counters and the size that every video element knows. */
export function elementStats(video: HTMLVideoElement): PlaybackStats {
  const quality = video.getVideoPlaybackQuality();
  const hasPicture = video.videoWidth > 0;
  return {
    ...emptyPlaybackStats(),
    width: hasPicture ? video.videoWidth : null,
    height: hasPicture ? video.videoHeight : null,
    // The total counts the dropped ones too.
    framesDecoded: quality.totalVideoFrames - quality.droppedVideoFrames,
    framesDropped: quality.droppedVideoFrames,
  };
}

/** Nothing known yet. */
export function emptyPlaybackStats(): PlaybackStats {
  return {
    width: null, height: null, codec: null, bitrateBps: null, framesPerSecond: null,
    framesDecoded: 0, framesDropped: 0, estimatedDelay: null,
  };
}

/** A readable name for an RFC 6381 codec string or an RTP media type. */
export function codecLabel(codec: string): string {
  const name = codec.toLowerCase().replace(/^(video|audio)\//, '').split('.')[0] ?? '';
  const known: Record<string, string> = {
    avc1: 'H.264', avc3: 'H.264', h264: 'H.264', hvc1: 'H.265', hev1: 'H.265', h265: 'H.265', mp4a: 'AAC', vp8: 'VP8', vp9: 'VP9', vp09: 'VP9', av1: 'AV1', av01: 'AV1', opus: 'Opus',
  };
  return known[name] ?? codec;
}

const labelOf = (of: { codec: string | null } | null) => (of?.codec ? codecLabel(of.codec) : null);

function bits(bytesPerSecond: number | null): number | null {
  return bytesPerSecond === null ? null : bytesPerSecond * 8;
}

/** Looks closer together than this repeat the last rate, in milliseconds. */
const LEAST_SPAN = 300;
