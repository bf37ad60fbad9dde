import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser, type LabPage, until, WebliveServer } from '../harness';
import type { RecoverySeen } from '../lab/recovery';
import { PATIENCE } from '../rooms';

const ROOM = 'publication';

describe('a publication in a room', () => {
  let server: WebliveServer;
  let lab: LabBrowser;
  let anna: LabPage;
  let ben: LabPage;

  before(async () => {
    // The relay would take the large picture for as long as it runs.
    server = await WebliveServer.start('--relay-mode', 'named');
    lab = await LabBrowser.start();
    [anna, ben] = (await Promise.all(['anna', 'ben'].map((name) => lab.page(name)))) as [LabPage, LabPage];
    for (const page of [anna, ben]) {
      await page.page.evaluate(
        ([origin, user, room]) => (window.recovering = new window.RecoveringPage()).enter(origin, user, room, user === 'anna'),
        [server.origin, page.name, ROOM] as const,
      );
    }
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  const look = (page: LabPage): Promise<RecoverySeen> => page.page.evaluate(() => window.recovering.look());
  const stats = (page: LabPage) => page.page.evaluate(() => window.recovering.stats());
  const told = async (line: string) => {
    await until(`${line}`, async () => (await look(ben)).said.at(-1) === line, PATIENCE);
  };

  test('begins with sound alone; a picture comes and goes without another offer', async () => {
    await anna.page.evaluate(() => window.recovering.publish(480, 270, {}, true));
    await told('anna A-');
    const heard = await until('sound', async () => {
      const { received } = await stats(ben);
      return received?.audio && received.audio.packets > 20 && received;
    }, PATIENCE);
    assert.deepEqual([heard.video?.framesDecoded ?? 0, heard.audio?.sampleRate], [0, 48_000]);
    const peers = (await look(anna)).peers;

    await anna.page.evaluate(() => window.recovering.sendPicture(true));
    await told('anna AV');
    const time = Date.now();
    await until('the picture', async () => (await look(ben)).clock > time, PATIENCE);
    const { sent } = await stats(anna);
    const { received } = await stats(ben);
    assert.ok(sent?.video && received?.video, 'both count');
    assert.deepEqual([sent.video.width, received.video.width, received.video.codec], [480, 480, 'video/H264']);
    assert.ok(sent.video.framesSent > 0 && sent.audio!.bytes > 0 && sent.small === null);
    assert.ok(received.video.framesDecoded > 0 && received.video.bytes > 0 && received.roundTrip !== null);

    await anna.page.evaluate(() => window.recovering.sendPicture(false));
    await told('anna A-');
    assert.equal((await look(anna)).peers, peers);
    await anna.page.evaluate(() => window.recovering.unpublish());
    await told('anna ends');
  });

  test('sends a small picture beside the large one, which is what others get', async () => {
    const small = { width: 160, height: 90, bitrateBps: 100_000, framesPerSecond: 15 };
    await anna.page.evaluate((small) => window.recovering.publish(640, 360, { small }), small);
    const { sent } = await until('both pictures', async () => {
      const seen = await stats(anna);
      return seen.sent?.small && seen.sent.small.framesSent > 5 && seen.sent.video && seen.sent.video.framesSent > 5 && seen;
    }, PATIENCE);
    assert.deepEqual([sent!.small!.width, sent!.small!.height, sent!.video!.width], [160, 90, 640]);
    await until('the large picture', async () => (await stats(ben)).received?.video?.width === 640, PATIENCE);
    assert.deepEqual([(await look(anna)).errors, (await look(ben)).errors], [[], []]);
  });

  test('stops the large picture while nobody takes it, and sends it again when somebody does', async (t) => {
    const [width, quiet] = [(page: LabPage) => stats(page).then(({ received }) => received?.video?.width), 3_000];
    const since = (begin: number) => anna.page.evaluate((begin) => window.recovering.largeSince(begin), begin);
    await anna.page.evaluate(() => window.recovering.watchLarge());
    for (let round = 0; round < 2; round += 1) {
      const small = await ben.page.evaluate(() => window.recovering.choose('anna', 'small'));
      await until('the small picture', async () => (await width(ben)) === 160, PATIENCE);
      const last = await until('the end of the large picture', async () => {
        const [, last] = await since(0);
        return last !== null && Date.now() - last > quiet && last;
      }, PATIENCE);
      aim(last - small < 2_000, `sent for ${last - small} ms more`);
      const before = (await stats(ben)).received!.video!.framesDecoded;
      await until('frames of the small picture', async () => (await stats(ben)).received!.video!.framesDecoded > before + 5, PATIENCE);
      assert.equal(await width(ben), 160);

      const large = await ben.page.evaluate(() => window.recovering.choose('anna', 'large'));
      const first = await until('the large picture is sent', async () => (await since(large))[0], PATIENCE);
      aim(first! - large < 1_000, `sent ${first! - large} ms later`);
      await until('the large picture', async () => (await width(ben)) === 640, PATIENCE);
      t.diagnostic(`stopped after ${last - small} ms, sent again after ${first! - large} ms`);
    }
    assert.deepEqual([(await look(anna)).errors, (await look(ben)).errors], [[], []]);
  });

  test('ends at once when its page is left, long before the server misses the page', async () => {
    const begin = Date.now();
    await anna.page.goto('about:blank');
    await told('anna ends');
    // ICE alone takes the server 15 s to give up.
    assert.ok(Date.now() - begin < 10_000);
  });
});
