import type { ChatRoom } from '../im';
import type { Message } from '../protocol/messages';
import type { LiveCore, LiveRoom } from './core';
import { BarrageType } from './enums';
import { badArgument, toLiveError, tooEarly } from './error';
import { type BarrageEvents, Subscribable } from './events';
import { Cell, type Store } from './store';
import type { Barrage } from './types';

/** What is said in the room that one is in. */
export class BarrageState extends Subscribable<BarrageEvents> {
  readonly #core: LiveCore;
  readonly #list = new Cell<Barrage[]>([]);

  constructor(core: LiveCore) {
    super();
    this.#core = core;
    core.on('chat', ({ room, chat, history }) => {
      this.#list.set(history.flatMap((message) => shown(this.#read(room, message))));
      chat.on('message', (message) => this.#onMessage(room, message));
      chat.on('revoked', ({ sequence }) => this.#list.set(this.#list.value.filter((one) => one.sequence === 0 || one.sequence !== sequence)));
    });
    core.on('left', () => this.#list.set([]));
  }

  /** What was said, one's own words included, oldest first; the last 500. Data for programs is only told by event. */
  get messageList(): Store<Barrage[]> {
    return this.#list;
  }

  /** Says something. Rejects where one may not speak (-2380, -2381), or a word is not allowed (80001). */
  readonly sendTextMessage = async ({ text, extensionInfo }: { text: string; extensionInfo?: Record<string, string> | null }): Promise<void> => {
    if (typeof text !== 'string' || text === '') throw badArgument('sendTextMessage: text is empty');
    const cloudCustomData = extensionInfo ? JSON.stringify(extensionInfo) : undefined;
    const message = await this.#send('sendTextMessage', (chat) => chat.sendText(text, { ...(cloudCustomData !== undefined && { cloudCustomData }) }));
    this.#appendOwn(message);
  };

  /** Sends data for programs: the others get it by event. */
  readonly sendCustomMessage = async ({ businessId, data }: { businessId: string; data: string }): Promise<void> => {
    await this.#send('sendCustomMessage', (chat) => chat.sendCustom({ data, extension: businessId }));
  };

  /** Uploads an image and shows it to all. */
  readonly sendImageMessage = async ({ file, onProgress }: { file: Blob; onProgress?: (part: number) => void }): Promise<void> => {
    const message = await this.#send('sendImageMessage', (chat) => chat.sendImage(file, { ...(onProgress && { onProgress }) }));
    this.#appendOwn(message);
  };

  /** Puts a notice of the page's own into the list; nobody else sees it. */
  readonly appendLocalTip = (tip: Partial<Barrage> & { textContent?: string }): void => {
    this.#append({
      liveId: this.#core.room?.liveId ?? '', sender: { userId: '', userName: '', avatarUrl: '' }, sequence: 0,
      timestampInSecond: Math.floor(Date.now() / 1000), messageType: BarrageType.text, ...tip,
    });
  };

  async #send(doing: string, send: (chat: ChatRoom) => Promise<Message>): Promise<Message> {
    const { chat } = this.#core.needRoom(doing);
    if (!chat) throw tooEarly(`${doing}: this room has no chat; its owner makes one by startLive`);
    try {
      return await send(chat);
    } catch (thrown) {
      throw toLiveError(thrown, doing);
    }
  }

  #onMessage(live: LiveRoom, message: Message): void {
    if (this.#core.room !== live) return;
    const barrage = this.#read(live, message);
    if (!barrage) return;
    if (barrage.messageType === BarrageType.custom) {
      this.emit('onCustomMessageReceived', barrage);
      return;
    }
    this.#append(barrage);
    this.emit('onBarrageReceived', barrage);
  }

  #read(live: LiveRoom, message: Message): Barrage | null {
    if (message.isRevoked || !message.from) return null;
    const { from, nick, avatar, sequence, time } = message;
    this.#core.people.learn(from, { nick, avatar });
    const base = { liveId: live.liveId, sender: { userId: from, userName: nick, avatarUrl: avatar }, sequence, timestampInSecond: time };
    if (message.type === 'TIMTextElem') {
      return { ...base, messageType: BarrageType.text, textContent: message.payload.text, extensionInfo: readExtension(message.cloudCustomData) };
    }
    if (message.type === 'TIMImageElem') return { ...base, messageType: BarrageType.image, image: message.payload };
    if (message.type !== 'TIMCustomElem' || message.payload.extension === GIFT) return null;
    return { ...base, messageType: BarrageType.custom, businessId: message.payload.extension, data: message.payload.data };
  }

  #appendOwn(message: Message): void {
    const live = this.#core.room;
    const barrage = live && this.#read(live, message);
    if (barrage) this.#append(barrage);
  }

  #append(barrage: Barrage): void {
    this.#list.set([...this.#list.value.slice(1 - MAX_SHOWN), barrage]);
  }
}

/** Marks the data of gifts, which have a state of their own. */
export const GIFT = 'weblive.gift';

const shown = (barrage: Barrage | null) => (barrage && barrage.messageType !== BarrageType.custom ? [barrage] : []);

/** Texts by name, as another page has written them; null where it is something else. */
function readExtension(text: string): Record<string, string> | null {
  if (text === '') return null;
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read === 'object' && read !== null && Object.values(read).every((value) => typeof value === 'string')) return read as Record<string, string>;
  } catch {
    // A page of another kind.
  }
  return null;
}

const MAX_SHOWN = 500;
