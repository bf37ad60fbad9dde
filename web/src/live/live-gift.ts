import type { Message } from '../protocol/messages';
import { GIFT } from './barrage';
import type { LiveCore, LiveRoom } from './core';
import { badArgument, toLiveError, tooEarly } from './error';
import { LiveGiftEvents, type LiveGiftEventsMap, Subscribable } from './events';
import { Cell, type Store } from './store';
import type { GiftInfo, LikesMessage } from './types';

/** Likes and gifts of the room that one is in. */
export class LiveGiftState extends Subscribable<LiveGiftEventsMap> {
  readonly #core: LiveCore;
  readonly #total = new Cell<number>(0);
  readonly #gifts = new Cell<GiftInfo[]>([]);

  constructor(core: LiveCore) {
    super();
    this.#core = core;
    core.on('chat', ({ room, chat }) => {
      this.#total.set(chat.totalLikes);
      // In again after a lost session.
      chat.on('state', ({ state }) => state === 'inside' && this.#total.set(chat.totalLikes));
      chat.on('likes', ({ total, sender }) => void this.#onLikes(room, total, sender));
      chat.on('message', (message) => this.#onMessage(room, message));
    });
    core.on('left', () => this.#total.set(0));
  }

  /** How often the room was liked since it was made; 0 outside. */
  get totalLikeCount(): Store<number> {
    return this.#total;
  }

  /** The gifts that this page offers. */
  get usableGifts(): Store<GiftInfo[]> {
    return this.#gifts;
  }

  /** Sets the gifts that this page offers; their names and pictures are shown where one of them is received. */
  readonly setUsableGifts = (gifts: GiftInfo[]): void => this.#gifts.set([...gifts]);

  /** Likes the room; many likes in a row go as few requests. */
  readonly sendLikes = async ({ count = 1 }: { count?: number } = {}): Promise<void> => {
    if (!Number.isInteger(count) || count < 1) throw badArgument(`sendLikes: count ${count}: allowed are whole numbers from 1`);
    const { chat } = this.#core.needRoom('sendLikes');
    if (!chat) throw tooEarly('sendLikes: this room has no chat');
    await chat.like(count).catch((thrown: unknown) => {
      throw toLiveError(thrown, 'sendLikes');
    });
  };

  /** Sends a gift: a message of high priority. What it costs is the matter of the page's back end. */
  readonly sendGift = async ({ giftId, count = 1 }: { giftId: string; count?: number }): Promise<void> => {
    if (typeof giftId !== 'string' || giftId === '') throw badArgument('sendGift: giftId is empty');
    if (!Number.isInteger(count) || count < 1) throw badArgument(`sendGift: count ${count}: allowed are whole numbers from 1`);
    const live = this.#core.needRoom('sendGift');
    if (!live.chat) throw tooEarly('sendGift: this room has no chat');
    try {
      const message = await live.chat.sendCustom({ data: JSON.stringify({ giftId, count }), extension: GIFT }, { priority: 'High' });
      this.#onMessage(live, message);
    } catch (thrown) {
      throw toLiveError(thrown, 'sendGift');
    }
  };

  async #onLikes(live: LiveRoom, totalLikesReceived: number, sender: string): Promise<void> {
    this.#total.set(totalLikesReceived);
    const session = this.#core.session;
    if (session) await this.#core.people.lookUp(session, [sender]);
    if (this.#core.room !== live) return;
    const likes: LikesMessage = { liveId: live.liveId, totalLikesReceived, sender: this.#core.people.info(sender) };
    this.emit(LiveGiftEvents.ON_RECEIVE_LIKES_MESSAGE, likes);
  }

  #onMessage(live: LiveRoom, message: Message): void {
    if (this.#core.room !== live || !message.from || message.type !== 'TIMCustomElem' || message.payload.extension !== GIFT) return;
    const gift = readGift(message.payload.data);
    if (!gift) return;
    const { from, nick, avatar } = message;
    this.emit(LiveGiftEvents.ON_RECEIVE_GIFT_MESSAGE, {
      liveId: live.liveId,
      giftCount: gift.count,
      sender: { userId: from, userName: nick, avatarUrl: avatar },
      giftInfo: this.#gifts.value.find(({ giftId }) => giftId === gift.giftId) ?? { giftId: gift.giftId, giftName: gift.giftId },
    });
  }
}

function readGift(data: string): { giftId: string; count: number } | null {
  try {
    const { giftId, count } = JSON.parse(data) as Record<string, unknown>;
    if (typeof giftId === 'string' && Number.isInteger(count) && (count as number) > 0) return { giftId, count: count as number };
  } catch {
    // A page of another kind.
  }
  return null;
}
