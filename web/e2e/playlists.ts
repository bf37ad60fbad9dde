import assert from 'node:assert/strict';

/** `EXT-X-PART`. */
export interface PlaylistPart {
  uri: string;
  /** Seconds. */
  duration: number;
  isIndependent: boolean;
}

/** A Media Segment with what stands before it; the one under way has neither address nor duration. */
export interface PlaylistSegment {
  uri: string | null;
  /** `EXTINF`, seconds. */
  duration: number | null;
  /** `EXT-X-PROGRAM-DATE-TIME`, milliseconds since 1970. */
  date: number | null;
  hasDiscontinuity: boolean;
  parts: PlaylistPart[];
}

/** A Media Playlist with the tags of Low-Latency HLS (RFC 8216bis). Times are in seconds. */
export interface LowLatencyPlaylist {
  target: number;
  partTarget: number;
  control: Record<string, string>;
  /** Media Sequence Number of the first segment that is named. */
  sequence: number;
  skipped: number;
  segments: PlaylistSegment[];
  open: PlaylistSegment | null;
  hints: Record<string, string>[];
}

/** Splits a playlist; the tags that it does not know are skipped. */
export function readLowLatency(text: string): LowLatencyPlaylist {
  const nothing = (): PlaylistSegment => ({ uri: null, duration: null, date: null, hasDiscontinuity: false, parts: [] });
  const list: LowLatencyPlaylist = { target: NaN, partTarget: NaN, control: {}, sequence: 0, skipped: 0, segments: [], open: null, hints: [] };
  let segment = nothing();
  let isEmpty = true;
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const [, tag, value] = /^(#[A-Z0-9-]+):?(.*)$/.exec(line) ?? [];
    if (tag === undefined) {
      list.segments.push({ ...segment, uri: line });
      [segment, isEmpty] = [nothing(), true];
      continue;
    }
    const ofSegment: Record<string, () => void> = {
      '#EXTINF': () => (segment.duration = Number(value!.split(',')[0])),
      '#EXT-X-PROGRAM-DATE-TIME': () => (segment.date = Date.parse(value!)),
      '#EXT-X-DISCONTINUITY': () => (segment.hasDiscontinuity = true),
      '#EXT-X-PART': () => {
        const { URI, DURATION, INDEPENDENT } = attributes(value!);
        segment.parts.push({ uri: URI!, duration: Number(DURATION), isIndependent: INDEPENDENT === 'YES' });
      },
    };
    const ofList: Record<string, () => void> = {
      '#EXT-X-TARGETDURATION': () => (list.target = Number(value)),
      '#EXT-X-PART-INF': () => (list.partTarget = Number(attributes(value!)['PART-TARGET'])),
      '#EXT-X-SERVER-CONTROL': () => (list.control = attributes(value!)),
      '#EXT-X-MEDIA-SEQUENCE': () => (list.sequence = Number(value)),
      '#EXT-X-SKIP': () => (list.skipped = Number(attributes(value!)['SKIPPED-SEGMENTS'])),
      '#EXT-X-PRELOAD-HINT': () => list.hints.push(attributes(value!)),
    };
    if (ofSegment[tag]) isEmpty = false;
    (ofSegment[tag] ?? ofList[tag])?.();
  }
  if (!isEmpty) list.open = segment;
  list.sequence += list.skipped;
  return list;
}

/** Holds a playlist that has not ended against RFC 8216bis, of which the sections are named. */
export function assertLowLatency(list: LowLatencyPlaylist): void {
  const { target, partTarget, segments, open } = list;
  const all = open ? [...segments, open] : segments;
  const named = segments.map(({ duration }) => duration!);

  // 4.4.3.1, 4.4.3.7, 4.4.3.8
  for (const duration of named) assert.ok(Math.round(duration) <= target, `${duration} s with a target of ${target} s`);
  assert.equal(list.control['CAN-BLOCK-RELOAD'], 'YES');
  assert.ok(Number(list.control['PART-HOLD-BACK']) >= 3 * partTarget, `PART-HOLD-BACK of ${list.control['PART-HOLD-BACK']} s with parts of ${partTarget} s`);
  assert.ok(Number(list.control['CAN-SKIP-UNTIL']) >= 6 * target, `CAN-SKIP-UNTIL of ${list.control['CAN-SKIP-UNTIL']} s`);

  // 4.4.4.9: no part is longer than the target, none but the last of a segment shorter than 85 % of it.
  for (const { uri, parts } of all) {
    const rest = uri === null ? parts : parts.slice(0, -1);
    for (const part of parts) assert.ok(part.duration <= partTarget, `${part.uri} has ${part.duration} s`);
    for (const part of rest) assert.ok(part.isIndependent || part.duration >= 0.85 * partTarget, `${part.uri} has ${part.duration} s`);
  }

  // A segment is its parts. They are named for three target durations from the end (6.2.2), and go when a segment ends.
  let after = total(open?.parts ?? []);
  for (const { uri, duration, parts } of [...segments].reverse()) {
    if (parts.length > 0) assert.ok(Math.abs(total(parts) - duration!) < 0.001, `the parts of ${uri} have ${total(parts)} of its ${duration} s`);
    else assert.ok(after >= 3 * target, `${uri}, ${after} s from the end, has no parts`);
    if (after > 5 * target) assert.equal(parts.length, 0, `${uri}, ${after} s from the end, still has parts`);
    after += duration!;
  }

  // 4.4.4.6: a date for each segment, here also for the one under way; each follows from the one before.
  for (const [i, { uri, date, hasDiscontinuity }] of all.entries()) {
    assert.ok(date !== null, `${uri} has no date`);
    const before = all[i - 1];
    if (!before || hasDiscontinuity) continue;
    const late = date - (before.date! + before.duration! * 1000);
    assert.ok(Math.abs(late) < DATE_SLIP, `${uri} is dated ${late} ms after the end of the segment before`);
  }

  // 4.4.5.3: one hint of one type, at what is not there yet.
  assert.deepEqual(list.hints.map(({ TYPE }) => TYPE), ['PART']);
  const known = all.flatMap(({ parts }) => parts.map(({ uri }) => uri));
  assert.ok(!known.includes(list.hints[0]!['URI']!), 'the hint is at a part that is there');
  assert.equal(new Set(known).size, known.length, 'two parts have one address');
}

function total(parts: PlaylistPart[]): number {
  return parts.reduce((sum, { duration }) => sum + duration, 0);
}

function attributes(list: string): Record<string, string> {
  return Object.fromEntries([...list.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g)].map(([, name, quoted, plain]) => [name!, quoted ?? plain!]));
}

/** Milliseconds by which dates may slip: they are the server's clock, durations the publisher's. */
const DATE_SLIP = 100;
