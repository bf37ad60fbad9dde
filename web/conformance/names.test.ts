import { beforeAll, describe, expect, it } from 'vitest';
import { isProxy, isRef } from 'vue';
import { bag, type Bag, call, isBag, load, otherThan, run, text, withoutMethod } from './bundles';
import * as tables from './tables';

/** How a number stands in minified code. */
const written = (code: number) => new RegExp(`(?<![\\w.])(${code}|${code.toExponential().replace('+', '')})(?![\\w.])`);
const missingIn = (code: string, names: readonly string[]) => names.filter((name) => !code.includes(`\`${name}\``) && !code.includes(`"${name}"`) && !code.includes(`'${name}'`));

describe.each([
  ['the script tweblive.js', () => run('tweblive.js', 'TWebLive')],
  ['the module weblive/tweblive', async () => bag(await load('tweblive.mjs'), 'default')],
])('TWebLive of %s', (_, open) => {
  let face: Bag;
  beforeAll(async () => void (face = await open()));

  it('makes pushers, players and IM', () => {
    expect(withoutMethod(face, tables.TWEBLIVE_STATIC)).toEqual([]);
    expect(() => call(face, 'createPusher')).toThrow();
  });

  it('has each event and each type under its value', () => {
    expect(otherThan(bag(face, 'EVENT'), tables.TWEBLIVE_EVENTS)).toEqual([]);
    expect(otherThan(bag(face, 'TYPES'), tables.TWEBLIVE_TYPES)).toEqual([]);
  });

  it('has each method of a pusher', () => {
    const pusher = call(face, 'createPusher', { userID: 'anna' }) as Bag;
    expect(withoutMethod(pusher, tables.PUSHER_METHODS)).toEqual([]);
    expect(call(pusher, 'isPushing')).toBe(false);
    expect(call(pusher, 'getCurrentCamera')).toBeUndefined();
  });

  it('has each method of a player', () => {
    const player = call(face, 'createPlayer') as Bag;
    expect(withoutMethod(player, tables.PLAYER_METHODS)).toEqual([]);
    expect(call(player, 'isPlaying')).toBeUndefined();
  });

  it('has each method of the page’s one IM', () => {
    const im = call(face, 'createIM', { SDKAppID: 1400000000 }) as Bag;
    expect(withoutMethod(im, tables.IM_METHODS)).toEqual([]);
    expect(call(face, 'createIM', { SDKAppID: 7 })).toBe(im);
  });
});

it('TWebLive reports the documented codes of its player', async () => {
  const code = await text('tweblive.js');
  expect(tables.CDN_CODES.filter((number) => !written(number).test(code))).toEqual([]);
});

describe.each([
  ['the script trtc.js', () => run('trtc.js', 'TRTC')],
  ['the module weblive/trtc', async () => bag(await load('trtc.mjs'), 'default')],
])('TRTC of %s', (_, open) => {
  let face: Bag;
  beforeAll(async () => void (face = await open()));

  it('has each static member', async () => {
    expect(tables.TRTC_STATIC.filter((name) => face[name] === undefined)).toEqual([]);
    expect(withoutMethod(bag(face, 'Logger'), tables.TRTC_LOGGER)).toEqual([]);
    expect(otherThan(bag(bag(face, 'Logger'), 'LogLevel'), tables.TRTC_LEVELS)).toEqual([]);
    const system = (await call(face, 'checkSystemRequirements')) as Bag;
    expect(typeof system['result']).toBe('boolean');
    expect(tables.SYSTEM_DETAILS.filter((name) => typeof bag(system, 'detail')[name] !== 'boolean')).toEqual([]);
  });

  it('has each method of a client', () => {
    const client = call(face, 'createClient', { mode: 'live', sdkAppId: 1400000000, userId: 'anna', userSig: 'x', frameWorkType: 31 }) as Bag;
    expect(withoutMethod(client, tables.CLIENT_METHODS)).toEqual([]);
    for (const event of tables.CLIENT_EVENTS) call(client, 'on', event, () => undefined);
    for (const name of ['mode', 'sdkAppId', 'userId', 'userSig']) {
      const { [name]: _, ...others } = { mode: 'live', sdkAppId: 1400000000, userId: 'anna', userSig: 'x' } as Bag;
      expect(() => call(face, 'createClient', others), name).toThrow(expect.objectContaining({ name: 'RtcError', code: 0x1000, extraCode: 0 }));
    }
  });

  it('has each method of a local stream', () => {
    const stream = call(face, 'createStream', { userId: 'anna', audio: true, video: true }) as Bag;
    expect(withoutMethod(stream, [...tables.STREAM_METHODS, ...tables.LOCAL_STREAM_METHODS])).toEqual([]);
    for (const event of tables.STREAM_EVENTS) call(stream, 'on', event, () => undefined);
  });

  it('has each error code', () => {
    expect(otherThan(bag(face, 'ErrorCode'), tables.TRTC_ERRORS)).toEqual([]);
  });
});

it('TRTC’s module exports the streams of others, with each method', async () => {
  const remote = bag(bag(await load('trtc.mjs'), 'RemoteStream'), 'prototype');
  expect(withoutMethod(remote, [...tables.STREAM_METHODS, ...tables.REMOTE_STREAM_METHODS])).toEqual([]);
});

it('TRTC emits each event and state under its name', async () => {
  const code = await text('trtc.js');
  expect(missingIn(code, [...tables.CLIENT_EVENTS, ...tables.STREAM_EVENTS, ...tables.CLIENT_STATES])).toEqual([]);
});

it('profiles have the documented sizes, rates and bit rates', async () => {
  const all = await load('weblive.mjs');
  const video = (table: string, name: string) => {
    const { width, height, frameRate, bitrateBps } = bag(bag(all, table), name) as Record<string, number>;
    return [width, height, frameRate, bitrateBps! / 1000];
  };
  for (const [name, profile] of Object.entries(tables.CAMERA)) expect(video('CAMERA_PROFILES', name), name).toEqual(profile);
  for (const [name, profile] of Object.entries(tables.SCREEN)) expect(video('SCREEN_PROFILES', name), name).toEqual(profile);
  for (const [name, [channels, kbps]] of Object.entries(tables.AUDIO)) {
    expect(bag(bag(all, 'AUDIO_PROFILES'), name), name).toEqual({ sampleRate: 48_000, channelCount: channels, bitrateBps: kbps * 1000 });
  }
  // What TWebLive asks for beyond the table runs at 30 frames a second, and what nobody knows falls back.
  for (const name of ['720p_2', '1080p_2']) expect(video('CAMERA_PROFILES', name)[2]).toBe(30);
  expect(call(all, 'cameraProfile', 'unknown')).toEqual(bag(bag(all, 'CAMERA_PROFILES'), '480p_2'));
  expect(call(all, 'screenProfile', 'unknown')).toEqual(bag(bag(all, 'SCREEN_PROFILES'), '1080p'));
  expect(call(all, 'audioProfile', 'unknown')).toEqual(bag(bag(all, 'AUDIO_PROFILES'), 'standard'));
});

describe.each([
  ['the script tim-js.js', () => run('tim-js.js', 'TIM')],
  ['the module weblive/tim', async () => bag(await load('tim.mjs'), 'default')],
])('TIM of %s', (_, open) => {
  let face: Bag;
  let tim: Bag;
  beforeAll(async () => {
    face = await open();
    tim = call(face, 'create', { SDKAppID: 1400000001 }) as Bag;
  });

  it('has each event and each type under its value', () => {
    expect(otherThan(bag(face, 'EVENT'), tables.TIM_EVENTS)).toEqual([]);
    expect(otherThan(bag(face, 'TYPES'), tables.TIM_TYPES)).toEqual([]);
  });

  it('has each method', () => {
    expect(withoutMethod(tim, tables.TIM_METHODS)).toEqual([]);
  });

  it('makes messages with each member', () => {
    const made = call(tim, 'createTextMessage', { to: '42', conversationType: 'GROUP', payload: { text: 'x' } }) as Bag;
    expect(tables.MESSAGE_MEMBERS.filter((name) => !(name in made))).toEqual([]);
    expect(made).toMatchObject({ type: 'TIMTextElem', payload: { text: 'x' }, conversationID: 'GROUP42', conversationType: 'GROUP', to: '42', flow: 'out', status: 'unSend', priority: 'Normal', isRevoked: false });
  });
});

it('TIM reports the documented codes', async () => {
  const code = await text('tim-js.js');
  expect(tables.TIM_ERRORS.filter((number) => !written(number).test(code))).toEqual([]);
});

describe('the composables', () => {
  let vue: Bag;
  beforeAll(async () => void (vue = await load('vue.mjs')));

  it.each(Object.entries(tables.LIVE_STATES))('%s has each value and each method', (name, { values, methods }) => {
    const state = call(vue, name) as Bag;
    expect(withoutMethod(state, methods)).toEqual([]);
    expect(values.filter((value) => !isRef(state[value]) && !isProxy(state[value]))).toEqual([]);
  });

  it.each(Object.entries(tables.LIVE_EVENTS))('%s has each event, its value being its name', (name, events) => {
    expect(otherThan(bag(vue, name), Object.fromEntries(events.map((event) => [event, event])))).toEqual([]);
  });

  it.each(Object.entries(tables.LIVE_ENUMS))('%s has each member', (name, members) => {
    expect(otherThan(bag(vue, name), members)).toEqual([]);
  });

  it.each(Object.entries(tables.LIVE_VALUES))('%s has each value', (name, values) => {
    const known = Object.values(bag(vue, name));
    expect(values.filter((value) => !known.includes(value))).toEqual([]);
  });

  it('stand on states without Vue', async () => {
    const live = await load('live.mjs');
    const context = call(live, 'liveContext') as Bag;
    const states = ['coGuest', 'seat', 'coHost', 'liveList', 'audience', 'barrage', 'gift', 'device', 'login'];
    expect(states.filter((name) => !isBag(context[name]))).toEqual([]);
    expect((await text('live.mjs')).includes('"vue"')).toBe(false);
  });
});

describe('the package weblive', () => {
  it('makes the objects of the faces', async () => {
    const names = ['createPusher', 'createPlayer', 'createIM', 'createClient', 'createStream', 'setServer'];
    expect(withoutMethod(await load('weblive.mjs'), names)).toEqual([]);
    expect(withoutMethod(await run('weblive.js', 'weblive'), names)).toEqual([]);
  });
});
