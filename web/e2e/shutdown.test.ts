import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LabBrowser, until, WebliveServer } from './harness';
import { fetchPlaylist } from './media';

let server: WebliveServer;
let lab: LabBrowser;
before(async () => {
  server = await WebliveServer.start();
  lab = await LabBrowser.start();
});
after(async () => {
  await lab?.stop();
  await server?.stop();
});

test('SIGTERM ends every player, closes the playlist, and the server leaves in under 5 s', async () => {
  const addresses = server.addresses('bye');
  const publisher = await lab.publisher({ whip: addresses.whip, width: 640, height: 360 });
  const kinds = ['webrtc', 'flv', 'hls'] as const;
  const pages = await Promise.all(kinds.map((kind) => lab.viewer(kind, addresses[kind])));
  await until('FLV', async () => (await fetch(addresses.flv, { method: 'HEAD' })).ok);
  for (const page of pages.slice(1)) await page.until('playing or refused', (seen) => seen.state === 'playing' || seen.state === 'failed');
  for (const [i, page] of pages.entries()) {
    // One that came before the broadcast was refused and comes again.
    if ((await page.observe()).state !== 'failed') continue;
    await page.close();
    pages[i] = await lab.viewer(kinds[i]!, addresses[kinds[i]!]);
  }
  await Promise.all(pages.map((page) => page.plays()));

  let isGone = false;
  const watched: string[] = [];
  const watching = (async () => {
    while (!isGone) {
      // A kept-alive connection may be closed in the moment of a request; a player asks again, and so does this.
      const seen = await fetchPlaylist(addresses.hls).catch((error: Error) => error);
      if (!(seen instanceof Error) && seen.hasEnded) return true;
      watched.push(seen instanceof Error ? `${seen.message}: ${String(seen.cause)}` : 'live');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  })();
  const { code, took } = await server.stop();
  isGone = true;
  console.log(`  left after ${took} ms`);
  assert.equal(code, 0);
  assert.ok(took < 5_000, `took ${took} ms`);
  assert.ok(await watching, `the playlist never had EXT-X-ENDLIST: ${watched.slice(-5).join('; ')}`);
  const [webrtc, flv] = await Promise.all(pages.slice(0, 2).map((page) => page.until('the end', (seen) => seen.state === 'ended')));
  assert.deepEqual([webrtc?.errors, flv?.errors], [[], []]);
  await until('the publisher notices', async () => (await publisher.page.evaluate(() => window.lab.publishState)) === 'closed');
  await pages[2]!.until('the end', (seen) => seen.state === 'ended');
});
