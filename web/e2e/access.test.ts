import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { BINARY, launchBrowser, until, WebliveServer } from './harness';

describe('the page of plain streams of a server with apps', () => {
  let folder: string;
  let server: WebliveServer;
  let browser: Browser;
  let token: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weblive-e2e-'));
    const config = join(folder, 'weblive.toml');
    await writeFile(config, 'data_dir = ""\n[[apps]]\nid = 7\nkeys = ["a-key-of-this-test"]\n');
    token = execFileSync(BINARY, ['usersig', '--config', config, '--app', '7', '--user', 'anna'], { encoding: 'utf8' }).trim();
    server = await WebliveServer.start('--config', config);
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await rm(folder, { recursive: true });
  });

  const open = async (rest: string): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(server.url('/') + rest);
    await page.locator('#publish-toggle').waitFor();
    return page;
  };
  const publishing = (page: Page) => page.textContent('#publish-state');

  test('says that a token is missing, and where it goes', async () => {
    const page = await open('#/lab');
    assert.equal(await page.locator('#token').isVisible(), false);
    await page.getByRole('button', { name: 'Start publishing' }).click();
    await until('refused', async () => (await publishing(page)) === 'Stopped by an error');
    await page.locator('#token').waitFor({ state: 'visible' });
    await page.fill('#token', token);
    await page.getByRole('button', { name: 'Start publishing' }).click();
    await until('live', async () => (await publishing(page)) === 'Live');
    await page.context().close();
  });

  test('asks who follows a link for a token as well', async () => {
    const page = await open('?id=guarded');
    await page.locator('#token').waitFor({ state: 'visible' });
    await page.context().close();
  });

  test('takes a token from its address, keeps it out of there, and shows it to WHIP and WHEP', async () => {
    const page = await open(`?id=guarded-too#token=${token}`);
    assert.equal(page.url(), server.url('/?id=guarded-too#/lab'));
    await page.getByRole('button', { name: 'Start publishing' }).click();
    await until('live', async () => (await publishing(page)) === 'Live');
    const card = page.locator('.card').first();
    await until('WebRTC plays', async () => (await card.locator('[data-part=state]').textContent()) === 'Playing', 40_000);
    await page.context().close();
  });
});
