import { describe, expect, it } from 'vitest';
import { errorFromResponse, refusal, toWebliveError, WebliveError, withFatal } from './errors';

const answer = (status: number, body: string, type: string) => new Response(body, { status, headers: { 'content-type': type } });

describe('an error answer', () => {
  it('carries the problem that the server named', async () => {
    const body = JSON.stringify({ type: 'about:blank', title: 'Unsupported codec', detail: 'video is VP8', status: 415, extra: 1 });
    const error = await errorFromResponse(answer(415, body, 'application/problem+json'), 'FLV');
    expect(error).toMatchObject({ type: 'http', status: 415, message: 'FLV: video is VP8' });
    expect(error.problem).toEqual({ type: 'about:blank', title: 'Unsupported codec', detail: 'video is VP8', status: 415 });
  });

  it('says by its code whether the stream may be live soon', async () => {
    const typeOf = async (status: number, code?: string) =>
      (await errorFromResponse(answer(status, JSON.stringify({ code }), 'application/problem+json'), 'play')).type;
    expect(await typeOf(409, 'not-live')).toBe('not-live');
    expect(await typeOf(404, 'ended')).toBe('not-live');
    expect(await typeOf(503, 'not-yet')).toBe('not-live');
    expect(await typeOf(503, 'limit-reached')).toBe('busy');
    expect(await typeOf(409, 'codec-not-supported')).toBe('http');
    expect(await typeOf(404, 'no-such-address')).toBe('http');
  });

  it('of status 404 without a code, as a cache in between sends it, means that the stream is not live', async () => {
    expect((await errorFromResponse(answer(404, '{}', 'application/json'), 'HLS')).type).toBe('not-live');
    expect((await errorFromResponse(answer(404, '<html>', 'text/html'), 'HLS')).type).toBe('not-live');
  });

  it('is still an error when its body is broken', async () => {
    const error = await errorFromResponse(answer(500, '{"detail":', 'application/problem+json'), 'HLS');
    expect(error).toMatchObject({ message: 'HLS: HTTP status 500', problem: null });
    expect((await errorFromResponse(answer(502, '<html>', 'text/html'), 'HLS')).problem).toBeNull();
  });
});

it('fetch without an answer is a network error', () => {
  expect(toWebliveError(new TypeError('Failed to fetch'), 'offer').type).toBe('network');
});

describe('advice', () => {
  const refused = (message: string) => refusal('join', { code: 1, codes: { chat: 1, live: 2, rtc: 3 }, name: 'noSuchRoom', message });

  it('of a refusal is what the server says behind what is wrong', () => {
    expect(refused('room 404 does not exist; create it or enter another one').advice).toBe('Create it or enter another one.');
    expect(refused('you are banned; that was a; b').advice).toBe('B.');
  });

  it('is that of its kind where the server says nothing more, and for what it has not refused', () => {
    expect(refused('you are banned').advice).toBe('Read the message; the request was understood and refused.');
    expect(new WebliveError('state', 'publish: no; call join first', false).advice).toBe('Make the call that the message names first.');
  });
});

it('an error may have the details of another one', () => {
  const error = new WebliveError('busy', 'later', false, { status: 503, reason: 'busy', retryAfterMs: 5, cause: 'x' });
  expect(withFatal(error, true)).toMatchObject({ type: 'busy', message: 'later', fatal: true, status: 503, reason: 'busy', retryAfterMs: 5, allowed: null, cause: 'x' });
  expect(withFatal(error, false)).toBe(error);
});
