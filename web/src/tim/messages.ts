import { MAX_IMAGE_BYTES } from '../im';
import type { ImageInfo } from '../protocol/messages';
import type { Account } from './account';
import { TYPES } from './constants';
import { badValue, Code, TimError, toTimError } from './error';
import type { Groups } from './groups';
import { contentOf, createMessage, fileOf, imagePayload } from './message';
import type { MessageOptions, TimImagePayload, TimMessage, TimPayloads } from './types';

/** What one page of messages is. */
export interface MessagePage {
  messageList: TimMessage[];
  /** Names the page before this one; empty when there is none. */
  nextReqMessageID: string;
  isCompleted: boolean;
}

/** Messages that are made, sent, taken back and read again. */
export class Messages {
  /** What a message wants beside its own fields. */
  readonly #progress = new WeakMap<TimMessage, (part: number) => void>();
  readonly #files = new WeakMap<TimMessage, TimImagePayload['file']>();
  readonly #sending = new WeakSet<TimMessage>();
  /** Places of messages in their groups, for the next page. */
  readonly #sequences = new Map<string, number>();

  constructor(
    readonly account: Account,
    readonly groups: Groups,
  ) {}

  text(options: MessageOptions<{ text: string }>): TimMessage {
    return this.#create('TIMTextElem', options, { text: String(options.payload?.text ?? '') });
  }

  custom(options: MessageOptions<{ data?: string; description?: string; extension?: string }>): TimMessage {
    const { data = '', description = '', extension = '' } = options.payload ?? {};
    return this.#create('TIMCustomElem', options, { data: String(data), description: String(description), extension: String(extension) });
  }

  image(options: MessageOptions<{ file: Blob | HTMLInputElement }>): TimMessage {
    const file = fileOf(options.payload?.file);
    const url = file ? preview(file) : '';
    const info: ImageInfo = { url, width: 0, height: 0, size: file?.size ?? 0 };
    const message = this.#create('TIMImageElem', options, {
      ...imagePayload({ uuid: '', imageFormat: file?.type.replace(/^image\//, '').replace('jpeg', 'jpg') ?? '', imageInfoArray: [info, info, info] }),
    });
    // The input may be emptied by the page before the message goes.
    this.#files.set(message, file);
    if (options.onProgress) this.#progress.set(message, options.onProgress);
    return message;
  }

  async send(message: TimMessage, onProgress?: (part: number) => void): Promise<TimMessage> {
    if (typeof message !== 'object' || message === null || typeof message.type !== 'string') {
      throw badValue('sendMessage: message', message, 'what createTextMessage and the like have made');
    }
    if (this.#sending.has(message)) throw new TimError(Code.sendFailed, `sendMessage: message ${message.ID} is on its way`);
    if (message.status === 'success') throw new TimError(Code.sendFailed, `sendMessage: message ${message.ID} was sent`);
    this.#sending.add(message);
    try {
      await this.#send(message, onProgress ?? this.#progress.get(message));
      message.status = 'success';
      this.groups.said(message);
      this.groups.tellLists();
      return message;
    } catch (thrown) {
      message.status = 'fail';
      throw toTimError(thrown, Code.sendFailed);
    } finally {
      this.#sending.delete(message);
    }
  }

  async revoke(message: TimMessage): Promise<TimMessage> {
    const chat = this.groups.host(message.to);
    this.groups.revoking(message.to, message.ID);
    await chat.revoke(message);
    message.isRevoked = true;
    return message;
  }

  async list(conversationID: unknown, next: unknown, count: number): Promise<MessagePage> {
    const prefix: string = TYPES.CONV_GROUP;
    if (typeof conversationID !== 'string' || !conversationID.startsWith(prefix) || conversationID.length === prefix.length) {
      throw badValue('getMessageList: conversationID', conversationID, `${prefix} and a group's id`, Code.noSuchGroup);
    }
    const id = conversationID.slice(prefix.length);
    const chat = await this.groups.asking(id);
    const before = typeof next === 'string' && next !== '' ? this.#sequences.get(`${id} ${next}`) : undefined;
    const messages = before !== undefined && before <= 1 ? [] : await chat.history(before, count);
    const messageList = messages.map((message) => this.groups.present(id, message));
    for (const message of messageList) this.note(message);
    const isCompleted = messages.length < count || messages[0]?.sequence === 1;
    return { messageList, isCompleted, nextReqMessageID: isCompleted ? '' : (messageList[0]?.ID ?? '') };
  }

  /** Keeps where a message stands. */
  note({ to, ID, sequence }: TimMessage): void {
    if (sequence === 0) return;
    this.#sequences.set(`${to} ${ID}`, sequence);
    for (const first of this.#sequences.keys()) {
      if (this.#sequences.size <= MAX_SEQUENCES) break;
      this.#sequences.delete(first);
    }
  }

  #create<T extends 'TIMTextElem' | 'TIMCustomElem' | 'TIMImageElem'>(type: T, options: MessageOptions<unknown>, payload: TimPayloads[T]): TimMessage {
    if (typeof options !== 'object' || options === null || String(options.to ?? '') === '') {
      throw badValue('message: to', options?.to, 'a group');
    }
    return createMessage(this.account.userID ?? '', type, options, payload);
  }

  async #send(message: TimMessage, onProgress?: (part: number) => void): Promise<void> {
    const { session, userID } = { session: this.account.session, userID: this.account.userID ?? '' };
    if (message.conversationType !== TYPES.CONV_GROUP) {
      throw badValue('sendMessage: conversationType', message.conversationType, TYPES.CONV_GROUP);
    }
    const chat = this.groups.chat(message.to);
    if (!chat || chat.session !== session) throw new TimError(Code.notInGroup, `sendMessage: group ${message.to} was not joined; join it first`);
    message.from = userID;
    if (message.type === 'TIMImageElem' && message.payload.uuid === '') {
      const file = this.#files.get(message) ?? null;
      const blank = message.payload.imageInfoArray[0]?.url ?? '';
      message.payload = imagePayload(await chat.upload(file as Blob, { onProgress: (part) => onProgress?.(part) }));
      if (blank.startsWith('blob:')) URL.revokeObjectURL(blank);
      this.#files.delete(message);
    }
    const { priority, cloudCustomData, random } = message;
    const sent = await chat.send(contentOf(message), { priority, cloudCustomData, random });
    // The word filter may have masked something, and the room names the message.
    Object.assign(message, this.groups.present(message.to, sent));
  }
}

/** An address to show a file by until it is uploaded. */
function preview(file: Blob): string {
  return file.size <= MAX_IMAGE_BYTES && typeof URL.createObjectURL === 'function' ? URL.createObjectURL(file) : '';
}

/** Messages whose place is kept. */
const MAX_SEQUENCES = 2_000;
