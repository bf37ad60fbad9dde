// @vitest-environment node
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compressed } from '../build/budget';
import { CORE_BUDGET, SCRIPTS, SDK, WEB } from '../build/entries';
import { PACKAGE } from '../build/package';

/** An app that has installed the package, and nothing else but Vue. */
let app: string;
beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'weblive-app-'));
  await promisify(execFile)('mkdir', ['-p', join(app, 'node_modules')]);
  await symlink(PACKAGE, join(app, 'node_modules/weblive'));
  await symlink(join(WEB, 'node_modules/vue'), join(app, 'node_modules/vue'));
});
afterAll(() => rm(app, { recursive: true }));

async function bundle(code: string): Promise<Rolldown.OutputChunk[]> {
  await writeFile(join(app, 'main.js'), code);
  const result = await build({
    configFile: false, root: app, logLevel: 'error',
    resolve: { alias: { tweblive: 'weblive/tweblive', 'trtc-js-sdk': 'weblive/trtc', 'tim-js-sdk': 'weblive/tim', 'tuikit-atomicx-vue3': 'weblive/vue' } },
    build: { write: false, target: 'es2022', rolldownOptions: { input: join(app, 'main.js') } },
  });
  const outputs = (Array.isArray(result) ? result : [result]) as Rolldown.RolldownOutput[];
  return outputs.flatMap(({ output }) => output).filter((part) => part.type === 'chunk');
}

const atStart = (chunks: Rolldown.OutputChunk[]) => {
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const reach = (name: string): string[] => [name, ...(byName.get(name)?.imports.flatMap(reach) ?? [])];
  const names = new Set(chunks.filter(({ isEntry }) => isEntry).flatMap(({ fileName }) => reach(fileName)));
  return [...names].reduce((sum, name) => sum + compressed(byName.get(name)?.code ?? ''), 0);
};

describe('the package', () => {
  it('names files that are there, with typings', async () => {
    const { exports } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8')) as { exports: Record<string, string | Record<string, string>> };
    const files = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : Object.values(entry)));
    expect(files.length).toBeGreaterThan(15);
    expect(files.filter((file) => !existsSync(join(PACKAGE, file)))).toEqual([]);
  });

  it('carries the terms of what it holds of others', async () => {
    for (const engine of ['hls.js', 'mpegts.js']) expect(await readFile(join(PACKAGE, `engines/${engine}-LICENSE`), 'utf8')).toContain('Apache License');
  });

  it('has maps that lead to the sources', async () => {
    for (const { file } of SCRIPTS) {
      expect(await readFile(join(SDK, file), 'utf8')).toContain(`sourceMappingURL=${file}.map`);
      const { sources } = JSON.parse(await readFile(join(SDK, `${file}.map`), 'utf8')) as { sources: string[] };
      expect(sources.some((source) => source.endsWith('src/page.ts'))).toBe(true);
    }
  });

  it.each(SCRIPTS.map(({ file }) => file))('keeps %s within its budget', async (file) => {
    expect(compressed(await readFile(join(SDK, file), 'utf8'))).toBeLessThanOrEqual(CORE_BUDGET);
  });

  it('is taken by an app that changes its aliases only', async () => {
    const chunks = await bundle(`
      import TWebLive from 'tweblive';
      import TRTC from 'trtc-js-sdk';
      import TIM from 'tim-js-sdk';
      import { useCoGuestState, CoGuestEvent } from 'tuikit-atomicx-vue3';
      export default [TWebLive.createPusher, TRTC.createClient, TIM.create, useCoGuestState, CoGuestEvent];`);
    expect(chunks.some(({ isDynamicEntry, moduleIds }) => isDynamicEntry && moduleIds.some((id) => id.includes('mpegts')))).toBe(true);
  }, 30_000);

  it('leaves out what an app does not use', async () => {
    const whole = atStart(await bundle(`import * as weblive from 'weblive'; console.log(weblive);`));
    const address = atStart(await bundle(`import { streamIdOf } from 'weblive'; console.log(streamIdOf(1, 2, 'a', 'main'));`));
    const chat = atStart(await bundle(`import TIM from 'weblive/tim'; console.log(TIM);`));
    expect(address).toBeLessThan(whole / 4);
    expect(chat).toBeLessThan(whole / 2);
  }, 30_000);

  it('has typings that every kind of resolution finds', async () => {
    await writeFile(join(app, 'main.ts'), `
      import { createPusher, type Pusher, WebliveError } from 'weblive';
      import TWebLive from 'weblive/tweblive';
      import TRTC from 'weblive/trtc';
      import TIM from 'weblive/tim';
      import { useLiveSeatState } from 'weblive/vue';
      const pusher: Pusher = createPusher({ userID: 'a' });
      const client = TRTC.createClient({ mode: 'live', sdkAppId: 1, userId: 'a', userSig: '' });
      void client.join({ roomId: 1 });
      void TIM.create({ SDKAppID: 1 }).login({ userID: 'a', userSig: '' });
      const seats: number = useLiveSeatState().seatList.value.length;
      const event: string = TWebLive.EVENT.IM_READY;
      const im = TWebLive.createIM({ SDKAppID: 1 });
      im.on(TWebLive.EVENT.IM_TEXT_MESSAGE_RECEIVED, ({ data }) => data.forEach(({ payload }) => console.log(payload.text.length)));
      im.on(TWebLive.EVENT.IM_PUSH_STOPPED, ({ data }) => console.log(data.length), im);
      pusher.on(TWebLive.EVENT.RTC_CLIENT_ERROR, ({ data }) => console.log(data.getCode()));
      pusher.on(event, (told: { name: string; data: number }) => console.log(told));
      console.log(pusher, seats, event, WebliveError);
      // @ts-expect-error userID is asked for
      createPusher({});
    `);
    await writeFile(join(app, 'package.json'), '{"type":"module"}');
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    const flags = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,dom,dom.iterable', '--skipLibCheck'];
    for (const how of [['--module', 'esnext', '--moduleResolution', 'bundler'], ['--module', 'nodenext', '--moduleResolution', 'nodenext']]) {
      const { stdout } = await promisify(execFile)(process.execPath, [tsc, ...flags, ...how, join(app, 'main.ts')]).catch((error: { stdout: string }) => error);
      expect(stdout, how.join(' ')).toBe('');
    }
  }, 60_000);
});
