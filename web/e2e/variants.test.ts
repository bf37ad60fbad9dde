import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LabBrowser, type LabPage, until, WebliveServer } from './harness';
import { pythonOfTests } from './python';

const KINDS = ['webrtc', 'flv', 'hls'] as const;

describe('publishers of every kind', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  const viewers = (id: string) => Promise.all(KINDS.map((kind) => lab.viewer(kind, server.addresses(id)[kind])));
  const closeAll = async (pages: LabPage[]) => void (await Promise.all(pages.map((page) => page.close())));

  before(async () => {
    server = await WebliveServer.start();
    lab = await LabBrowser.start();
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  test('sound alone reaches every player', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('sound').whip, video: false });
    await live(server, 'sound');
    const pages = await viewers('sound');
    const seen = await Promise.all(pages.map((page) => page.plays(0, { video: false })));
    for (const one of seen) assert.deepEqual(one.errors, []);
    await closeAll([publisher, ...pages]);
  });

  test('a picture alone reaches every player', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('picture').whip, audio: false, width: 640, height: 360 });
    await live(server, 'picture');
    const pages = await viewers('picture');
    const seen = await Promise.all(pages.map((page) => page.plays(20, { audio: false })));
    for (const one of seen) assert.deepEqual(one.errors, []);
    await closeAll([publisher, ...pages]);
  });

  test('FLV over a WebSocket plays like FLV over HTTP, and ends with its publisher', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('socket').whip, width: 640, height: 360 });
    await live(server, 'socket');
    const address = server.addresses('socket').flv.replace('http', 'ws');
    const pages = [await lab.viewer('flv', address), await lab.viewer('flv', `${address}?latency=smooth`)];
    for (const page of pages) {
      const seen = await page.plays();
      assert.deepEqual(seen.errors, []);
      assert.deepEqual([seen.stats.width, seen.stats.height], [640, 360]);
    }
    const metrics = await (await fetch(server.url('/metrics'))).text();
    assert.match(metrics, /^weblive_relay_viewers\{protocol="ws_flv"\} 2$/m);
    await publisher.page.evaluate(() => window.lab.unpublish());
    await Promise.all(pages.map((page) => page.until('the end', (seen) => seen.state === 'ended', 40_000)));
    await closeAll([publisher, ...pages]);
  });

  test('a new size in mid-stream and then a second publisher keep every player playing', async () => {
    const { whip } = server.addresses('change');
    const first = await lab.publisher({ whip, width: 640, height: 360 });
    await live(server, 'change');
    const pages = await viewers('change');
    await Promise.all(pages.map((page) => page.plays()));

    await first.page.evaluate(() => window.lab.resize(854, 480));
    await Promise.all(pages.map((page) => page.until('the new size', (seen) => seen.stats.width === 854)));
    await Promise.all(pages.map((page) => page.plays()));

    const second = await lab.publisher({ whip, width: 480, height: 270 });
    await until('the first publisher is let go', async () => (await first.page.evaluate(() => window.lab.publishState)) === 'closed');
    await Promise.all(pages.map((page) => page.until("the second publisher's size", (seen) => seen.stats.width === 480, 30_000)));
    const seen = await Promise.all(pages.map((page) => page.plays()));
    for (const [i, one] of seen.entries()) {
      assert.deepEqual(one.errors, [], KINDS[i]);
      assert.ok(!one.states.includes('ended') && !one.states.includes('failed'), `${KINDS[i]} went through ${one.states.join(', ')}`);
    }
    await closeAll([first, second, ...pages]);
  });

  test('VP8 plays over WebRTC, while FLV and HLS say why they do not', async () => {
    const publisher = await lab.publisher({ whip: server.addresses('vp8').whip, codec: 'vp8', width: 640, height: 360 });
    const pages = await viewers('vp8');
    const [webrtc, flv, hls] = pages as [LabPage, LabPage, LabPage];
    const seen = await webrtc.plays();
    assert.equal(seen.stats.codec, 'VP8');
    for (const page of [flv, hls]) {
      const failed = await page.until('a clear error', (seen) => seen.state === 'failed');
      assert.match(failed.errors[0]?.problem?.detail ?? '', /VP8/i, JSON.stringify(failed.errors));
      assert.match(failed.errors[0]?.problem?.detail ?? '', /H\.?264/i);
    }
    for (const address of [server.addresses('vp8').flv, server.addresses('vp8').hls]) {
      const response = await fetch(address);
      assert.ok(response.status >= 400 && response.status < 500, `status ${response.status}`);
      assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
      await response.body?.cancel();
    }
    await closeAll([publisher, ...pages]);
  });

  test('a publisher that leaves ends FLV and HLS, and an unknown id is a problem on every path', async () => {
    for (const kind of KINDS) {
      const page = await lab.viewer(kind, server.addresses('nobody')[kind]);
      const seen = await page.until('an error', (seen) => seen.errors.length > 0);
      assert.equal(seen.errors[0]?.type, 'not-live', JSON.stringify(seen.errors));
      assert.match(seen.errors[0]?.problem?.detail ?? '', /nobody/, JSON.stringify(seen.errors));
      await page.close();
    }
    const publisher = await lab.publisher({ whip: server.addresses('leaves').whip, width: 640, height: 360 });
    await live(server, 'leaves');
    const pages = [await lab.viewer('flv', server.addresses('leaves').flv), await lab.viewer('hls', server.addresses('leaves').hls)];
    const bereft = await lab.page('hls whose last file does not come');
    await withoutLastFile(bereft);
    await bereft.page.evaluate((url) => window.lab.play('hls', url), server.addresses('leaves').hls);
    pages.push(bereft);
    await Promise.all(pages.map((page) => page.plays()));
    const session = await publisher.page.evaluate(() => window.lab.sessionUrl);
    await publisher.page.evaluate(() => window.lab.unpublish());
    await Promise.all(pages.map((page) => page.until('the end', (seen) => seen.state === 'ended', 40_000)));
    const gone = await fetch(session!, { method: 'DELETE' });
    assert.equal(gone.status, 404, 'the session is gone');
    await closeAll([publisher, ...pages]);
  });

  test('aiortc publishes H.264 and Opus that every player in Chromium shows', { timeout: 240_000 }, async () => {
    const python = await pythonOfTests();
    const child = spawn(python, [join(HERE, 'aiortc_publish.py'), server.addresses('aiortc').whip], { stdio: ['pipe', 'pipe', 'pipe'] });
    const said: string[] = [];
    child.stdout.on('data', (data: Buffer) => said.push(data.toString()));
    child.stderr.on('data', (data: Buffer) => said.push(data.toString()));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    try {
      await until(`aiortc connects`, async () => {
        if (child.exitCode !== null) throw new Error(`aiortc ended with ${child.exitCode}: ${said.join('')}`);
        return said.join('').includes('connected');
      }, 30_000);
      await live(server, 'aiortc');
      const pages = await viewers('aiortc');
      const seen = await Promise.all(pages.map((page) => page.plays()));
      for (const one of seen) assert.deepEqual(one.errors, []);
      assert.equal(seen[0]?.stats.codec, 'H.264');
      console.log(`  aiortc: time to glass ${seen.map((one, i) => `${KINDS[i]} ${Math.round(one.delay ?? NaN)} ms`).join(', ')}`);
      await closeAll(pages);
    } finally {
      // The end of its input is the sign to leave.
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    }
  });
});

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Waits until FLV viewers are let in. */
async function live(server: WebliveServer, id: string): Promise<void> {
  await until(`${id} is live`, async () => {
    const abort = new AbortController();
    const response = await fetch(server.addresses(id).flv, { signal: abort.signal });
    abort.abort();
    return response.ok;
  });
}

/** To this page playlists that have ended name one file more, of a millisecond, which is not there. */
async function withoutLastFile(viewer: LabPage): Promise<void> {
  await viewer.page.route('**/*.m3u8*', async (route) => {
    const response = await route.fetch();
    const text = await response.text();
    const file = text.match(/^\S+\.m4s$/gm)?.at(-1)?.replace(/\d+\.m4s$/, '999999.m4s');
    await route.fulfill({ response, body: text.replace('#EXT-X-ENDLIST', `#EXTINF:0.00100,\n${file}\n#EXT-X-ENDLIST`) });
  });
}
