import TIM, { type TimChat, type TimMessage } from 'weblive/tim';
import TWebLive from 'weblive/tweblive';

/** A message as the test compares it. */
export interface Heard {
  event: string;
  type: string;
  from: string;
  flow: string;
  payload: unknown;
}

/** What a call came to. */
export type Outcome = { data: unknown } | { code: number; message: string };

/** A page that chats, written as pages for the documented interface are. */
class Talk {
  readonly heard: Heard[] = [];
  readonly events: [string, unknown][] = [];
  readonly progress: number[] = [];
  #tim: TimChat | null = null;
  #im: ReturnType<typeof TWebLive.createIM> | null = null;

  /** Creates the chat by TIM. */
  startTim(server: string): void {
    const tim = TIM.create({ SDKAppID: 1400000000, server });
    this.#tim = tim;
    for (const name of Object.values(TIM.EVENT)) {
      tim.on(name, (event) => {
        if (name === TIM.EVENT.MESSAGE_RECEIVED) this.#hear(name, event.data as TimMessage[]);
        else this.events.push([event.name, plain(event.data)]);
      });
    }
  }

  /** Creates the chat by TWebLive. */
  startIM(server: string): void {
    const im = TWebLive.createIM({ SDKAppID: 1400000000, server });
    this.#im = im;
    const { EVENT } = TWebLive;
    for (const name of [EVENT.IM_TEXT_MESSAGE_RECEIVED, EVENT.IM_CUSTOM_MESSAGE_RECEIVED, EVENT.IM_IMAGE_MESSAGE_RECEIVED, EVENT.IM_REMOTE_USER_JOIN]) {
      im.on(name, (event: { data: unknown }) => this.#hear(name, event.data as TimMessage[]));
    }
    for (const name of [EVENT.IM_READY, EVENT.IM_NOT_READY, EVENT.IM_KICKED_OUT, EVENT.IM_NET_STATE_CHANGED, EVENT.IM_PUSH_STOPPED]) {
      im.on(name, (event: { data: unknown }) => this.events.push([name, plain(event.data)]));
    }
  }

  /** Calls a method of whichever was created. */
  async call(method: string, options?: unknown): Promise<Outcome> {
    const target = (this.#tim ?? this.#im) as unknown as Record<string, (options: unknown) => Promise<{ data: unknown }>>;
    return outcome(target[method]!(options));
  }

  /** Sends text by TIM. */
  say(to: string, text: string): Promise<Outcome> {
    const tim = this.#tim!;
    return outcome(tim.sendMessage(tim.createTextMessage({ to, conversationType: TIM.TYPES.CONV_GROUP, payload: { text } })));
  }

  /** Sends a painted image by TIM; resolves with the message's payload. */
  async show(to: string, width: number, height: number): Promise<Outcome> {
    const tim = this.#tim!;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d')!;
    for (let at = 0; at < width; at += 3) {
      context.fillStyle = `hsl(${at % 360} 80% 50%)`;
      context.fillRect(at, (at * 7) % height, 40, 40);
    }
    const file = new File([await canvas.convertToBlob({ type: 'image/png' })], 'heart.png', { type: 'image/png' });
    const message = tim.createImageMessage({
      to, conversationType: TIM.TYPES.CONV_GROUP, payload: { file }, onProgress: (part) => this.progress.push(part),
    });
    return outcome(tim.sendMessage(message).then(({ data }) => ({ data: data.message.payload })));
  }

  /** The width and height of the picture at an address. */
  async measure(url: string): Promise<[number, number]> {
    const bitmap = await createImageBitmap(await (await fetch(url)).blob());
    return [bitmap.width, bitmap.height];
  }

  #hear(event: string, messages: TimMessage[]): void {
    for (const { type, from, flow, payload } of messages) this.heard.push({ event, type, from, flow, payload: plain(payload) });
  }
}

async function outcome(asked: Promise<{ data: unknown }>): Promise<Outcome> {
  try {
    return { data: plain((await asked).data) };
  } catch (thrown) {
    const { code, message } = thrown as { code: number; message: string };
    return { code, message };
  }
}

/** Without what cannot leave the page. */
const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

window.talk = new Talk();

declare global {
  interface Window {
    talk: Talk;
  }
}
