import { vi } from 'vitest';
import { setLogLevel } from '../log';
import { FakeServer } from '../signal/fake-server';
import type { Session } from '../signal/session';
import { FakePeer } from './fake-peer';

/** Virtual time, peer connections and a server of unit tests, without chance and without a word on the console. */
export function beginVirtualTime(): FakeServer {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  setLogLevel(5);
  FakePeer.install();
  return new FakeServer();
}

/** Ends what the test has begun, and its time with it. */
export async function endVirtualTime(session: Session): Promise<void> {
  void session.close();
  await tick(3_000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
}

/** Lets time go by, with everything that is due on the way. */
export const tick = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
