import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LabBrowser, type LabPage, run, until, WebliveServer } from './harness';
import { fetchPlaylist } from './media';
import { readLowLatency } from './playlists';
import { pythonOfTests } from './python';

/** Seconds that each player plays. */
const SPAN = 60;

/** Milliseconds after which a player that should have ended has failed. */
const PATIENCE = (SPAN + 40) * 1_000;

/** In which a player sends every picture and sound to a sink that waits for its time. */
const PLAYERS: Record<string, (url: string) => [program: string, args: string[]]> = {
  // Errors alone: both read the initialization section again with its playlists, and warn of that. In the stream's own
  // time base: else two pictures that a busy camera gave 15 ms apart fall together.
  ffmpeg: (url) => ['ffmpeg', ['-hide_banner', '-v', 'error', '-xerror', '-i', url, '-t', `${SPAN}`, '-map', '0', '-enc_time_base:v', '-1', '-f', 'null', '-']],
  mpv: (url) => ['mpv', ['--no-config', '--vo=null', '--ao=null', '--quiet', '--msg-level=all=error', `--length=${SPAN}`, url]],
};

describe('other players', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let publisher: LabPage;
  const id = 'players';

  before(async () => {
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
    publisher = await lab.publisher({ whip: server.addresses(id).whip, width: 640, height: 360 });
    await until('a full size picture', async () => (await publisher.page.evaluate(() => window.lab.sent())).width === 640);
    await until('a segment', async () => (await fetch(server.addresses(id).hls)).ok);
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  test(`play HLS of both containers and FLV for ${SPAN} s without a complaint`, { timeout: PATIENCE + 20_000 }, async () => {
    const { hls, flv } = server.addresses(id);
    const transport = server.url(`/live/${id}/ts.m3u8`);
    const said = await Promise.all(Object.entries(PLAYERS).flatMap(([name, command]) => [hls, transport, flv].map(async (url) => {
      const begin = Date.now();
      const { stdout, stderr } = await run(...command(url), PATIENCE);
      const took = (Date.now() - begin) / 1_000;
      console.log(`  ${name}: ${new URL(url).pathname} for ${took.toFixed(1)} s`);
      return { name, url, text: `${stdout.toString()}${stderr}`.trim(), took };
    })));
    for (const { name, url, text } of said) assert.equal(text, '', `${name}: ${url}`);
  });

  test('read the playlist of parts as it is meant', async () => {
    const url = server.addresses(id).hls;
    const python = await pythonOfTests();
    const script = fileURLToPath(new URL('m3u8_read.py', import.meta.url));
    // Of two playlists of ours that are the same, what was read between them is of them too.
    const read = await until('a playlist that stands still meanwhile', async () => {
      const before = (await fetchPlaylist(url)).text;
      const { stdout } = await run(python, [script, url]);
      return before === (await fetchPlaylist(url)).text && { ours: readLowLatency(before), theirs: JSON.parse(stdout.toString()) as M3u8 };
    });
    const { ours, theirs } = read;
    assert.deepEqual(
      [theirs.target, theirs.sequence, theirs.partTarget, theirs.canBlockReload, theirs.hint],
      [ours.target, ours.sequence, ours.partTarget, 'YES', ours.hints[0]!['URI']],
    );
    assert.deepEqual([theirs.holdBack, theirs.skipUntil], [Number(ours.control['PART-HOLD-BACK']), Number(ours.control['CAN-SKIP-UNTIL'])]);
    assert.deepEqual(
      theirs.segments.map(({ uri, duration, date, parts }) => ({ uri, duration, date: Math.round(date * 1_000), parts })),
      ours.segments.map(({ uri, duration, date, parts }) => ({ uri, duration, date, parts: parts.length })),
    );
    assert.deepEqual(theirs.openParts, ours.open?.parts.map(({ uri }) => uri) ?? []);
  });
});

/** What `m3u8_read.py` tells. */
interface M3u8 {
  target: number;
  sequence: number;
  partTarget: number;
  canBlockReload: string;
  holdBack: number;
  skipUntil: number;
  hint: string;
  segments: { uri: string; duration: number; map: string; date: number; parts: number }[];
  openParts: string[];
}
