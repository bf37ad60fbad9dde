import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, type LabPage, until, WebliveServer } from './harness';
import type { RecoverySeen } from './lab/recovery';
import { Network } from './network';
import { PATIENCE } from './rooms';

const ROOM = 'recovery';
const CARD = { width: 480, height: 270 };

/** Media is to be back so many milliseconds after the network. */
const BACK_WITHIN = 5_000;

/** A page that publishes or watches. */
class Page {
  constructor(readonly lab: LabPage) {}

  async enter(origin: string, isAnchor: boolean, user = this.lab.name): Promise<void> {
    await this.lab.page.evaluate(
      ([origin, user, room, isAnchor]) => (window.recovering = new window.RecoveringPage()).enter(origin, user, room, isAnchor),
      [origin, user, ROOM, isAnchor] as const,
    );
  }

  publish(): Promise<void> {
    return this.lab.page.evaluate(({ width, height }) => window.recovering.publish(width, height), CARD);
  }

  look(): Promise<RecoverySeen> {
    return this.lab.page.evaluate(() => window.recovering.look());
  }

  async until(what: string, accept: (seen: RecoverySeen) => boolean, every = 100): Promise<RecoverySeen> {
    let last: RecoverySeen | undefined;
    const isIt = async () => accept((last = await this.look())) && last;
    return until(what, isIt, PATIENCE, every).catch((error: Error) => {
      throw new Error(`${this.lab.name}: ${error.message}; last seen ${JSON.stringify(last)}; console ${JSON.stringify(this.lab.said.slice(-5))}`);
    });
  }

  /** Waits for a frame that was painted after `time`, and for sound; tells how long after it it was shown. */
  async plays(time = Date.now()): Promise<number> {
    const { soundBytes } = await this.look();
    await this.until('a frame of now', (seen) => seen.clock > time && seen.width === CARD.width, 20);
    const took = Date.now() - time;
    await this.until('sound of now', (seen) => seen.soundBytes !== soundBytes && seen.soundBytes > 0);
    return took;
  }
}

describe('a broadcast in a room', () => {
  let network: Network;
  let server: WebliveServer;
  let lab: LabBrowser;
  let anna: Page;
  let ben: Page;

  before(async () => {
    network = await Network.start();
    server = await WebliveServer.start(...network.options);
    network.leadTo(server.origin);
    lab = await LabBrowser.start();
    [anna, ben] = await Promise.all(['anna', 'ben'].map(async (name) => new Page(await lab.page(name)))) as [Page, Page];
    await anna.enter(network.origin, true);
    await ben.enter(network.origin, false);
    await anna.publish();
    await ben.plays();
    // The first picture and the first sound come with fewer datagrams than that.
    await until('media to go by the network that can be cut', async () => network.datagrams > 50, PATIENCE);
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
    await network?.stop();
  });

  test('does not notice that the sockets of the signalling are lost', async () => {
    const before = await Promise.all([anna.look(), ben.look()]);
    network.drop();
    for (const [page, { said, peers }] of [[anna, before[0]], [ben, before[1]]] as const) {
      const now = await page.until('the session', (seen) => seen.said.length >= said.length + 4 && seen.session === 'connected');
      assert.deepEqual(now.said.slice(said.length).sort(), ['room connected', 'room reconnecting', 'session connected', 'session reconnecting']);
      assert.equal(now.peers, peers);
    }
    await ben.plays();
  });

  test('is back within 5 s of a network that was gone for 10 s', async () => {
    network.cut();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const { clock } = await ben.look();
    assert.ok(Date.now() - clock > 9_000, 'nothing has come meanwhile');
    network.restore();
    const took = await ben.plays();
    console.log(`# media was back ${took} ms after the network`);
    assert.ok(took <= BACK_WITHIN, `${took} ms`);
    for (const page of [anna, ben]) await page.until('the session', (seen) => seen.session === 'connected');
    await ben.plays();
  });

  test('goes on after the server was started again: entered, published and subscribed anew', async () => {
    const before = await Promise.all([anna.look(), ben.look()]);
    await server.stop(0);
    network.drop();
    server = await WebliveServer.start(...network.options);
    const time = Date.now();
    network.leadTo(server.origin);
    const took = await ben.plays(time);
    console.log(`# media was back ${took} ms after the server`);
    const now = await Promise.all([anna.look(), ben.look()]);
    const news = now.map((seen, i) => seen.said.slice(before[i]!.said.length));
    for (const said of news) assert.ok(said.includes('room entered'), JSON.stringify(said));
    assert.ok(news[0]!.includes('publication connected'), JSON.stringify(news[0]));
    assert.deepEqual(now.map((seen) => seen.errors), [[], []]);
  });

  test('ends for a user who logs in elsewhere, without a fight', async () => {
    const other = new Page(await lab.page('anna elsewhere'));
    await other.enter(network.origin, true, 'anna');
    const gone = await anna.until('the end', (seen) => seen.said.includes('session over: replaced'));
    assert.deepEqual(gone.said.slice(-4).sort(), ['room closed', 'room removed: banned', 'session closed', 'session over: replaced']);
    assert.equal((await other.look()).session, 'connected');
    assert.equal((await anna.look()).said.length, gone.said.length);
  });
});
