import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser, type LabPage, run, scratch, until, WebliveServer } from '../harness';
import { assertTimestampsRise, beepOffsets, fetchPlaylist, probeCodecs, recordFlv, recordHls } from '../media';
import { assertLowLatency, readLowLatency } from '../playlists';

/** Milliseconds from the painted clock to the glass. */
const AIMS = { webrtc: 150, flv: 1_000, hls: 1_500 } as const;

describe('a painted clock and a tone, published at 720p', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let publisher: LabPage;
  let files: Awaited<ReturnType<typeof scratch>>;
  const id = 'clock';

  before(async () => {
    files = await scratch();
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
    publisher = await lab.publisher({ whip: server.addresses(id).whip, width: 1280, height: 720 });
    await until('a full size picture', async () => (await publisher.page.evaluate(() => window.lab.sent())).width === 1280);
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
    await files?.remove();
  });

  for (const kind of ['webrtc', 'flv', 'hls'] as const) {
    test(`is played by ${kind} with sound and in time`, async () => {
      const viewer = await lab.viewer(kind, server.addresses(id)[kind]);
      await viewer.plays(10);
      const begin = await viewer.until('a delay as of its line', (seen) => seen.delay !== null && seen.delay < 2 * AIMS[kind]);
      // At 30 frames a second 300 frames are ten seconds.
      const end = await viewer.until('300 more frames', (seen) => seen.stats.framesDecoded >= begin.stats.framesDecoded + 300, 40_000);
      const dropped = end.stats.framesDropped - begin.stats.framesDropped;
      const shown = end.stats.framesDecoded - begin.stats.framesDecoded;
      const share = dropped / (shown + dropped);
      console.log(
        `  ${kind}: time to glass ${Math.round(end.delay ?? NaN)} ms, ${end.stats.width}x${end.stats.height}, dropped ${dropped} of ${shown + dropped}, ` +
          `sound ${Math.round(end.avOffset ?? NaN)} ms late at the viewer`,
      );
      assert.ok(end.delay !== null, 'no readable clock');
      aim(end.delay < AIMS[kind], `time to glass is ${end.delay} ms`);
      assert.equal(end.stats.width, 1280);
      assert.deepEqual(end.errors, []);
      // Players of FLV and HLS drop frames while they catch up with the live edge.
      if (kind === 'webrtc') {
        aim(share < 0.01, `${dropped} of ${shown + dropped} frames dropped`);
        assert.ok(end.totalAudioEnergy > 0, 'no audio energy');
      }
      await viewer.close();
    });
  }

  test('is H.264 and AAC in FLV, with rising times, sound and picture together', async () => {
    const path = join(files.path, 'a.flv');
    await recordFlv(server.addresses(id).flv, 9, path);
    assert.deepEqual(await probeCodecs(path), { video: 'h264', audio: 'aac' });
    await assertTimestampsRise(path);
    await assertTogether('FLV', path);
  });

  test('is H.264 and AAC in HLS, with rising times, sound and picture together', async () => {
    const path = join(files.path, 'a.mp4');
    await recordHls(server.addresses(id).hls, 4, path);
    assert.deepEqual(await probeCodecs(path), { video: 'h264', audio: 'aac' });
    assert.deepEqual(await probeCodecs(server.addresses(id).hls), { video: 'h264', audio: 'aac' });
    await assertTimestampsRise(path);
    await assertTogether('HLS', path);
  });

  test('has a playlist of parts that holds what it promises', async () => {
    const url = server.addresses(id).hls;
    const list = readLowLatency((await fetchPlaylist(url)).text);
    assertLowLatency(list);
    for (const segment of list.segments.filter(({ parts }) => parts.length > 0)) {
      const parts = await Promise.all(segment.parts.map(({ uri }) => fetchBytes(uri, url)));
      assert.deepEqual(Buffer.concat(parts), await fetchBytes(segment.uri!, url), `${segment.uri} is not its parts`);
    }
  });

  test('has a playlist that waits for what is asked of it, and names it', async () => {
    const url = server.addresses(id).hls;
    let list = readLowLatency((await fetchPlaylist(url)).text);
    // As players do: the next part each time, over the ends of two segments.
    const last = list.sequence + list.segments.length + 2;
    let asked = 0;
    while (list.sequence + list.segments.length < last) {
      const msn = list.sequence + list.segments.length;
      const part = list.open?.parts.length ?? 0;
      const before = list;
      list = readLowLatency((await fetchPlaylist(`${url}?_HLS_msn=${msn}&_HLS_part=${part}`)).text);
      assertLowLatency(list);
      const segment = list.segments[msn - list.sequence] ?? list.open;
      // Behind the last part of a segment comes the first of the next one (6.2.5.2).
      const isThere = segment!.parts[part] ?? list.open?.parts[0];
      assert.ok(isThere, `segment ${msn} has no part ${part}`);
      assert.equal(isThere.uri, before.hints[0]!['URI'], 'what comes is not what was hinted at');
      asked += 1;
    }
    assert.ok(asked >= list.target / list.partTarget, `${asked} updates`);
    const delta = readLowLatency((await fetchPlaylist(`${url}?_HLS_msn=${last}&_HLS_part=0&_HLS_skip=YES`)).text);
    assert.deepEqual([delta.sequence, delta.segments.length], [list.sequence + delta.skipped, list.segments.length - delta.skipped]);
  });

  test('is decoded by ffmpeg from both addresses without a complaint', async () => {
    for (const input of [server.addresses(id).flv, server.addresses(id).hls]) {
      // The stream's own time base: else ffmpeg counts in frames of the rate it
      // guessed, in which two that a busy camera gave 15 ms apart fall together.
      const output = ['-t', '4', '-map', '0', '-enc_time_base:v', '-1', '-f', 'null', '-'];
      const { stderr } = await run('ffmpeg', ['-hide_banner', '-v', 'warning', '-xerror', '-i', input, ...output], 40_000);
      assert.equal(stderr, '', input);
    }
  });

  test('goes on through an ICE restart of the publisher', async () => {
    const viewer = await lab.viewer('webrtc', server.addresses(id).webrtc);
    await viewer.plays(10);
    const before = await publisher.page.evaluate(() => window.lab.userFragments());
    await publisher.page.evaluate(() => window.lab.restartIce());
    await until('the publisher connects again', async () => (await publisher.page.evaluate(() => window.lab.publishState)) === 'connected');
    await until('the transport uses the new fragment', async () => {
      const after = await publisher.page.evaluate(() => window.lab.userFragments());
      return after.remote !== before.remote && after.local !== before.local && after.used === after.local;
    });
    await viewer.plays(60);
    assert.deepEqual((await viewer.observe()).errors, []);
    await viewer.close();
  });
});

async function fetchBytes(uri: string, base: string): Promise<Buffer> {
  const response = await fetch(new URL(uri, base));
  assert.equal(response.status, 200, uri);
  return Buffer.from(await response.arrayBuffer());
}

async function assertTogether(name: string, path: string): Promise<void> {
  const offsets = await beepOffsets(path);
  console.log(`  ${name}: sound late by ${offsets.map((offset) => Math.round(offset)).join(', ')} ms`);
  assert.ok(offsets.length >= 5, `${offsets.length} beeps found`);
  for (const offset of offsets) aim(Math.abs(offset) < 40, `a beep is ${offset} ms late`);
}
