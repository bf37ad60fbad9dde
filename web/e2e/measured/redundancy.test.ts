import { after, afterEach, before, describe, test } from 'node:test';
import { aim } from '../aims';
import { LabBrowser, until, WebliveServer } from '../harness';
import type { Impairments } from '../impairment';
import { Network } from '../network';
import { enterAs, PATIENCE, type RoomPage } from '../rooms';

const CARD = { width: 320, height: 240, frameRate: 10 };

/** Packets of sound whose gaps are looked at, 20 ms each. */
const LONG_ENOUGH = 500;

describe('sound over links that lose a tenth', () => {
  let network: Network;
  let server: WebliveServer;
  let lab: LabBrowser;
  const pages: RoomPage[] = [];

  before(async () => {
    network = await Network.start();
    [server, lab] = await Promise.all([WebliveServer.start(...network.options), LabBrowser.start()]);
    network.leadTo(server.origin);
  });
  after(async () => {
    await lab?.stop();
    await network?.stop();
    await server?.stop();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
  });

  async function user(name: string, room: string, role: 'anchor' | 'audience'): Promise<RoomPage> {
    const page = await enterAs(lab, network.origin, { app: 0, user: name });
    pages.push(page);
    await page.ask('enterRoom', { room, part: 'media', role });
    return page;
  }

  async function redundant(direction: 'in' | 'out'): Promise<number> {
    const text = await (await fetch(`${server.origin}/metrics`)).text();
    return Number(new RegExp(`^weblive_media_redundant_packets_total\\{direction="${direction}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? NaN);
  }

  /** The part of the sound that a page made up, once the links are known. */
  async function concealed(room: string, up: Impairments, down: Impairments, known: () => Promise<boolean>): Promise<number> {
    const ben = await user('ben', room, 'audience');
    const anna = await user('anna', room, 'anchor');
    network.impair(up);
    const { stream } = await anna.publish(room, CARD);
    // Links are made once something is sent over them.
    await until('media of the publisher', async () => (await anna.lab.page.evaluate((room) => window.room.sent(room, 'main'), room)).frames > 10, PATIENCE);
    network.impair(down);
    await ben.subscribe(room, 'anna');
    await ben.sees('sound', stream, (seen) => seen.audioEnergy > 0);
    await until('redundancy', known, PATIENCE);
    const before = (await ben.seen(stream))!;
    const now = await ben.sees('sound for a while', stream, (seen) => seen.audioSamples > before.audioSamples + LONG_ENOUGH * 960);
    const share = (now.audioConcealed - before.audioConcealed) / (now.audioSamples - before.audioSamples);
    console.log(`  ${room}: ${(share * 100).toFixed(2)} % of the sound made up, ${await redundant('in')} packets in and ${await redundant('out')} out with redundancy`);
    return share;
  }

  test('is whole after the publisher\'s link', async () => {
    const share = await concealed('up', { up: { delay: 20, loss: 0.1 }, down: { delay: 20 } }, {}, async () => (await redundant('in')) > 20);
    aim(share < 0.03, `${share} of the sound is made up`);
  });

  test('is whole after the link of a page that listens', async () => {
    const before = await redundant('out');
    const share = await concealed('down', {}, { up: { delay: 20 }, down: { delay: 20, loss: 0.1 } }, async () => (await redundant('out')) > before + 600);
    aim(share < 0.03, `${share} of the sound is made up`);
  });
});
