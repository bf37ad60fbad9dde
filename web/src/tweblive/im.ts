import { WebliveError } from '../errors';
import { EVENT, TYPES, type EventName } from './constants';
import { Handlers } from './handlers';
import type { CustomPayload, Priority } from '../protocol/messages';
import type { CreateOptions, LoginData, MessageOptions, Result, TimChat, TimGroup, TimMessage, TimProfile, UpdateProfileOptions } from '../tim';

/** What `createIM` takes. */
export type IMOptions = Pick<CreateOptions, 'SDKAppID' | 'server'>;

type RoomID = number | string;

/**
 * The chat of a room; there is one on a page. Calls resolve with `{code: 0, data}` and reject with `{code, message}`,
 * the documented codes of chat groups. Register handlers before {@link login}.
 */
export class IM extends Handlers {
  readonly #tim: TimChat;
  /** The group of the room that was entered last. */
  #group: string | null = null;

  /** @internal Made by `createIM`. */
  constructor(create: (options: IMOptions) => TimChat, options: IMOptions) {
    super();
    if (!options?.SDKAppID) {
      throw new WebliveError('argument', 'createIM: SDKAppID is missing; allowed is the number of the app', false);
    }
    this.#tim = create(options);
    this.#tim.on('sdkStateReady', () => this.emit(EVENT.IM_READY));
    this.#tim.on('sdkStateNotReady', () => this.emit(EVENT.IM_NOT_READY));
    this.#tim.on('onMessageReceived', ({ data }) => this.#onMessages(data));
    this.#tim.on('kickedOut', ({ data }) => this.emit(EVENT.IM_KICKED_OUT, data.type));
    this.#tim.on('netStateChange', ({ data }) => this.emit(EVENT.IM_NET_STATE_CHANGED, data.state));
  }

  /** `data.repeatLogin` is true where one is logged in already. */
  async login(options: { userID: string; userSig: string }): Promise<Result<LoginData>> {
    return this.#tim.login(options);
  }

  async logout(): Promise<Result<unknown>> {
    return this.#tim.logout();
  }

  /** Rejects with 10021 where the id is taken, and with 10025 where by oneself: enter it then. */
  async createRoom(options: {
    name: string; roomID?: RoomID; notification?: string; introduction?: string; avatar?: string;
  }): Promise<Result<{ group: TimGroup }>> {
    const { name, roomID, notification = '', introduction = '', avatar = '' } = options ?? {};
    const groupID = roomID === undefined ? {} : { groupID: String(roomID) };
    return this.#tim.createGroup({ name, type: GROUP_TYPE, notification, introduction, avatar, ...groupID });
  }

  /** Before {@link login} as a guest, who gets messages and sends none. `data.status` is `JoinedSuccess` or `AlreadyInGroup`. */
  async enterRoom(roomID: RoomID): Promise<Result<{ status: string; group: TimGroup }>> {
    const groupID = textOf(roomID);
    const before = this.#group;
    // Messages may come with the answer.
    this.#group = groupID;
    try {
      return await this.#tim.joinGroup({ groupID, type: GROUP_TYPE });
    } catch (thrown) {
      if (this.#group === groupID) this.#group = before;
      throw thrown;
    }
  }

  async exitRoom(roomID: RoomID): Promise<Result<unknown>> {
    const groupID = textOf(roomID);
    const result = await this.#tim.quitGroup(groupID);
    if (this.#group === groupID) this.#group = null;
    return result;
  }

  async setMyProfile(profile: UpdateProfileOptions): Promise<Result<TimProfile>> {
    return this.#tim.updateMyProfile(profile);
  }

  /** `data` has `nick` and `avatar`. */
  async getMyProfile(): Promise<Result<TimProfile>> {
    return this.#tim.getMyProfile();
  }

  /** Resolves with the message. */
  async sendTextMessage(options: { roomID: RoomID; text: string; priority?: Priority }): Promise<Result<{ message: TimMessage }>> {
    return this.#send(this.#tim.createTextMessage(this.#message(options, { text: options?.text })));
  }

  async sendCustomMessage(options: {
    roomID: RoomID; data?: string; description?: string; extension?: string; priority?: Priority;
  }): Promise<Result<{ message: TimMessage }>> {
    const { data = '', description = '', extension = '' } = options ?? {};
    return this.#send(this.#tim.createCustomMessage(this.#message(options, { data, description, extension })));
  }

  /** `file`: an `<input type=file>` or a File. */
  async sendImageMessage(options: { roomID: RoomID; file: Blob | HTMLInputElement; priority?: Priority }): Promise<Result<{ message: TimMessage }>> {
    return this.#send(this.#tim.createImageMessage(this.#message(options, { file: options?.file })));
  }

  /** Tells the room that the broadcast is over: others get `IM_PUSH_STOPPED` with `postscript`. */
  async stopPush(options: { roomID: RoomID; postscript?: string }): Promise<Result<{ message: TimMessage }>> {
    const { roomID, postscript = '' } = options ?? {};
    return this.sendCustomMessage({ roomID, data: PUSH_STOPPED, description: postscript, priority: TYPES.MSG_PRIORITY_HIGH });
  }

  #message<P>(options: { roomID: RoomID; priority?: Priority }, payload: P): MessageOptions<P> {
    const { roomID, priority = TYPES.MSG_PRIORITY_NORMAL } = options ?? {};
    return { to: textOf(roomID), conversationType: 'GROUP', priority, payload };
  }

  #send(message: TimMessage): Promise<Result<{ message: TimMessage }>> {
    return this.#tim.sendMessage(message);
  }

  /** Messages of the present room by what they are; the end of the push goes last, behind what was said before. */
  #onMessages(messages: TimMessage[]): void {
    const here = messages.filter(({ to }) => to === this.#group);
    const tell = (event: EventName, is: (message: TimMessage) => boolean) => {
      const those = here.filter(is);
      if (those.length > 0) this.emit(event, those);
    };
    const tipOf = (operation: number) => (message: TimMessage) => message.type === 'TIMGroupTipElem' && message.payload.operationType === operation;
    tell(EVENT.IM_REMOTE_USER_JOIN, tipOf(JOINED));
    tell(EVENT.IM_TEXT_MESSAGE_RECEIVED, ({ type }) => type === 'TIMTextElem');
    tell(EVENT.IM_CUSTOM_MESSAGE_RECEIVED, ({ type, payload }) => type === 'TIMCustomElem' && (payload as CustomPayload).data !== PUSH_STOPPED);
    tell(EVENT.IM_IMAGE_MESSAGE_RECEIVED, ({ type }) => type === 'TIMImageElem');
    tell(EVENT.IM_REMOTE_USER_LEAVE, tipOf(LEFT));
    for (const message of here) {
      if (message.type === 'TIMCustomElem' && message.payload.data === PUSH_STOPPED) this.emit(EVENT.IM_PUSH_STOPPED, message.payload.description);
    }
  }
}

/** The group of a room; an empty text, which TIM refuses with its code, where the page has named none. */
const textOf = (roomID: RoomID | null | undefined) => String(roomID ?? '');

const GROUP_TYPE = 'AVChatRoom';

const PUSH_STOPPED = 'push_stopped';

/** `operationType` of a group tip. */
const JOINED = 1;
const LEFT = 2;
