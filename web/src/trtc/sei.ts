import { Emitter } from '../emitter';
import { log } from '../log';
import type { Receiver } from '../rtc/receiver';
import { badOperation } from './rtc-error';
import { insertNals, readSei, type Sei, seiBodies, writeSei } from './sei-nal';

/** Whether this browser can send and receive SEI messages. */
export function isSeiSupported(): boolean {
  return typeof RTCRtpScriptTransform === 'function' && typeof Worker === 'function';
}

/** Puts data of the page into the pictures that a client sends, and takes it out of those that it receives. */
export class SeiChannel {
  #sender: number | null = null;
  #sentAt: number[] = [];
  readonly #offs: (() => void)[];

  /** `heard` gets what has come, with the public stream id that it came under. */
  constructor(receiver: Receiver, heard: (message: Sei, stream: string) => void) {
    const plane = (PLANE ??= new Plane());
    this.#offs = [
      receiver.on('receives', (event) => event.receiver.track.kind === 'video' && plane.listen(event.receiver, receiver, event.stream)),
      plane.on('body', ({ of, stream, body }) => {
        if (of === receiver) for (const message of readSei(body)) heard(message, stream);
      }),
    ];
  }

  /** To be called with the sender of the picture before it is offered. */
  readonly onSender = (sender: RTCRtpSender): void => {
    this.#sender = (PLANE ??= new Plane()).attach(sender, true);
  };

  /** Sends with the next picture. Throws where there were too many of late. */
  send(message: Sei): void {
    if (this.#sender === null) throw badOperation('sendSEIMessage: call publish first');
    const now = performance.now();
    this.#sentAt = this.#sentAt.filter((at) => now - at < 1_000);
    if (this.#sentAt.length >= MAX_PER_SECOND) throw badOperation(`sendSEIMessage: too often; allowed are ${MAX_PER_SECOND} a second`);
    this.#sentAt.push(now);
    PLANE?.send(this.#sender, writeSei(message));
  }

  close(): void {
    for (const off of this.#offs) off();
  }
}

/**
 * The worker through which encoded pictures pass. There is one for the page, for ever: a picture whose worker is gone
 * stands still, and a peer connection may outlive the client that looked into it.
 */
class Plane extends Emitter<{ body: { of: Receiver; stream: string; body: Uint8Array } }> {
  readonly #worker: Worker;
  readonly #ids = new WeakMap<object, number>();
  readonly #sources = new Map<number, { of: Receiver; stream: string }>();
  #nextId = 0;

  constructor() {
    super();
    const source = `const insert=${insertNals.toString()};const bodies=${seiBodies.toString()};(${run.toString()})(self,insert,bodies)`;
    const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    this.#worker = new Worker(url);
    URL.revokeObjectURL(url);
    this.#worker.onmessage = ({ data: { id, body } }: MessageEvent<{ id: number; body: Uint8Array }>) => {
      const source = this.#sources.get(id);
      if (source) this.emit('body', { ...source, body });
    };
    this.#worker.onerror = ({ message }) => log.error('sei', message);
  }

  /** Looks into what a sender or receiver has. Works only before its first picture. */
  attach(end: RTCRtpSender | RTCRtpReceiver, isSender: boolean): number {
    let id = this.#ids.get(end);
    if (id !== undefined) return id;
    id = this.#nextId;
    this.#nextId += 1;
    this.#ids.set(end, id);
    end.transform = new RTCRtpScriptTransform(this.#worker, { id, isSender });
    return id;
  }

  /** A receiver carries one stream after the other. */
  listen(receiver: RTCRtpReceiver, of: Receiver, stream: string): void {
    const id = this.attach(receiver, false);
    for (const [other, source] of this.#sources) if (other !== id && source.of === of && source.stream === stream) this.#sources.delete(other);
    this.#sources.set(id, { of, stream });
  }

  send(id: number, nal: Uint8Array<ArrayBuffer>): void {
    this.#worker.postMessage({ id, nal }, [nal.buffer]);
  }
}

let PLANE: Plane | null = null;

/** What the worker sees of a transform. */
interface TransformEvent {
  transformer: { readable: ReadableStream<Frame>; writable: WritableStream<Frame>; options: { id: number; isSender: boolean } };
}

interface Frame {
  data: ArrayBuffer;
  getMetadata(): { mimeType?: string; synchronizationSource?: number };
}

/** Runs in the worker, from its text: refers to nothing outside. */
function run(
  scope: { onmessage: unknown; onrtctransform: unknown; postMessage(message: unknown): void },
  insert: typeof insertNals,
  bodies: typeof seiBodies,
): void {
  // A small picture beside the large one has a source of its own, and who watches it gets the messages too.
  const waiting = new Map<number, { nal: Uint8Array; sent: Set<unknown>; until: number }[]>();
  scope.onmessage = ({ data: { id, nal } }: MessageEvent<{ id: number; nal: Uint8Array }>) => {
    const list = waiting.get(id) ?? [];
    // Two seconds' worth: no more waits where no picture goes out.
    if (list.length < 60) waiting.set(id, [...list, { nal, sent: new Set(), until: Infinity }]);
  };
  scope.onrtctransform = ({ transformer: { readable, writable, options: { id, isSender } } }: TransformEvent) => {
    const transform = (frame: Frame, controller: TransformStreamDefaultController<Frame>) => {
      const { mimeType, synchronizationSource: source } = frame.getMetadata();
      if (mimeType === undefined || mimeType.toLowerCase() === 'video/h264') {
        const list = isSender ? waiting.get(id) : undefined;
        const now = Date.now();
        const due = list?.filter(({ sent, until }) => now < until && !sent.has(source)) ?? [];
        const out = due.length > 0 && insert(new Uint8Array(frame.data), due.map(({ nal }) => nal));
        if (out) {
          frame.data = out.buffer;
          for (const message of due) {
            message.sent.add(source);
            message.until = Math.min(message.until, now + 1_000);
          }
        }
        if (list) waiting.set(id, list.filter(({ until }) => now < until));
        if (!isSender) for (const body of bodies(new Uint8Array(frame.data))) scope.postMessage({ id, body });
      }
      controller.enqueue(frame);
    };
    readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable).catch(() => undefined);
  };
}

/** Messages that may be sent in a second. */
const MAX_PER_SECOND = 30;
