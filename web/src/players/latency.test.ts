import { expect, test } from 'vitest';
import { keepUp } from './latency';

const OPTIONS = { target: 2, max: 8, rate: 1.1 };

test('a player that is in time plays as it is', () => {
  expect(keepUp(2, 1, OPTIONS)).toEqual({ rate: 1, jump: false });
  expect(keepUp(3, 1, OPTIONS)).toEqual({ rate: 1, jump: false });
});

test('a player that is late plays faster until it is in time', () => {
  expect(keepUp(3.1, 1, OPTIONS)).toEqual({ rate: 1.1, jump: false });
  expect(keepUp(2.1, 1.1, OPTIONS)).toEqual({ rate: 1.1, jump: false });
  expect(keepUp(2, 1.1, OPTIONS)).toEqual({ rate: 1, jump: false });
});

test('a player that is far too late jumps', () => {
  expect(keepUp(8.1, 1.1, OPTIONS)).toEqual({ rate: 1, jump: true });
});
