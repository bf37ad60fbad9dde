/** Counters of sound that is sent, since its peer connection began. */
export interface SentAudio {
  bytes: number;
  packets: number;
  /** Samples a second of the codec; null before it is known. */
  sampleRate: number | null;
  /** Loudness of what is captured, 0 to 1; null where the browser does not say. */
  level: number | null;
}

/** Counters of a picture that is sent, since its peer connection began. */
export interface SentVideo {
  bytes: number;
  packets: number;
  framesEncoded: number;
  framesSent: number;
  /** Size of the last frame that was sent, in pixels; 0 before the first. */
  width: number;
  height: number;
  framesPerSecond: number | null;
  /** Such as `video/H264`; null before the first frame. */
  codec: string | null;
  /** Why the encoder sends less than it could: `none`, `cpu`, `bandwidth` or `other`. */
  limitation: string | null;
}

/** What a publication has sent. Counters begin anew with a new peer connection: a rate has to bear that they fall. */
export interface PublicationStats {
  /** When it was read, in milliseconds since 1970. */
  at: number;
  /** Round trip to the server, in milliseconds; null before it was measured. */
  roundTrip: number | null;
  /** Part of the packets that the server has missed of late, 0 to 1; null before it has said. */
  loss: number | null;
  /** Null where no sound was offered. */
  audio: SentAudio | null;
  /** Null where no picture is sent. */
  video: SentVideo | null;
  /** The small picture beside it; null where there is none. */
  small: SentVideo | null;
}

/** What waits in the jitter buffer: the mean is the difference of the one by that of the other. */
export interface Buffered {
  /** Seconds that all frames or samples have waited, together. */
  bufferedSeconds: number;
  /** How many have. */
  bufferedCount: number;
}

/** Counters of sound that is received, since its track began. */
export interface ReceivedAudio extends Buffered {
  bytes: number;
  packets: number;
  lost: number;
  codec: string | null;
  sampleRate: number | null;
  /** Loudness, 0 to 1; null where the browser does not say. */
  level: number | null;
}

/** Counters of a picture that is received, since its track began. */
export interface ReceivedVideo extends Buffered {
  bytes: number;
  packets: number;
  lost: number;
  framesDecoded: number;
  framesDropped: number;
  /** Size of the last frame that was decoded, in pixels; 0 before the first. */
  width: number;
  height: number;
  framesPerSecond: number | null;
  codec: string | null;
}

/** What was received of a publication. */
export interface ReceptionStats {
  /** When it was read, in milliseconds since 1970. */
  at: number;
  /** Round trip to the server, in milliseconds; null before it was measured. */
  roundTrip: number | null;
  /** Of all tracks. */
  bytes: number;
  /** Null while there is no such track. */
  audio: ReceivedAudio | null;
  video: ReceivedVideo | null;
}

/** Reads what a peer connection sends; `small` is the rid of the small picture. */
export function publicationStats(report: RTCStatsReport, small: string): PublicationStats {
  const stats: PublicationStats = { at: Date.now(), roundTrip: null, loss: null, audio: null, video: null, small: null };
  for (const entry of entries(report)) {
    if (entry['type'] === 'candidate-pair') stats.roundTrip = pairRoundTrip(entry) ?? stats.roundTrip;
    // Sound and picture share a path: the worse of them is what a user notices.
    if (entry['type'] === 'remote-inbound-rtp') stats.loss = Math.max(stats.loss ?? 0, number(entry['fractionLost']) ?? 0);
    if (entry['type'] !== 'outbound-rtp') continue;
    if (entry['kind'] === 'audio') stats.audio = sentAudio(report, entry);
    else if (entry['rid'] === small) stats.small = sentVideo(report, entry);
    else stats.video = sentVideo(report, entry);
  }
  return stats;
}

/** Reads what a peer connection receives; by the tracks with these ids alone, where they are given. */
export function receptionStats(report: RTCStatsReport, tracks?: ReadonlySet<string>): ReceptionStats {
  const stats: ReceptionStats = { at: Date.now(), roundTrip: null, bytes: 0, audio: null, video: null };
  for (const entry of entries(report)) {
    if (entry['type'] === 'candidate-pair') stats.roundTrip = pairRoundTrip(entry) ?? stats.roundTrip;
    if (entry['type'] !== 'inbound-rtp' || (tracks && !tracks.has(String(entry['trackIdentifier'])))) continue;
    stats.bytes += number(entry['bytesReceived']) ?? 0;
    if (entry['kind'] === 'audio') stats.audio = receivedAudio(report, entry);
    else stats.video = receivedVideo(report, entry);
  }
  return stats;
}

type Entry = Record<string, unknown>;

function sentAudio(report: RTCStatsReport, entry: Entry): SentAudio {
  const source = report.get(String(entry['mediaSourceId'])) as Entry | undefined;
  return { ...counted(entry, 'Sent'), sampleRate: codecOf(report, entry).clockRate, level: number(source?.['audioLevel']) };
}

function sentVideo(report: RTCStatsReport, entry: Entry): SentVideo {
  return {
    ...counted(entry, 'Sent'), ...pictured(report, entry),
    framesEncoded: number(entry['framesEncoded']) ?? 0,
    framesSent: number(entry['framesSent']) ?? 0,
    limitation: text(entry['qualityLimitationReason']),
  };
}

function receivedAudio(report: RTCStatsReport, entry: Entry): ReceivedAudio {
  const { name: codec, clockRate: sampleRate } = codecOf(report, entry);
  return { ...counted(entry, 'Received'), ...received(entry), codec, sampleRate, level: number(entry['audioLevel']) };
}

function receivedVideo(report: RTCStatsReport, entry: Entry): ReceivedVideo {
  return {
    ...counted(entry, 'Received'), ...received(entry), ...pictured(report, entry),
    framesDecoded: number(entry['framesDecoded']) ?? 0,
    framesDropped: number(entry['framesDropped']) ?? 0,
  };
}

const counted = (entry: Entry, way: 'Sent' | 'Received') => ({
  bytes: number(entry[`bytes${way}`]) ?? 0,
  packets: number(entry[`packets${way}`]) ?? 0,
});

const pictured = (report: RTCStatsReport, entry: Entry) => ({
  width: number(entry['frameWidth']) ?? 0,
  height: number(entry['frameHeight']) ?? 0,
  framesPerSecond: number(entry['framesPerSecond']),
  codec: codecOf(report, entry).name,
});

const received = (entry: Entry) => ({
  // Duplicates make the counter of RFC 3550 fall below zero.
  lost: Math.max(0, number(entry['packetsLost']) ?? 0),
  bufferedSeconds: number(entry['jitterBufferDelay']) ?? 0,
  bufferedCount: number(entry['jitterBufferEmittedCount']) ?? 0,
});

/** Seconds in the report; of the pair that is used alone. */
function pairRoundTrip(entry: Entry): number | null {
  const seconds = entry['nominated'] === true && entry['state'] === 'succeeded' ? number(entry['currentRoundTripTime']) : null;
  return seconds === null ? null : seconds * 1_000;
}

function codecOf(report: RTCStatsReport, entry: Entry): { name: string | null; clockRate: number | null } {
  const codec = report.get(String(entry['codecId'])) as Entry | undefined;
  return { name: text(codec?.['mimeType']), clockRate: number(codec?.['clockRate']) };
}

function entries(report: RTCStatsReport): Entry[] {
  const all: Entry[] = [];
  report.forEach((entry: Entry) => all.push(entry));
  return all;
}

const number = (value: unknown) => (typeof value === 'number' ? value : null);

const text = (value: unknown) => (typeof value === 'string' ? value : null);
