import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { clockDifference, COLUMNS, decodeClock, readCells, ROWS, STRIP } from '../src/testcard/clockcode';
import { median } from '../src/testcard/clockreader';
import { run, until } from './harness';

/** Reads an endless FLV body until its tags span `seconds`, and writes it to `path`. */
export async function recordFlv(url: string, seconds: number, path: string): Promise<void> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error(`no ${seconds} s of FLV in time`)), (seconds + 15) * 1000);
  try {
    const response = await fetch(url, { signal: abort.signal });
    assert.equal(response.status, 200, await (response.ok ? '' : response.text()));
    assert.match(response.headers.get('content-type') ?? '', /^video\/x-flv/);
    let body = Buffer.alloc(0);
    let at = 13;
    let first: number | null = null;
    for await (const chunk of response.body!) {
      body = Buffer.concat([body, chunk]);
      for (; at + 11 <= body.length; at += 11 + body.readUIntBE(at + 1, 3) + 4) {
        const time = body.readUIntBE(at + 4, 3) + body.readUInt8(at + 7) * 2 ** 24;
        if (body.readUInt8(at) === 18) continue;
        first ??= time;
        if (time - first >= seconds * 1000 && at + 11 + body.readUIntBE(at + 1, 3) + 4 <= body.length) {
          assert.equal(body.subarray(0, 3).toString(), 'FLV');
          await writeFile(path, body.subarray(0, at));
          return;
        }
      }
    }
    throw new Error(`the FLV body ended after ${body.length} bytes`);
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** A Media Playlist as far as the tests look at it. */
export interface Playlist {
  text: string;
  map: string | null;
  segments: string[];
  hasEnded: boolean;
}

/** Fetches and splits a Media Playlist. */
export async function fetchPlaylist(url: string): Promise<Playlist> {
  const response = await fetch(url);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.match(response.headers.get('content-type') ?? '', /^application\/vnd\.apple\.mpegurl/);
  const lines = text.split('\n').map((line) => line.trim());
  assert.equal(lines[0], '#EXTM3U');
  return {
    text,
    map: /#EXT-X-MAP:URI="([^"]+)"/.exec(text)?.[1] ?? null,
    segments: lines.filter((line) => line !== '' && !line.startsWith('#')),
    hasEnded: lines.includes('#EXT-X-ENDLIST'),
  };
}

/** Waits until the playlist names `count` Media Segments, and writes initialization and segments as one file. */
export async function recordHls(url: string, count: number, path: string): Promise<Playlist> {
  const playlist = await until(`${count} segments`, async () => {
    const response = await fetch(url);
    if (response.status === 404) return null;
    const playlist = await fetchPlaylist(url);
    return playlist.segments.length >= count && playlist;
  }, 30_000, 250);
  const parts = [];
  for (const uri of [playlist.map!, ...playlist.segments.slice(-count)]) {
    const response = await fetch(new URL(uri, url));
    assert.equal(response.status, 200, uri);
    parts.push(Buffer.from(await response.arrayBuffer()));
  }
  await writeFile(path, Buffer.concat(parts));
  return playlist;
}

/** Codec names by kind, from ffprobe. */
export async function probeCodecs(input: string): Promise<Record<string, string>> {
  const { stdout: out } = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_type,codec_name', '-of', 'json', input], 30_000);
  const { streams } = JSON.parse(out.toString()) as { streams: { codec_type: string; codec_name: string }[] };
  return Object.fromEntries(streams.map((stream) => [stream.codec_type, stream.codec_name]));
}

/** Checks that decoding times rise in every stream of a file; gives the longest step of each, in seconds. */
export async function assertTimestampsRise(path: string): Promise<Record<string, number>> {
  const { stdout: out } = await run('ffprobe', ['-v', 'error', '-show_entries', 'packet=codec_type,dts_time,pts_time', '-of', 'json', path]);
  const { packets } = JSON.parse(out.toString()) as { packets: { codec_type: string; dts_time?: string; pts_time: string }[] };
  const last: Record<string, number> = {};
  const longest: Record<string, number> = {};
  for (const packet of packets) {
    const time = Number(packet.dts_time ?? packet.pts_time);
    const before = last[packet.codec_type];
    if (before !== undefined) {
      assert.ok(time > before, `${path}: ${packet.codec_type} goes from ${before} to ${time}`);
      longest[packet.codec_type] = Math.max(longest[packet.codec_type] ?? 0, time - before);
    }
    last[packet.codec_type] = time;
  }
  return longest;
}

/**
 * How late each beep is against the painted clock of the picture, in milliseconds. The clock of a single frame
 * jitters with the capture of the canvas, so the median of the frames within half a second speaks.
 */
export async function beepOffsets(path: string): Promise<number[]> {
  const frames = await paintedFrames(path);
  const beeps = await beepTimes(path);
  return beeps.flatMap((beep) => {
    const near = frames.filter((frame) => Math.abs(frame.time - beep) < 0.5);
    const painted = median(near.map((frame) => frame.clock + (beep - frame.time) * 1000));
    return painted === null ? [] : [painted - Math.round(painted / 1000) * 1000];
  });
}

async function frameTimes(path: string, stream: 'v:0' | 'a:0'): Promise<{ time: number; samples: number }[]> {
  const { stdout: out } = await run('ffprobe', [
    '-v', 'error', '-select_streams', stream, '-show_entries', 'frame=best_effort_timestamp_time,nb_samples', '-of', 'json', path,
  ]);
  const { frames } = JSON.parse(out.toString()) as { frames: { best_effort_timestamp_time: string; nb_samples?: number }[] };
  return frames.map((frame) => ({ time: Number(frame.best_effort_timestamp_time), samples: frame.nb_samples ?? 0 }));
}

async function paintedFrames(path: string): Promise<{ time: number; clock: number }[]> {
  const [width, height] = [COLUMNS * 8, ROWS * 8];
  const crop = `crop=iw*${STRIP.width}:ih*${STRIP.height}:iw*${STRIP.left}:ih*${STRIP.top}:exact=1`;
  const { stdout: pixels } = await run('ffmpeg', [
    '-v', 'error', '-i', path, '-map', '0:v:0', '-vf', `${crop},scale=${width}:${height}:flags=area,format=gray`, '-vsync', 'passthrough', '-f', 'rawvideo', '-',
  ]);
  const times = await frameTimes(path, 'v:0');
  const size = width * height;
  assert.equal(pixels.length / size, times.length, 'as many frames decoded as probed');
  const now = Date.now();
  return times.flatMap(({ time }, i) => {
    const cells = readCells(pixels.subarray(i * size, (i + 1) * size), width, height);
    const clock = cells && decodeClock(cells);
    return clock === null ? [] : [{ time, clock: now - clockDifference(now, clock) }];
  });
}

async function beepTimes(path: string): Promise<number[]> {
  const rate = 48_000;
  const { stdout: raw } = await run('ffmpeg', ['-v', 'error', '-i', path, '-map', '0:a:0', '-ac', '1', '-ar', String(rate), '-f', 'f32le', '-']);
  const samples = new Float32Array(raw.buffer, raw.byteOffset, raw.length >> 2);
  const frames = await frameTimes(path, 'a:0');
  const timeOf = (sample: number) => {
    let begin = 0;
    for (const frame of frames) {
      if (sample < begin + frame.samples) return frame.time + (sample - begin) / rate;
      begin += frame.samples;
    }
    return NaN;
  };
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  assert.ok(peak > 0.05, `the loudest sample is ${peak}`);
  const times: number[] = [];
  let quiet = 0;
  samples.forEach((sample, i) => {
    if (Math.abs(sample) > peak / 2) {
      if (quiet > rate / 4) times.push(timeOf(i));
      quiet = 0;
    } else {
      quiet += 1;
    }
  });
  return times;
}
