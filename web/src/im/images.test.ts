import { describe, expect, it, vi } from 'vitest';
import type { WebliveError } from '../errors';
import { checkImage, MAX_IMAGE_BYTES, uploadImage } from './images';

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

const file = (bytes: number[], type = '') => new Blob([new Uint8Array([...bytes, ...new Array<number>(16).fill(0)])], { type });

const codeOf = (asked: Promise<unknown>) => asked.then(() => null, (error: WebliveError) => error.codes?.chat);

const PAYLOAD = { uuid: 'u', imageFormat: 'png', imageInfoArray: [{ url: '/images/u.png', width: 2, height: 1, size: 9 }, { url: 'https://cdn.example/x.png', width: 1, height: 1, size: 4 }] };

/** A request that the test answers. */
class FakeRequest {
  readonly upload: { onprogress: ((event: { lengthComputable: boolean; loaded: number; total: number }) => void) | null } = { onprogress: null };
  readonly headers: Record<string, string> = {};
  onload = () => undefined;
  onerror = () => undefined;
  ontimeout = () => undefined;
  onabort = () => undefined;
  status = 0;
  responseText = '';
  retryAfter: string | null = null;
  address = '';
  body: unknown;
  open(method: string, address: string) { this.address = `${method} ${address}`; }
  setRequestHeader(name: string, value: string) { this.headers[name] = value; }
  getResponseHeader() { return this.retryAfter; }
  send(body: unknown) { this.body = body; }
  abort() { this.onabort(); }
  answer(status: number, body: unknown) {
    this.status = status;
    this.responseText = typeof body === 'string' ? body : JSON.stringify(body);
    this.onload();
  }
}

async function upload(options: { userSig?: string; signal?: AbortSignal; onProgress?: (part: number) => void } = {}) {
  const request = new FakeRequest();
  const done = uploadImage(file(PNG), { server: 'https://live.example', open: () => request as unknown as XMLHttpRequest, ...options });
  done.catch(() => undefined);
  await vi.waitFor(() => expect(request.body ?? options.signal?.aborted).toBeTruthy());
  return { request, done };
}

describe('an image', () => {
  it('is known by its first bytes', async () => {
    const text = (text: string) => [...text].map((c) => c.charCodeAt(0));
    expect(await checkImage(file(PNG))).toBe('png');
    expect(await checkImage(file([0xff, 0xd8, 0xff, 0xe0]))).toBe('jpg');
    expect(await checkImage(file(text('GIF89a')))).toBe('gif');
    expect(await checkImage(file(text('RIFF\u0001\u000a\u0003\u0004WEBP')))).toBe('webp');
    expect(await checkImage(file(text('BM')))).toBe('bmp');
  });

  it('is refused before the upload when it is missing, no image or too large', async () => {
    const huge = Object.defineProperty(new Blob(['BM']), 'size', { value: MAX_IMAGE_BYTES + 1 });
    expect(await codeOf(checkImage(null))).toBe(2251);
    expect(await codeOf(checkImage(new Blob([])))).toBe(2251);
    expect(await codeOf(checkImage(file([0x3c, 0x73, 0x76, 0x67], 'image/svg+xml')))).toBe(2252);
    expect(await codeOf(checkImage(huge))).toBe(2253);
  });

  it('is uploaded with progress, and its addresses are absolute', async () => {
    const parts: number[] = [];
    const { request, done } = await upload({ userSig: 'sig', onProgress: (part) => parts.push(part) });
    request.upload.onprogress?.({ lengthComputable: true, loaded: 5, total: 20 });
    request.upload.onprogress?.({ lengthComputable: false, loaded: 6, total: 0 });
    request.answer(201, PAYLOAD);
    const payload = await done;
    expect(request.address).toBe('POST https://live.example/api/images');
    expect(request.headers).toEqual({ 'content-type': 'image/png', authorization: 'Bearer sig' });
    expect(parts).toEqual([0.25, 1]);
    expect(payload.imageInfoArray.map(({ url }) => url)).toEqual(['https://live.example/images/u.png', 'https://cdn.example/x.png']);
  });

  it.each([
    [415, { detail: 'no', error_code: 2252 }, 2252, 'http'],
    [413, '<html>too large</html>', 2253, 'http'],
    [401, { detail: 'expired', error_code: 70001 }, 70001, 'http'],
    [429, { detail: 'slowly' }, 2996, 'busy'],
    [503, {}, 2805, 'busy'],
    [404, { code: 'no-uploads' }, 2100, 'http'],
  ])('is refused by the server with %i', async (status, body, code, type) => {
    const { request, done } = await upload();
    request.retryAfter = '5';
    request.answer(status, body);
    const error = await done.catch((error: WebliveError) => error);
    expect(error).toMatchObject({ type, status, codes: { chat: code }, retryAfterMs: 5_000 });
  });

  it('fails without the server, in time, and when it is given up', async () => {
    const { request, done } = await upload();
    request.onerror();
    await expect(done).rejects.toMatchObject({ type: 'network' });
    const late = await upload();
    late.request.ontimeout();
    await expect(late.done).rejects.toMatchObject({ type: 'timeout' });
    const control = new AbortController();
    const given = await upload({ signal: control.signal });
    control.abort();
    await expect(given.done).rejects.toMatchObject({ type: 'state' });
    await expect((await upload({ signal: control.signal })).done).rejects.toMatchObject({ type: 'state' });
    const odd = await upload();
    odd.request.answer(201, 'no json');
    await expect(odd.done).rejects.toMatchObject({ type: 'http' });
  });
});
