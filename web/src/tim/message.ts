import type { GroupTip, ImagePayload, Message, MessageContent, Priority } from '../protocol/messages';
import { TYPES } from './constants';
import { Code, TimError } from './error';
import type { MessageOptions, TimGroupTip, TimImagePayload, TimMessage, TimMessageBase, TimPayloads } from './types';

/** Types of messages that can be made. */
export type OutgoingType = 'TIMTextElem' | 'TIMCustomElem' | 'TIMImageElem';

/** A message that was made here and is not sent yet. */
export function createMessage<T extends OutgoingType>(from: string, type: T, options: MessageOptions<unknown>, payload: TimPayloads[T]): TimMessage {
  const { to, conversationType, priority, cloudCustomData } = options;
  const random = Math.floor(Math.random() * 0xffff_ffff) + 1;
  const time = Math.floor(Date.now() / 1000);
  const base = baseOf(String(to ?? ''), from, {
    ID: `${from}-${time}-${random}`, time, random, sequence: 0, flow: 'out', status: 'unSend', priority: priorityOf(priority), nick: '', avatar: '',
    nameCard: '', cloudCustomData: String(cloudCustomData ?? ''), isRevoked: false,
  });
  const type_ = conversationType ?? TYPES.CONV_GROUP;
  return { ...base, conversationType: type_, conversationID: `${type_}${base.to}`, type, payload } as TimMessage;
}

/** What is sent of a message. */
export function contentOf(message: TimMessage): MessageContent {
  switch (message.type) {
    case 'TIMTextElem':
      return { type: message.type, payload: { text: message.payload.text } };
    case 'TIMCustomElem':
      return { type: message.type, payload: message.payload };
    case 'TIMImageElem':
      return { type: message.type, payload: { uuid: message.payload.uuid } };
    default:
      throw new TimError(Code.sendFailed, `a message of type ${message.type} cannot be sent; text, custom and image can`);
  }
}

/** A message of the server as pages know it. `tip` says what a notice of the group is about. */
export function fromServer(message: Message, group: string, me: string | null, tip: (tip: GroupTip) => TimGroupTip): TimMessage {
  const from = message.from ?? TYPES.CONV_SYSTEM;
  const { ID, sequence, random, time, priority, nick, avatar, nameCard, cloudCustomData, isRevoked } = message;
  const base = baseOf(group, from, {
    ID, sequence, random, time, priority, nick, avatar, nameCard, cloudCustomData, isRevoked, flow: from === me ? 'out' : 'in', status: 'success',
  });
  switch (message.type) {
    case 'TIMImageElem':
      return { ...base, type: message.type, payload: imagePayload(message.payload) };
    case 'TIMGroupTipElem':
      return { ...base, type: message.type, payload: tip(message.payload) };
    case 'TIMTextElem':
      return { ...base, type: message.type, payload: message.payload };
    case 'TIMCustomElem':
      return { ...base, type: message.type, payload: message.payload };
  }
}

/** A notice to one's own user about a group. */
export function systemNotice(operationType: number, group: { groupID: string; name: string }, me: string, handleMessage: string): TimMessage {
  const time = Math.floor(Date.now() / 1000);
  const base = baseOf(me, TYPES.CONV_SYSTEM, {
    ID: `${TYPES.CONV_SYSTEM}-${time}-${Math.random()}`, sequence: 0, random: 0, time, priority: 'High', nick: '', avatar: '', nameCard: '',
    cloudCustomData: '', isRevoked: false, flow: 'in', status: 'success',
  });
  const payload = { operationType, operatorID: '', groupProfile: group, handleMessage };
  return { ...base, conversationID: TYPES.CONV_SYSTEM, conversationType: TYPES.CONV_SYSTEM, type: 'TIMGroupSystemNoticeElem', payload };
}

/** An uploaded image as pages know it. */
export function imagePayload(payload: ImagePayload): TimImagePayload {
  const { uuid, imageFormat } = payload;
  return { uuid, imageFormat, imageInfoArray: payload.imageInfoArray.map((info) => ({ ...info, imageUrl: info.url })) };
}

/** The file behind `payload.file`: an input's first, or itself. */
export function fileOf(file: TimImagePayload['file']): Blob | null {
  if (file instanceof Blob) return file;
  const files = (file as { files?: ArrayLike<Blob> | null } | null | undefined)?.files;
  return files?.[0] ?? null;
}

type Common = 'conversationID' | 'conversationType' | 'to' | 'from' | 'isDeleted' | 'isRead' | 'isPeerRead';

function baseOf(to: string, from: string, rest: Omit<TimMessageBase, Common>): TimMessageBase {
  return {
    ...rest, to, from, conversationType: TYPES.CONV_GROUP, conversationID: `${TYPES.CONV_GROUP}${to}`, isDeleted: false, isRead: true, isPeerRead: false,
  };
}

function priorityOf(priority: Priority | undefined): Priority {
  return priority === 'High' || priority === 'Low' || priority === 'Lowest' ? priority : 'Normal';
}
