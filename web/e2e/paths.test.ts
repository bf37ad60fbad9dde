import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { LabBrowser, type LabPage, until, WebliveServer } from './harness';
import type { Only } from './lab/narrow';

const SECRET = 'north-of-the-tests';

let server: WebliveServer;
let lab: LabBrowser;
let turn: ChildProcess;

/** A port of UDP that nobody has. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address() as AddressInfo;
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

before(async () => {
  const port = await freePort();
  const to = ['--listening-ip', '127.0.0.1', '--relay-ip', '127.0.0.1', '--listening-port', String(port), '--no-tls', '--no-dtls'];
  const keys = ['--use-auth-secret', '--static-auth-secret', SECRET, '--realm', 'tests', '--allow-loopback-peers'];
  turn = spawn('turnserver', ['-n', ...to, ...keys, '--no-cli', '--log-file', 'stdout', '--pidfile', ''], { stdio: 'ignore' });
  const servers = `[{ urls = ["turn:127.0.0.1:${port}?transport=udp"], secret = "${SECRET}" }]`;
  [server, lab] = await Promise.all([WebliveServer.start('--ice-servers', servers), LabBrowser.start()]);
});

after(async () => {
  turn?.kill();
  await Promise.all([lab?.stop(), server?.stop()]);
});

/** Puts a page behind such a network. */
function restrict(page: Page, only: Only): Promise<void> {
  return page.evaluate((only) => window.restrict(only), only);
}

/** The pair of candidates that the page's media takes. */
async function path(page: LabPage): Promise<{ type: string; protocol: string; remote: string }> {
  return until(`${page.name} has a path`, () =>
    page.page.evaluate(async () => {
      const stats = await window.peers.at(-1)!.getStats();
      const entries = [...stats.values()];
      const transport = entries.find((entry) => entry.type === 'transport') as RTCTransportStats | undefined;
      const pair = stats.get(transport?.selectedCandidatePairId ?? '') as RTCIceCandidatePairStats | undefined;
      if (!pair) return null;
      const local = stats.get(pair.localCandidateId) as { candidateType: string; protocol: string };
      const remote = stats.get(pair.remoteCandidateId) as { protocol: string };
      return { type: local.candidateType, protocol: local.protocol, remote: remote.protocol };
    }),
  );
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(server.url('/metrics'))).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? NaN);
}

test('a page whose network lets no datagrams through publishes and plays over TCP, and one that has only TURN plays through it', async () => {
  const { whip, webrtc } = server.addresses('narrow');
  const publisher = await lab.page('publisher');
  await restrict(publisher.page, 'tcp');
  await publisher.page.evaluate((plan) => window.lab.publish(plan), { whip, width: 320, height: 180 });
  await until('the publisher is connected', async () => (await publisher.page.evaluate(() => window.lab.publishState)) === 'connected');
  assert.deepEqual({ ...(await path(publisher)), type: 'any' }, { type: 'any', protocol: 'tcp', remote: 'tcp' });

  const play = async (only: Only) => {
    const viewer = await lab.page(only);
    await restrict(viewer.page, only);
    await viewer.page.evaluate((url) => window.lab.play('webrtc', url), webrtc);
    await viewer.plays(20);
    return path(viewer);
  };
  const [tcp, relay] = await Promise.all([play('tcp'), play('relay')]);
  assert.equal(tcp.protocol, 'tcp');
  assert.deepEqual(relay, { type: 'relay', protocol: 'udp', remote: 'udp' });
  assert.equal(await metric('weblive_media_tcp_connections'), 2);
  assert.ok(!server.log.join('\n').includes(SECRET), 'the secret is in no log');
});
