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

/** A program that plays. */
interface Player {
  /** It sends every picture and sound to a sink that waits for its time. */
  command: (url: string) => string[];
  /** What it says is wrong, of all that it says. */
  complaints: (text: string) => string;
}

const ALL = (text: string) => text.trim();

/** VLC does not start as root. */
const AS_ANYBODY = process.getuid?.() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'env', 'HOME=/nonexistent'] : [];

const PLAYERS: Record<string, Player> = {
  // Errors alone: both read the initialization section again with its playlists, and warn of that. In the stream's own
  // time base: else two pictures that a busy camera gave 15 ms apart fall together.
  ffmpeg: {
    command: (url) => ['ffmpeg', '-hide_banner', '-v', 'error', '-xerror', '-i', url, '-t', `${SPAN}`, '-map', '0', '-enc_time_base:v', '-1', '-f', 'null', '-'],
    complaints: ALL,
  },
  mpv: {
    command: (url) => ['mpv', '--no-config', '--vo=null', '--ao=null', '--quiet', '--msg-level=all=error', `--length=${SPAN}`, url],
    complaints: ALL,
  },
  // It misses a desktop, and says so first. That something came late is the machine's fault.
  vlc: {
    command: (url) => [
      ...AS_ANYBODY, 'vlc', '-I', 'dummy', '--no-color', '--verbose=0', '--no-one-instance', '--no-media-library', '--vout=dummy', '--aout=adummy', `--run-time=${SPAN}`, '--play-and-exit', url, 'vlc://quit',
    ],
    complaints: (text) => text.split('\n').filter((line) => / error: /.test(line) && !/ (interface|libvlc) error: |called too late/.test(line)).join('\n'),
  },
  // Killed, because the HLS of version 1.22 sometimes aborts where it is asked to stop.
  gstreamer: {
    command: (url) => [
      'sh', '-c', 'timeout --signal=KILL "$0" "$@"; true', `${SPAN}`, 'gst-launch-1.0', '-v', 'uridecodebin3', `uri=${url}`, 'name=play',
      ...'play. ! queue ! videoconvert ! fpsdisplaysink text-overlay=false video-sink=fakesink sync=true'.split(' '),
      ...'play. ! queue ! audioconvert ! fakesink sync=true'.split(' '),
    ],
    complaints: (text) => {
      const counts = [...text.matchAll(/rendered: (\d+), dropped: (\d+)/g)].at(-1);
      const pictures = counts ? Number(counts[1]) + Number(counts[2]) : 0;
      const enough = pictures > SPAN * 5 ? [] : [`${pictures} pictures`];
      return [...enough, ...text.split('\n').filter((line) => line.startsWith('ERROR'))].join('\n');
    },
  },
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
    // GStreamer 1.22 stands still for ever where it comes to the end of a playlist before it holds 3.4 s.
    await until('a playlist of four segments', async () => {
      const response = await fetch(server.addresses(id).hls);
      return response.ok && (await response.text()).split('#EXTINF').length > 4;
    });
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  test(`play HLS of both containers and FLV for ${SPAN} s without a complaint`, { timeout: PATIENCE + 20_000 }, async () => {
    const { hls, flv } = server.addresses(id);
    const transport = server.url(`/live/${id}/ts.m3u8`);
    const said = await Promise.all(Object.entries(PLAYERS).flatMap(([name, player]) => [hls, transport, flv].map(async (url) => {
      const [program, ...args] = player.command(url);
      const begin = Date.now();
      const { stdout, stderr } = await run(program!, args, PATIENCE);
      const took = (Date.now() - begin) / 1_000;
      console.log(`  ${name}: ${new URL(url).pathname} for ${took.toFixed(1)} s`);
      return { name, url, text: player.complaints(`${stdout.toString()}${stderr}`), took };
    })));
    for (const { name, url, text, took } of said) {
      assert.equal(text, '', `${name}: ${url}`);
      // They begin some seconds behind, and have those at once.
      assert.ok(took > SPAN / 2, `${name}: ${url} for ${took} s`);
    }
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
