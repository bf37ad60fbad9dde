import type { ImagePayload } from '../protocol/messages';
import type {
  BarrageType, DeviceStatus, LiveEndedReason, LiveKickedOutReason, Role, SeatLayoutTemplate, SuspendStatus, TakeSeatMode,
} from './enums';

/** A user as others see them. */
export interface LiveUserInfo {
  userId: string;
  /** The nick, or an empty text. */
  userName: string;
  /** The picture's address, or an empty text. */
  avatarUrl: string;
}

/** One of the audience. */
export interface AudienceInfo extends LiveUserInfo {
  userRole: Role;
}

/** One who sits on a seat. */
export interface SeatUserInfo extends LiveUserInfo {
  /** The room; another one than the own for connected hosts. */
  liveId: string;
  role: Role;
  microphoneStatus: DeviceStatus;
  cameraStatus: DeviceStatus;
  /** False after a host has closed it. */
  allowOpenMicrophone: boolean;
  allowOpenCamera: boolean;
  userSuspendStatus: SuspendStatus;
}

/** A place on a {@link LiveCanvas}, in its pixels. */
export interface RegionInfo {
  x: number;
  y: number;
  w: number;
  h: number;
  /** Higher ones lie over lower ones. */
  zOrder: number;
}

/** One seat. */
export interface SeatInfo {
  /** From 0. */
  index: number;
  /** Nobody can take it. */
  isLocked: boolean;
  /** A host has closed the microphone. */
  isAudioLocked: boolean;
  /** A host has closed the camera. */
  isVideoLocked: boolean;
  /** Who sits there; absent while it is free. */
  userInfo?: SeatUserInfo;
  /** Where its picture lies; empty (`w` 0) for a free seat of a layout that shows those who are there. */
  region: RegionInfo;
}

/** What the seats' pictures are laid out on. */
export interface LiveCanvas {
  width: number;
  height: number;
  /** A CSS colour. */
  background: string;
}

/** How good somebody's transport is. */
export interface NetworkInfo {
  /** 1 best to 6 down, 0 unknown. */
  quality: number;
  /** Percent. */
  upLoss: number;
  /** Percent. */
  downLoss: number;
  /** Round trip in milliseconds. */
  delay: number;
}

/** What is sent or received of one user. */
export interface AVStatistics {
  /** The user; an empty text is oneself. */
  userID: string;
  /** kbit/s. */
  videoBitrate: number;
  videoWidth: number;
  videoHeight: number;
  /** Frames a second. */
  frameRate: number;
  /** Hz. */
  audioSampleRate: number;
  /** kbit/s. */
  audioBitrate: number;
}

/** A live room. */
export interface LiveInfo {
  liveId: string;
  liveName: string;
  notice: string;
  /** The cover's address; known of the room that one is in, else an empty text. */
  coverUrl: string;
  backgroundUrl: string;
  categoryList: number[];
  liveOwner: LiveUserInfo;
  /** Members and guests who are there. */
  currentViewerCount: number;
  /** Members and guests who have come since it began. */
  totalViewerCount: number;
  /** Seconds since 1970; 0 where it is not known. */
  createTime: number;
  /** Nobody but the hosts may send. */
  isMessageDisable: boolean;
  isPublicVisible: boolean;
  isSeatEnabled: boolean;
  /** Seat 0 is the owner's. */
  keepOwnerOnSeat: boolean;
  seatMode: TakeSeatMode;
  maxSeatCount: number;
  seatTemplate: SeatLayoutTemplate;
  activityStatus: number;
}

/** How a live room is begun. */
export interface StartLiveParams {
  /** The room. A whole number from 1 to 4294967294 names the same room as that number for `room://` players. */
  liveId: string;
  liveName?: string;
  notice?: string;
  coverUrl?: string;
  backgroundUrl?: string;
  categoryList?: number[];
  isMessageDisable?: boolean;
  /** Another spelling of `isMessageDisable`. */
  isMessageDisableForAllUser?: boolean;
  isPublicVisible?: boolean;
  /** Default true. */
  isSeatEnabled?: boolean;
  /** Default true. */
  keepOwnerOnSeat?: boolean;
  /** Default {@link TakeSeatMode.ApplyToTake}. */
  seatMode?: TakeSeatMode;
  /** Default: as many as the template has. */
  maxSeatCount?: number;
  /** Default {@link SeatLayoutTemplate.VideoDynamicGrid9Seats}. */
  seatTemplate?: SeatLayoutTemplate;
  /** Another spelling of `seatTemplate`. */
  seatLayoutTemplateId?: SeatLayoutTemplate;
  activityStatus?: number;
  /** The PrivateMapKey, where the app requires one. */
  privateMapKey?: string;
}

/** What of a live room is changed; what is absent stays. */
export interface UpdateLiveInfoParams {
  liveId?: string;
  liveName?: string;
  notice?: string;
  coverUrl?: string;
  backgroundUrl?: string;
  categoryList?: number[];
  isMessageDisable?: boolean;
  isPublicVisible?: boolean;
  seatMode?: TakeSeatMode;
  seatTemplate?: SeatLayoutTemplate;
  activityStatus?: number;
  /** These three stay as the room was made; another value is refused. */
  isSeatEnabled?: boolean;
  keepOwnerOnSeat?: boolean;
  maxSeatCount?: number;
}

/** A live room has ended, or one is out of it. */
export interface LiveListEventInfo {
  liveId: string;
  reason: LiveEndedReason | LiveKickedOutReason;
  message: string;
}

/** A message of a live room. */
export interface Barrage {
  liveId: string;
  sender: LiveUserInfo;
  /** Position in the room; 0 of an own message that the room has not delivered, and of local tips. */
  sequence: number;
  /** Seconds since 1970. */
  timestampInSecond: number;
  messageType: BarrageType;
  /** Shown as text, never as HTML. */
  textContent?: string;
  extensionInfo?: Record<string, string> | null;
  businessId?: string;
  data?: string;
  image?: ImagePayload;
}

/** A gift that a page offers. */
export interface GiftInfo {
  giftId: string;
  giftName: string;
  giftDesc?: string;
  iconUrl?: string;
  resourceUrl?: string;
  coins?: number;
}

/** A gift was sent. */
export interface Gift {
  liveId: string;
  giftCount: number;
  sender: LiveUserInfo;
  giftInfo: GiftInfo;
}

/** The room was liked. */
export interface LikesMessage {
  liveId: string;
  totalLikesReceived: number;
  /** The last one who liked. */
  sender: LiveUserInfo;
}

/** A camera, microphone or loudspeaker. */
export interface DeviceInfo {
  deviceId: string;
  deviceName: string;
}
