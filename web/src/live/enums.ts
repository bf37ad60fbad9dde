/** A device's state. */
export const DeviceStatus = { Off: 0, On: 1 } as const;
export type DeviceStatus = (typeof DeviceStatus)[keyof typeof DeviceStatus];

/** Why a device could not be opened. */
export const DeviceError = { NoError: 0, NoDeviceDetected: 1, NoSystemPermission: 2, NotSupportCapture: 3, OccupiedError: 4, UnknownError: 5 } as const;
export type DeviceError = (typeof DeviceError)[keyof typeof DeviceError];

/** A member's standing in a live room. */
export const Role = { Owner: 0, Administrator: 1, GeneralUser: 2 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Whether a seated user can be reached; this server tells {@link SuspendStatus.InBackground} of one who is reloading. */
export const SuspendStatus = { None: 0, InBackground: 1, InCalling: 2 } as const;
export type SuspendStatus = (typeof SuspendStatus)[keyof typeof SuspendStatus];

/** How one gets a seat. */
export const TakeSeatMode = { FreeToTake: 1, ApplyToTake: 2 } as const;
export type TakeSeatMode = (typeof TakeSeatMode)[keyof typeof TakeSeatMode];

/** How many seats a room has, and how their pictures are laid out. */
export const SeatLayoutTemplate = {
  /** Up to 9, as a grid of those who are there. */
  VideoDynamicGrid9Seats: 600,
  /** The first large, up to 6 small over it. */
  VideoDynamicFloat7Seats: 601,
  /** 9 fixed places. */
  VideoFixedGrid9Seats: 800,
  /** The first large, 6 fixed small places over it. */
  VideoFixedFloat7Seats: 801,
  /** Up to 4, side by side. */
  VideoLandscape4Seats: 200,
} as const;
export type SeatLayoutTemplate = (typeof SeatLayoutTemplate)[keyof typeof SeatLayoutTemplate];

/** What happens when the seat that somebody is moved to is taken. */
export const MoveSeatPolicy = { AbortWhenOccupied: 0, ForceReplace: 1, SwapPosition: 2 } as const;
export type MoveSeatPolicy = (typeof MoveSeatPolicy)[keyof typeof MoveSeatPolicy];

/** What a host may do with another one's device: lift the lock. Nobody turns another one's device on. */
export const DeviceControlPolicy = { UnlockOnly: 1 } as const;
export type DeviceControlPolicy = (typeof DeviceControlPolicy)[keyof typeof DeviceControlPolicy];

/** Why a request for a seat had no answer; in both spellings. */
export const NoResponseReason = { timeout: 0, alreadySeated: 1, Timeout: 0, AlreadySeated: 1 } as const;
export type NoResponseReason = (typeof NoResponseReason)[keyof typeof NoResponseReason];

/** Whether this room is connected with others. */
export const CoHostStatus = { Connected: 'Connected', Disconnected: 'Disconnected' } as const;
export type CoHostStatus = (typeof CoHostStatus)[keyof typeof CoHostStatus];

/** How connected rooms are laid out. */
export const CoHostLayoutTemplate = { HostDynamicGrid: 600, HostDynamic1v6: 601, HostVideoLandscapeFixed2Seats: 400 } as const;
export type CoHostLayoutTemplate = (typeof CoHostLayoutTemplate)[keyof typeof CoHostLayoutTemplate];

/** How asking another room to connect began. */
export const ConnectionCode = { Success: 0, RoomNotExist: 1, Connecting: 2, ConnectingOtherRoom: 3, ConnectionFull: 4, Retry: 5 } as const;
export type ConnectionCode = (typeof ConnectionCode)[keyof typeof ConnectionCode];

/** Why a live room ended. */
export const LiveEndedReason = { endedByHost: 1, endedByServer: 2 } as const;
export type LiveEndedReason = (typeof LiveEndedReason)[keyof typeof LiveEndedReason];

/** Why one is no longer in a live room. */
export const LiveKickedOutReason = {
  byAdmin: 0,
  byLoggedOnOtherDevice: 1,
  byServer: 2,
  forNetworkDisconnected: 3,
  forJoinRoomStatusInvalidDuringOffline: 4,
  forCountOfJoinedRoomsExceedLimit: 5,
} as const;
export type LiveKickedOutReason = (typeof LiveKickedOutReason)[keyof typeof LiveKickedOutReason];

/** What a barrage contains. */
export const BarrageType = { text: 0, custom: 1, image: 2 } as const;
export type BarrageType = (typeof BarrageType)[keyof typeof BarrageType];

/** Whether somebody is logged in. */
export const LoginStatus = { UNLOGIN: 0, LOGINED: 1 } as const;
export type LoginStatus = (typeof LoginStatus)[keyof typeof LoginStatus];

/** How good a transport is. */
export const NetworkQuality = { Unknown: 0, Excellent: 1, Good: 2, Poor: 3, Bad: 4, VeryBad: 5, Down: 6 } as const;
export type NetworkQuality = (typeof NetworkQuality)[keyof typeof NetworkQuality];

/** Whether one's own picture is shown as in a mirror; others see it as it is. */
export const MirrorType = { Auto: 0, Enable: 1, Disable: 2 } as const;
export type MirrorType = (typeof MirrorType)[keyof typeof MirrorType];

/** The size of one's own picture. */
export const VideoQuality = { Quality360P: 1, Quality540P: 2, Quality720P: 3, Quality1080P: 4 } as const;
export type VideoQuality = (typeof VideoQuality)[keyof typeof VideoQuality];
