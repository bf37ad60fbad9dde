import type { GroupTip, ImagePayload, Message, MessageContent, Priority } from '../protocol/messages';
import { TYPES } from './constants';
import { badValue, Code } from './error';
import type { MessageOptions, TimConversation, TimGroup, TimGroupTip, TimImagePayload, TimMessage, TimMessageBase, TimPayloads } from './types';

/** Types of messages that can be made. */
export type OutgoingType = 'TIMTextElem' | 'TIMCustomElem' | 'TIMImageElem';

/** A message that was made here and is not sent yet. */
export function createMessage<T extends OutgoingType>(from: string, type: T, options: MessageOptions<unknown>, payload: TimPayloads[T]): TimMessage {
  const { to, conversationType, priority, cloudCustomData } = options;
  const random = Math.floor(Math.random() * 0xffff_ffff) + 1;
  const time = Math.floor(Date.now() / 1000);
  const base = baseOf(String(to ?? ''), from, {
    ID: nameOf(from, random), time, random, sequence: 0, flow: 'out', status: 'unSend', priority: priorityOf(priority), nick: '', avatar: '',
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
      throw badValue('sendMessage: type', message.type, 'text, custom or image', Code.sendFailed);
  }
}

/** A message of the server as pages know it. `tip` says what a notice of the group is about. */
export function fromServer(message: Message, group: string, me: string | null, tip: (tip: GroupTip) => TimGroupTip): TimMessage {
  const from = message.from ?? TYPES.CONV_SYSTEM;
  const { type: _, payload: __, ...rest } = message;
  const ID = message.random > 0 && from !== TYPES.CONV_SYSTEM ? nameOf(from, message.random) : message.ID;
  const base = baseOf(group, from, { ...rest, ID, flow: from === me ? 'out' : 'in', status: 'success' });
  if (message.type === 'TIMImageElem') return { ...base, type: message.type, payload: imagePayload(message.payload) };
  if (message.type === 'TIMGroupTipElem') return { ...base, type: message.type, payload: tip(message.payload) };
  return { ...base, type: message.type, payload: message.payload } as TimMessage;
}

/** A joined group as a conversation. */
export function conversationOf(groupProfile: TimGroup, last: TimMessage | null): TimConversation {
  const { time = 0, from = '', type = '', payload = null, isRevoked = false } = last ?? {};
  const messageForShow = last?.type === 'TIMTextElem' ? last.payload.text : '';
  return {
    conversationID: TYPES.CONV_GROUP + groupProfile.groupID, type: TYPES.CONV_GROUP, unreadCount: 0, groupProfile,
    lastMessage: { lastTime: time, fromAccount: from, type, payload, isRevoked, messageForShow },
  };
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

/** The id of a message: the same before and after it is sent, and on all pages. */
const nameOf = (from: string, random: number) => `${from}-${random}`;

type Common = 'conversationID' | 'conversationType' | 'to' | 'from' | 'isDeleted' | 'isRead' | 'isPeerRead';

function baseOf(to: string, from: string, rest: Omit<TimMessageBase, Common>): TimMessageBase {
  return {
    ...rest, to, from, conversationType: TYPES.CONV_GROUP, conversationID: `${TYPES.CONV_GROUP}${to}`, isDeleted: false, isRead: true, isPeerRead: false,
  };
}

function priorityOf(priority: Priority | undefined): Priority {
  return priority === 'High' || priority === 'Low' || priority === 'Lowest' ? priority : 'Normal';
}
