import { vi } from 'vitest';
import { FakeRoom } from '../im/fake-room';
import { setLogLevel } from '../log';
import TIM, { type TimChat, type TimError, type TimMessage } from './index';

export const APP = 1400000000;

/** The server, the chat and what it has told, in its order. New for each test. */
export let fake: FakeRoom;
export let tim: TimChat;
export let told: [string, unknown][];
export let lists: [string, unknown][];

/** For `beforeEach`. */
export function begin(): void {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  vi.stubGlobal('WebSocket', function (url: string) {
    return fake.server.open(url);
  });
  setLogLevel(5);
  fake = new FakeRoom();
  create();
  // Lists are told with nearly everything; `lists` has them.
  for (const name of Object.values(TIM.EVENT)) tim.on(name, (event) => (event.name.endsWith('ListUpdated') ? lists : told).push([event.name, event.data]));
}

/** For `afterEach`. */
export async function end(): Promise<void> {
  fake.server.isUp = true;
  const gone = tim.destroy();
  await settle(10_000);
  await gone;
  vi.useRealTimers();
  vi.unstubAllGlobals();
}

/** Makes the chat, with options of one's own. */
export function create(more: object = {}): void {
  forget();
  tim = TIM.create({ SDKAppID: APP, server: 'https://live.example', ...more });
}

/** Nothing was told so far. */
export function forget(): void {
  told = [];
  lists = [];
}

export const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

export const errorOf = (asked: Promise<unknown>) => asked.then(() => { throw new Error('did not reject'); }, (error: TimError) => error);

export const codeOf = async (asked: Promise<unknown>) => (await errorOf(asked)).code;

/** What was told under a name, and forgotten by that. */
export function take(name: string): unknown[] {
  const data = told.filter(([event]) => event === name).map(([, data]) => data);
  told = told.filter(([event]) => event !== name);
  return data;
}

export const messages = () => take(TIM.EVENT.MESSAGE_RECEIVED).flat() as TimMessage[];

export const login = async (userID = 'anna') => {
  const result = await tim.login({ userID, userSig: 'sig' });
  await settle();
  return result;
};

export const join = (groupID: string | number = '5') => tim.joinGroup({ groupID, type: TIM.TYPES.GRP_AVCHATROOM });

/** Logged in, inside, and nothing told so far. */
export async function inside(): Promise<void> {
  await login();
  await join();
  await settle();
  forget();
}

export const text = (text = 'hello', more: object = {}) =>
  tim.createTextMessage({ to: '5', conversationType: TIM.TYPES.CONV_GROUP, payload: { text }, ...more });
