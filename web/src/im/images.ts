import { WebliveError, type ErrorDetails, type ErrorType } from '../errors';
import type { ImagePayload, Message } from '../protocol/messages';

/** How an image is uploaded. */
export interface UploadOptions {
  /** The server's HTTP origin. */
  server: string;
  /** The user's UserSig; not needed where the server runs open. */
  userSig?: string;
  /** Called with the part that is done, from 0 to 1. */
  onProgress?: (part: number) => void;
  /** Gives the upload up. */
  signal?: AbortSignal;
  /** Makes the request; for tests. */
  open?: () => XMLHttpRequest;
}

/** The most bytes that an image may have. */
export const MAX_IMAGE_BYTES = 28 * 1024 * 1024;

/** What an image may be. */
export type ImageFormat = 'jpg' | 'png' | 'gif' | 'webp' | 'bmp';

/**
 * Says what an image is, from its first bytes. Rejects with a {@link WebliveError} for what is missing (2251), no image
 * (2252) or too large (2253).
 */
export async function checkImage(file: Blob | null | undefined): Promise<ImageFormat> {
  if (!(file instanceof Blob) || file.size === 0) throw imageError('argument', 'image: there is no file, or it is empty; choose one', 2251, 'imageMissing');
  if (file.size > MAX_IMAGE_BYTES) {
    throw imageError('argument', `image: ${file.size} bytes are too many; allowed are ${MAX_IMAGE_BYTES}`, 2253, 'imageSize', `${MAX_IMAGE_BYTES} bytes`);
  }
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const text = String.fromCharCode(...head);
  const found = SIGNATURES.find(([, pattern]) => pattern.test(text));
  if (!found) throw imageError('argument', `image: the file is none; allowed are ${ALLOWED}`, 2252, 'imageType', ALLOWED);
  return found[0];
}

/** Uploads an image that can then be sent by its `uuid`; the addresses in the answer are absolute. */
export async function uploadImage(file: Blob, options: UploadOptions): Promise<ImagePayload> {
  const format = await checkImage(file);
  const { server, userSig, onProgress, signal } = options;
  const request = options.open?.() ?? new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    const onAbort = () => request.abort();
    const fail = (error: WebliveError) => reject(error);
    request.open('POST', `${server}/api/images`);
    request.setRequestHeader('content-type', file.type.startsWith('image/') ? file.type : `image/${format === 'jpg' ? 'jpeg' : format}`);
    if (userSig !== undefined) request.setRequestHeader('authorization', `Bearer ${userSig}`);
    request.timeout = TIMEOUT;
    request.upload.onprogress = ({ lengthComputable, loaded, total }) => {
      if (lengthComputable && total > 0) onProgress?.(loaded / total);
    };
    request.onerror = () => fail(new WebliveError('network', 'image: no answer from the server', false));
    request.ontimeout = () => fail(new WebliveError('timeout', `image: not uploaded within ${TIMEOUT / 1000} s`, false));
    request.onabort = () => fail(new WebliveError('state', 'image: the upload was given up', false));
    request.onload = () => {
      signal?.removeEventListener('abort', onAbort);
      try {
        if (request.status !== 201) return fail(refused(request));
        const payload = JSON.parse(request.responseText) as ImagePayload;
        onProgress?.(1);
        resolve(withAddresses(payload, server));
      } catch (thrown) {
        fail(new WebliveError('http', 'image: the server has answered something else', false, { status: request.status, cause: thrown }));
      }
    };
    if (signal?.aborted) return fail(new WebliveError('state', 'image: the upload was given up', false));
    signal?.addEventListener('abort', onAbort, { once: true });
    request.send(file);
  });
}

/** The same image with absolute addresses. */
export function withAddresses(payload: ImagePayload, server: string): ImagePayload {
  const imageInfoArray = payload.imageInfoArray.map((info) => {
    try {
      return { ...info, url: new URL(info.url, server).href };
    } catch {
      return info;
    }
  });
  return { ...payload, imageInfoArray };
}

/** The same message; an image's addresses are absolute. */
export function absolute(message: Message, server: string): Message {
  return message.type === 'TIMImageElem' ? { ...message, payload: withAddresses(message.payload, server) } : message;
}

/** The server's answer is a problem (RFC 9457); its `code` is its word for the reason. */
function refused(request: XMLHttpRequest): WebliveError {
  let problem: { code?: string; error_code?: number; detail?: string; title?: string } = {};
  try {
    problem = JSON.parse(request.responseText) as typeof problem;
  } catch {
    // A proxy in between has answered; the status says what is known.
  }
  const { status } = request;
  const text = `image: ${problem.detail ?? problem.title ?? `HTTP status ${status}`}`;
  const retry = Number(request.getResponseHeader('retry-after'));
  const details: ErrorDetails = { status, ...(retry > 0 && { retryAfterMs: retry * 1000 }) };
  const code = problem.error_code ?? BY_STATUS[status] ?? 2100;
  const type: ErrorType = status === 503 || status === 429 ? 'busy' : 'http';
  return new WebliveError(type, text, false, { ...details, codes: { chat: code, live: code, rtc: 0x1001 } });
}

function imageError(type: ErrorType, text: string, code: number, reason: 'imageMissing' | 'imageType' | 'imageSize', allowed?: string): WebliveError {
  return new WebliveError(type, text, false, { reason, codes: { chat: code, live: code, rtc: 0x1000 }, ...(allowed !== undefined && { allowed }) });
}

const ALLOWED = 'jpg, png, gif, webp, bmp';

/** How files begin. */
const SIGNATURES: readonly [ImageFormat, RegExp][] = [
  ['jpg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n\x1a\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF[^]{4}WEBP/],
  ['bmp', /^BM/],
];

const BY_STATUS: Record<number, number | undefined> = { 401: 70001, 403: 70001, 413: 2253, 415: 2252, 429: 2996, 503: 2805 };

/** Milliseconds for one upload. */
const TIMEOUT = 120_000;
