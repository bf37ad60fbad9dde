import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LabBrowser, type LabPage, RESULTS, until, WebliveServer } from './harness';
import type { LivePlan, LiveSeen } from './lab/live';
import { PATIENCE } from './rooms';

const CARD = { width: 320, height: 240, frameRate: 15 };

/** A page of the composables, seen from the test. */
class Guest {
  private constructor(
    readonly lab: LabPage,
    readonly user: string,
  ) {}

  static async open(lab: LabBrowser, plan: LivePlan): Promise<Guest> {
    const page = await lab.page(plan.user);
    await page.page.evaluate((plan) => window.startLivePage(plan), plan);
    return new Guest(page, plan.user);
  }

  /** Does what a button does; fails where that is refused. */
  async do(action: string, value?: string): Promise<void> {
    try {
      await this.lab.page.evaluate(([action, value]) => window.live.do(action!, value), [action, value]);
    } catch (error) {
      throw new Error(`${this.user}: ${action}: ${(error as Error).message}`);
    }
  }

  seen(): Promise<LiveSeen> {
    return this.lab.page.evaluate(() => window.live.seen());
  }

  /** Waits until what is seen is accepted. */
  async sees(what: string, accept: (seen: LiveSeen) => boolean): Promise<LiveSeen> {
    let last: LiveSeen | undefined;
    try {
      return await until(what, async () => accept((last = await this.seen())) && last, PATIENCE);
    } catch (error) {
      throw new Error(`${this.user}: ${(error as Error).message}; last seen ${JSON.stringify(last)}; console ${JSON.stringify(this.lab.said.slice(-8))}`);
    }
  }

  /** Waits until exactly these users are shown, and a picture of each goes on; those of others with sound. */
  async watches(users: string[], frames = 8): Promise<LiveSeen> {
    const before = new Map((await this.seen()).tiles.map((tile) => [tile.user, tile.frames]));
    return this.sees(`the pictures of ${users.join(', ')}`, ({ tiles, received }) => {
      return tiles.map(({ user }) => user).sort().join() === [...users].sort().join() && tiles.every((tile) => {
        const moves = tile.frames >= (before.get(tile.user) ?? 0) + frames && tile.width > 0;
        return moves && (tile.user === this.user || (tile.hasSound && received.some(({ user, sounds }) => user === tile.user && sounds)));
      });
    });
  }

  /** Waits for an event, and gives what it told. */
  async event(name: string): Promise<unknown> {
    const seen = await this.sees(`the event ${name}`, ({ events }) => events.some((event) => event.name === name));
    return seen.events.findLast((event) => event.name === name)!.info;
  }
}

describe('pages of live rooms, in Vue', () => {
  let server: WebliveServer;
  let lab: LabBrowser;

  before(async () => {
    server = await WebliveServer.start('--relay-linger', '1s');
    lab = await LabBrowser.start();
  });
  after(async () => {
    await lab?.stop();
    await server?.stop();
  });

  test('a guest applies or is invited, publishes, and leaves or is kicked; two hosts connect', async () => {
    const page = (user: string, card?: LivePlan['card']) => Guest.open(lab, { server: server.origin, user, ...(card && { card }) });
    const [olga, gina, zoe] = await Promise.all([page('olga'), page('gina', CARD), page('zoe')]);
    const info = (userId: string) => ({ userId, userName: userId.toUpperCase(), avatarUrl: '' });
    await olga.do('create', 'evening');
    await Promise.all([gina.do('join', 'evening'), zoe.do('join', 'evening')]);
    await Promise.all([gina.watches(['olga']), zoe.watches(['olga'])]);
    assert.deepEqual((await olga.seen()).seats, ['olga', null, null]);
    await olga.sees('the audience', ({ audience }) => audience.includes('gina') && audience.includes('zoe'));

    // Apply, accept, publish: seen in the room, on FLV and on HLS.
    await gina.do('apply');
    assert.deepEqual(await olga.event('onGuestApplicationReceived'), { guestUser: info('gina') });
    assert.deepEqual((await olga.seen()).applicants, ['gina']);
    await olga.do('accept');
    assert.deepEqual(await gina.event('onGuestApplicationResponded'), { isAccept: true, hostUser: info('olga') });
    const stream = server.addresses('0_evening_gina_main');
    await Promise.all([olga.watches(['olga', 'gina']), zoe.watches(['olga', 'gina']), gina.watches(['olga', 'gina'])]);
    const players = await Promise.all([lab.viewer('flv', stream.flv), lab.viewer('hls', stream.hls)]);
    await Promise.all(players.map((player) => player.plays(10, {}, PATIENCE)));
    const both = await zoe.sees('who speaks', ({ speaking }) => speaking.includes('gina'));
    assert.deepEqual(both.seats, ['olga', 'gina', null]);
    // A busy machine may send less than the card has.
    const width = both.received.find(({ user }) => user === 'gina')?.width ?? 0;
    assert.ok(width > 0 && width <= CARD.width, `gina's picture has a width of ${width}`);
    await zoe.lab.page.screenshot({ path: join(RESULTS, 'guests.png') });

    // Off the seat: the devices are closed, and what is opened now reaches nobody.
    await olga.do('kick', 'gina');
    assert.deepEqual(await gina.event('onKickedOffSeat'), { seatIndex: 1, hostUser: info('olga') });
    await gina.sees('closed devices', ({ camera, microphone }) => camera === 0 && microphone === 0);
    await zoe.watches(['olga']);
    await players[0]!.until('the end', (seen) => seen.state === 'ended', PATIENCE);
    await gina.do('open');
    await gina.do('say', 'I am here');
    const after = await zoe.sees('the word', ({ messages }) => messages.includes('I am here'));
    assert.deepEqual(after.tiles.map(({ user }) => user), ['olga']);
    assert.equal((await fetch(stream.flv)).status, 404);
    for (const player of players) await player.close();

    // Invite, accept, leave.
    await olga.do('invite', 'zoe');
    assert.deepEqual((await olga.seen()).invitees, ['zoe']);
    await zoe.lab.page.waitForSelector('#invitation');
    assert.deepEqual(await zoe.event('onHostInvitationReceived'), { hostUser: info('olga') });
    await zoe.do('agree');
    assert.deepEqual(await olga.event('onHostInvitationResponded'), { isAccept: true, guestUser: info('zoe') });
    await Promise.all([olga.watches(['olga', 'zoe']), gina.watches(['olga', 'zoe'])]);
    await zoe.do('stand');
    await Promise.all([olga.watches(['olga']), zoe.watches(['olga'])]);
    await zoe.sees('closed devices', ({ camera, microphone }) => camera === 0 && microphone === 0);

    // Another room's host: each audience sees both.
    await gina.lab.close();
    const [hugo, vera] = await Promise.all([page('hugo'), page('vera')]);
    await hugo.do('create', 'next door');
    await vera.do('join', 'next door');
    await olga.do('connect', 'next door');
    const asked = (await hugo.event('onCoHostRequestReceived')) as { inviter: { userId: string; liveId: string }; extensionInfo: string };
    assert.deepEqual([asked.inviter.userId, asked.inviter.liveId, asked.extensionInfo], ['olga', 'evening', 'shall we?']);
    await hugo.do('acceptHost');
    const accepted = (await olga.event('onCoHostRequestAccepted')) as { invitee: { userId: string } };
    assert.equal(accepted.invitee.userId, 'hugo');
    await Promise.all([zoe.watches(['olga', 'hugo']), vera.watches(['hugo', 'olga'])]);
    const together = await olga.seen();
    assert.deepEqual([together.coHostStatus, together.coHosts], ['Connected', ['olga', 'hugo']]);
    await hugo.do('exitHost');
    await Promise.all([zoe.watches(['olga']), vera.watches(['hugo'])]);
    assert.equal((await olga.seen()).coHostStatus, 'Disconnected');

    await olga.do('end');
    const ended = (await zoe.event('onLiveEnded')) as { liveId: string; reason: number };
    assert.deepEqual([ended.liveId, ended.reason], ['evening', 1]);
    for (const one of [olga, zoe, hugo, vera]) {
      assert.deepEqual((await one.seen()).errors, [], one.user);
      // What the library had to repeat on a busy machine is no fault of the page.
      assert.deepEqual(one.lab.said.filter((line) => !/: warning: \[weblive /.test(line)), [], one.user);
    }
  });
});
