import type { CustomPayload, Priority, TextPayload } from '../protocol/messages';
import type { EVENT } from './constants';

/** What every call resolves with. */
export interface Result<T = Record<string, never>> {
  code: 0;
  data: T;
}

/** How an instance is made. */
export interface CreateOptions {
  SDKAppID: number | string;
  /** Several groups at once; one at a time else, and joining another leaves it. */
  unlimitedAVChatRoom?: boolean;
  /** The server: `https://host`. That of the script when absent. */
  server?: string;
  /** So many of the last messages for people come as an event after a group is joined; 20 when absent. */
  joinHistory?: number;
  [other: string]: unknown;
}

/** One size of an image; `imageUrl` is `url`. */
export interface TimImageInfo {
  url: string;
  imageUrl: string;
  width: number;
  height: number;
  size: number;
}

/** An image: the original, then one of 720 and one of 198 pixels at most. */
export interface TimImagePayload {
  uuid: string;
  imageFormat: string;
  imageInfoArray: TimImageInfo[];
  /** What was given to be uploaded. */
  file?: Blob | HTMLInputElement | null;
}

/** A notice of a group about its members. */
export interface TimGroupTip {
  /** `TIM.TYPES.GRP_TIP_*`. */
  operationType: number;
  operatorID: string;
  userIDList: string[];
  memberCount?: number;
  /** What has changed of the group, for `GRP_TIP_GRP_PROFILE_UPDATED`. */
  newGroupProfile?: { groupName?: string; notification?: string; introduction?: string; avatar?: string; muteAllMembers?: boolean };
  /** Whom it concerns; `muteTime` in seconds, for `GRP_TIP_MBR_PROFILE_UPDATED`. */
  memberList: { userID: string; muteTime?: number }[];
  groupProfile: { groupID: string; name: string };
}

/** A notice to one's own user: 4 removed from a group, 5 the group was dismissed. */
export interface TimSystemNotice {
  operationType: number;
  operatorID: string;
  groupProfile: { groupID: string; name: string };
  handleMessage: string;
}

/** What a message of a type carries. */
export interface TimPayloads {
  TIMTextElem: TextPayload;
  TIMCustomElem: CustomPayload;
  TIMImageElem: TimImagePayload;
  TIMGroupTipElem: TimGroupTip;
  TIMGroupSystemNoticeElem: TimSystemNotice;
}

/** Members that all messages have. */
export interface TimMessageBase {
  ID: string;
  conversationID: string;
  conversationType: string;
  to: string;
  from: string;
  /** `out` is one's own. */
  flow: 'in' | 'out';
  /** Seconds since 1970. */
  time: number;
  status: 'unSend' | 'success' | 'fail';
  isRevoked: boolean;
  priority: Priority;
  nick: string;
  avatar: string;
  nameCard: string;
  cloudCustomData: string;
  sequence: number;
  random: number;
  isDeleted: boolean;
  isRead: boolean;
  isPeerRead: boolean;
}

/** A message. */
export type TimMessage = { [T in keyof TimPayloads]: TimMessageBase & { type: T; payload: TimPayloads[T] } }[keyof TimPayloads];

/** A user. */
export interface TimProfile {
  userID: string;
  nick: string;
  avatar: string;
  gender: string;
  selfSignature: string;
  birthday: number;
  location: string;
  language: number;
  allowType: string;
  adminForbidType: string;
  messageSettings: number;
  level: number;
  role: number;
  lastUpdatedTime: number;
  profileCustomField: { key: string; value: string }[];
}

/** A group. */
export interface TimGroup {
  groupID: string;
  type: string;
  name: string;
  avatar: string;
  introduction: string;
  notification: string;
  ownerID: string;
  /** Members and guests. */
  memberCount: number;
  memberNum: number;
  joinOption: string;
  muteAllMembers: boolean;
  groupCustomField: { key: string; value: string }[];
}

/** A joined group as a conversation. */
export interface TimConversation {
  /** `GROUP` and the group's id. */
  conversationID: string;
  type: string;
  groupProfile: TimGroup;
  /** What was said last while the page was there; `lastTime` 0 before that. */
  lastMessage: {
    lastTime: number;
    fromAccount: string;
    type: string;
    payload: TimMessage['payload'] | null;
    isRevoked: boolean;
    /** The text of a text. */
    messageForShow: string;
  };
  /** Groups of this type count none. */
  unreadCount: 0;
}

/** A member of a group. */
export interface TimMember {
  userID: string;
  nick: string;
  avatar: string;
  nameCard: string;
  /** `Owner`, `Admin` or `Member`. */
  role: string;
  /** Until when the member may not send, in seconds since 1970; 0 is not muted. */
  muteUntil: number;
  joinTime: number;
  memberCustomField: { key: string; value: string }[];
}

/** What events carry in `data`. */
export interface TimEventData {
  sdkStateReady: undefined;
  sdkStateNotReady: undefined;
  sdkDestroy: { SDKAppID: number };
  onMessageReceived: TimMessage[];
  onMessageRevoked: TimMessage[];
  /** All groups that are joined. */
  onGroupListUpdated: TimGroup[];
  onConversationListUpdated: TimConversation[];
  receiveGroupSystemNotice: { type: number; message: TimMessage };
  groupAttributesUpdated: { groupID: string; groupAttributes: Record<string, string> };
  onGroupCounterUpdated: { groupID: string; key: string; value: number };
  onProfileUpdated: TimProfile[];
  kickedOut: { type: string };
  error: { code: number; message: string };
  netStateChange: { state: string };
}

/** The name of an event. */
export type TimEventName = (typeof EVENT)[keyof typeof EVENT];

/** An event as handlers get it. */
export interface TimEvent<N extends string = string> {
  name: N;
  data: N extends keyof TimEventData ? TimEventData[N] : unknown;
}

/** A message to be made. */
export interface MessageOptions<P> {
  /** The group. */
  to: string | number;
  /** `TIM.TYPES.CONV_GROUP`. */
  conversationType?: string;
  priority?: Priority;
  payload: P;
  cloudCustomData?: string;
  /** Images: called with the part that is uploaded, from 0 to 1. */
  onProgress?: (part: number) => void;
}

/** Names a group. */
export interface GroupRef {
  groupID: string | number;
}

/** A group to be made. */
export interface CreateGroupOptions {
  /** Drawn when absent. */
  groupID?: string | number;
  name: string;
  /** `TIM.TYPES.GRP_AVCHATROOM`: there are no others here. */
  type?: string;
  notification?: string;
  introduction?: string;
  avatar?: string;
  [other: string]: unknown;
}

/** What of a group is to be changed; what is absent stays. */
export interface UpdateGroupOptions extends GroupRef {
  name?: string;
  notification?: string;
  introduction?: string;
  avatar?: string;
  muteAllMembers?: boolean;
  [other: string]: unknown;
}

/** What of one's profile is to be changed. */
export type UpdateProfileOptions = Partial<Omit<TimProfile, 'userID' | 'lastUpdatedTime'>>;
