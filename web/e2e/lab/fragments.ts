import { WebliveError } from '../../src/errors';
import { Player } from '../../src/players/player';
import { elementStats, type PlaybackStats } from '../../src/stats';

/**
 * The endless stream of fMP4 as a page plays it that has nothing but Media Source Extensions: over HTTP, or over a WebSocket
 * where the address is one. With `#gap` it loses two seconds on the way, and goes on at a key frame, as slow viewers do.
 */
export class FragmentsPlayer extends Player {
  override readonly kind = 'hls';
  readonly #leaving = new AbortController();
  #codecs: string | null = null;

  override stats(): Promise<PlaybackStats> {
    return Promise.resolve({ ...elementStats(this.video), codec: this.#codecs });
  }

  protected override open(): void {
    void this.#run().catch((thrown: unknown) => {
      if (!this.#leaving.signal.aborted) this.fail(new WebliveError('media', String(thrown), true));
    });
  }

  protected override release(): void {
    this.#leaving.abort();
  }

  async #run(): Promise<void> {
    const { video } = this;
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await once(source, 'sourceopen');
    const { signal } = this.#leaving;
    const head = await fetch(this.url.replace(/^ws/, 'http'), { method: 'HEAD', signal });
    const type = head.headers.get('content-type') ?? '';
    this.#codecs = /codecs="(.*)"/.exec(type)?.[1] ?? null;
    const buffer = source.addSourceBuffer(type);
    void this.play(video);
    const chunks = this.url.startsWith('ws') ? messages(this.url, signal) : body(this.url, signal);
    for await (const chunk of new URL(this.url).hash === '#gap' ? gapped(chunks) : chunks) {
      await settled(buffer, () => buffer.appendBuffer(chunk));
      const { buffered } = buffer;
      if (buffered.length === 0) continue;
      // Over a gap, to the beginning, as times are those of the broadcast, and to the newest if it has fallen behind.
      const begin = buffered.start(buffered.length - 1);
      const end = buffered.end(buffered.length - 1);
      if (video.currentTime < begin) video.currentTime = begin;
      if (end - video.currentTime > 3) video.currentTime = end - 0.5;
      if (end - buffered.start(0) > 20) await settled(buffer, () => buffer.remove(0, end - 10));
    }
    source.endOfStream();
  }
}

async function* body(url: string, signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url, { signal });
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function* messages(url: string, signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const socket = new WebSocket(url.replace(/#.*/, ''));
  socket.binaryType = 'arraybuffer';
  signal.addEventListener('abort', () => socket.close());
  const waiting: (Uint8Array<ArrayBuffer> | null)[] = [];
  let wake = (): void => {};
  const put = (message: Uint8Array<ArrayBuffer> | null) => {
    waiting.push(message);
    wake();
  };
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => put(new Uint8Array(data));
  socket.onclose = () => put(null);
  for (;;) {
    const next = waiting.shift();
    if (next === null) return;
    if (next) yield next;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

/** Leaves out eight messages and what follows up to the first part of a segment. */
async function* gapped(all: AsyncGenerator<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let count = 0;
  let hasGap = false;
  for await (const message of all) {
    count += 1;
    if (!hasGap && count > 12) {
      if (count < 20 || String.fromCharCode(...message.subarray(4, 8)) !== 'styp') continue;
      hasGap = true;
    }
    yield message;
  }
}

const once = (target: EventTarget, event: string) => new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));

async function settled(buffer: SourceBuffer, act: () => void): Promise<void> {
  let error: unknown = null;
  const failed = () => (error = new Error('the buffer takes it not'));
  buffer.addEventListener('error', failed, { once: true });
  const end = once(buffer, 'updateend');
  act();
  await end;
  buffer.removeEventListener('error', failed);
  if (error) throw error;
}
