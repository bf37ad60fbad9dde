import { after, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser, type LabPage, until, WebliveServer } from '../harness';
import type { Join } from '../lab/join';
import { Network } from '../network';

/** Joins of each kind. */
const JOINS = 7;

/** Milliseconds from the POST to the first frame on the screen, for a page that has been at the server before. */
const AIMS = { near: 150, far: 400 };

describe('the first frame of a WHEP session', () => {
  let network: Network;
  let server: WebliveServer;
  let lab: LabBrowser;
  const id = 'joins';

  before(async () => {
    network = await Network.start();
    [server, lab] = await Promise.all([WebliveServer.start(...network.options), LabBrowser.start()]);
    network.leadTo(server.origin);
    const publisher = await lab.publisher({ whip: `${network.origin}/whip/${id}`, width: 640, height: 360 });
    await until('a full size picture', async () => (await publisher.page.evaluate(() => window.lab.sent())).width === 640);
  });
  after(async () => {
    await lab?.stop();
    await network?.stop();
    await server?.stop();
  });

  const joinOn = (page: LabPage): Promise<Join> => page.page.evaluate((url) => window.join(url), `${network.origin}/whep/${id}`);

  /** Joins of a page that has been at the server before. */
  async function warm(): Promise<Join[]> {
    const page = await lab.page('warm');
    await joinOn(page);
    const joins: Join[] = [];
    for (let i = 0; i < JOINS; i += 1) joins.push(await joinOn(page));
    await page.close();
    return joins;
  }

  /** Each is the first thing that its browser window has to do with the server. */
  async function cold(): Promise<Join[]> {
    const joins: Join[] = [];
    for (let i = 0; i < JOINS; i += 1) {
      const page = await lab.page('cold');
      joins.push(await joinOn(page));
      await page.close();
    }
    return joins;
  }

  for (const [where, delay] of [['near', 0], ['far', 25]] as const) {
    test(`comes in time on a round trip of ${2 * delay} ms`, async () => {
      network.delay(delay);
      const [again, first] = [await warm(), await cold()];
      console.log(`  again: ${figures(again)}\n  first: ${figures(first)}`);
      aim(middle(again, 'shown') < AIMS[where], `${middle(again, 'shown')} ms`);
    });
  }
});

function middle(joins: readonly Join[], what: keyof Join): number {
  return joins.map((join) => join[what]).sort((a, b) => a - b)[joins.length >> 1]!;
}

function figures(joins: readonly Join[]): string {
  const of = (what: keyof Join) => `${what} ${Math.round(middle(joins, what))}`;
  const shown = joins.map((join) => Math.round(join.shown)).sort((a, b) => a - b);
  return `p50 ${(['answered', 'checking', 'paired', 'connected', 'received', 'shown'] as const).map(of).join(', ')} ms; shown after ${shown.join(', ')}`;
}
