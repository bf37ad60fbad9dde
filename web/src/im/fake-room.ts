import type { ErrorName, Message, MessageContent, RoomId, RoomInfo } from '../protocol/messages';
import { FakeServer, type Frame } from '../signal/fake-server';

/** A {@link FakeServer} with one room's chat, for unit tests. */
export class FakeRoom {
  readonly server = new FakeServer();
  /** What the room keeps, oldest first. */
  history: Message[] = [];
  #sequence = 0;

  constructor(readonly room: RoomId = 5) {
    const { answers } = this.server;
    answers['enterRoom'] = (frame) => {
      const history = this.history.slice(-Number(frame['history'] ?? 0));
      return { result: { info: this.info(frame['room'] as RoomId), already: false, role: null, anchors: [], seats: [], coHosts: [], history, totalLikesReceived: this.likes } };
    };
    answers['history'] = (frame) => {
      const before = (frame['before'] as number | undefined) ?? Infinity;
      return { result: { messages: this.history.filter(({ sequence }) => sequence < before).slice(-Number(frame['count'] ?? 15)) } };
    };
    answers['sendMessage'] = (frame) => ({ result: { message: { ...this.take(frame), sequence: 0 } } });
    answers['showRoom'] = (frame) => ({ result: this.info(frame['room'] as RoomId) });
    answers['attributes'] = () => ({ result: { attributes: { topic: 'tea', mood: 'calm' } } });
  }

  /** How often the room was liked. */
  likes = 41;

  info(room: RoomId = this.room): RoomInfo {
    return { room, name: 'Evening show', notice: 'be kind', introduction: 'songs', cover: '/images/show.png', hidden: false, owner: 'olga', scene: null, online: 3, totalEntered: 9, seats: null, createdAt: 1_700_000_000_000 };
  }

  /** Keeps what a page has sent. */
  take(frame: Frame, from = 'anna'): Message {
    return this.keep(from, frame['content'] as MessageContent, frame['random'] as number);
  }

  /** Somebody says something, and nobody is told yet. */
  keep(from: string, content: MessageContent | string, random = 0): Message {
    this.#sequence += 1;
    const said = typeof content === 'string' ? { type: 'TIMTextElem', payload: { text: content } } : content;
    const message = {
      ID: `m${this.#sequence}`, sequence: this.#sequence, random, from, to: this.room, time: 1_700_000_000, priority: 'Normal', nick: from.toUpperCase(),
      avatar: '', nameCard: '', cloudCustomData: '', isRevoked: false, ...said,
    } as Message;
    this.history.push(message);
    return message;
  }

  /** Somebody says something, and the page is told. */
  say(from: string, content: MessageContent | string): Message {
    const message = this.keep(from, content);
    this.tell('message', { message });
    return message;
  }

  /** Tells an event of the room. */
  tell(event: string, fields: Record<string, unknown> = {}): void {
    this.server.tell({ event, room: this.room, ...fields });
  }

  /** Refuses all requests of a type from now on. */
  refuse(type: string, name: ErrorName, chat: number, more: { retryAfterMs?: number } = {}): void {
    this.server.answers[type] = (frame) => {
      this.server.socket.refuse(frame, name, { codes: { chat, live: chat, rtc: chat }, ...more });
      return undefined;
    };
  }
}
