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
    const report = await peer.getStats();
    const stats: PublishStats = {
      width: null, height: null, codec: null, videoBps: null, audioBps: null,
      framesPerSecond: null, limitation: null, roundTrip: null,
    };
    for (const entry of entries(report)) {
      if (entry['type'] === 'outbound-rtp' && entry['kind'] === 'video') {
        stats.width = number(entry['frameWidth']);
        stats.height = number(entry['frameHeight']);
        stats.framesPerSecond = number(entry['framesPerSecond']);
        stats.codec = codecName(report, entry);
        stats.limitation = typeof entry['qualityLimitationReason'] === 'string' ? entry['qualityLimitationReason'] : null;
        stats.videoBps = bits(this.#video.update(number(entry['bytesSent']) ?? 0, entry['timestamp'] as number));
      } else if (entry['type'] === 'outbound-rtp' && entry['kind'] === 'audio') {
        stats.audioBps = bits(this.#audio.update(number(entry['bytesSent']) ?? 0, entry['timestamp'] as number));
      } else if (entry['type'] === 'remote-inbound-rtp') {
        stats.roundTrip = number(entry['roundTripTime']);
      }
    }
    return stats;
  }
}

/** Reads {@link PlaybackStats} off a peer connection that receives. */
export class ReceiveMeter {
  readonly #bytes = new Rate();
  #delaySum = 0;
  #delayCount = 0;

  /** Reads what comes in; of the tracks with these ids alone, where they are given. */
  async read(peer: RTCPeerConnection, tracks?: ReadonlySet<string>): Promise<PlaybackStats> {
    const report = await peer.getStats();
    const stats = emptyPlaybackStats();
    let bytes = 0;
    let at = 0;
    let roundTrip = 0;
    for (const entry of entries(report)) {
      if (entry['type'] === 'candidate-pair' && entry['nominated']) roundTrip = number(entry['currentRoundTripTime']) ?? 0;
      if (entry['type'] !== 'inbound-rtp') continue;
      if (tracks && !tracks.has(String(entry['trackIdentifier']))) continue;
      bytes += number(entry['bytesReceived']) ?? 0;
      at = entry['timestamp'] as number;
      const isVideo = entry['kind'] === 'video';
      if (isVideo) {
        stats.width = number(entry['frameWidth']);
        stats.height = number(entry['frameHeight']);
        stats.framesPerSecond = number(entry['framesPerSecond']);
        stats.framesDecoded = number(entry['framesDecoded']) ?? 0;
        stats.framesDropped = number(entry['framesDropped']) ?? 0;
      }
      if (isVideo || stats.codec === null) stats.codec = codecName(report, entry);
      if (isVideo || stats.estimatedDelay === null) {
        const sum = number(entry['jitterBufferDelay']) ?? 0;
        const count = number(entry['jitterBufferEmittedCount']) ?? 0;
        if (count > this.#delayCount) stats.estimatedDelay = ((sum - this.#delaySum) / (count - this.#delayCount)) * 1000 + roundTrip * 500;
        if (isVideo) [this.#delaySum, this.#delayCount] = [sum, count];
      }
    }
    stats.bitrateBps = at > 0 ? bits(this.#bytes.update(bytes, at)) : null;
    return stats;
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
    avc1: 'H.264', avc3: 'H.264', h264: 'H.264', mp4a: 'AAC', vp8: 'VP8', vp9: 'VP9', vp09: 'VP9', av1: 'AV1', av01: 'AV1', opus: 'Opus',
  };
  return known[name] ?? codec;
}

function entries(report: RTCStatsReport): Record<string, unknown>[] {
  const all: Record<string, unknown>[] = [];
  report.forEach((entry: Record<string, unknown>) => all.push(entry));
  return all;
}

function codecName(report: RTCStatsReport, entry: Record<string, unknown>): string | null {
  const codec = report.get(String(entry['codecId'])) as { mimeType?: string } | undefined;
  return codec?.mimeType ? codecLabel(codec.mimeType) : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function bits(bytesPerSecond: number | null): number | null {
  return bytesPerSecond === null ? null : bytesPerSecond * 8;
}

/** Looks closer together than this repeat the last rate, in milliseconds. */
const LEAST_SPAN = 300;
