import type { LiveInfo, SeatInfo, SeatUserInfo } from 'weblive/vue';
import { DeviceStatus, Role, SuspendStatus } from 'weblive/vue';

/** One who is on stage. */
export interface Performer {
  userId: string;
  name: string;
  avatar: string;
  isHost: boolean;
  isMicOn: boolean;
  isCameraOn: boolean;
  /** The seat is kept for somebody who loads the page again. */
  isAway: boolean;
  /** False after a host has closed it. */
  mayOpenMic: boolean;
  mayOpenCamera: boolean;
  /** The seat's number; -1 in a room without seats, and in another one. */
  seat: number;
  /** The room that the picture comes from. */
  room: string;
  /** The host of this room has muted the sound of that other one here. */
  isSilenced: boolean;
}

/** Who is on stage: those on seats, the host first; the host alone where there are no seats. */
export function performersOf(seats: readonly SeatInfo[], live: LiveInfo): Performer[] {
  if (seats.length === 0) {
    const { userId, userName, avatarUrl } = live.liveOwner;
    const host = { userId, name: userName || userId, avatar: avatarUrl, isHost: true, isMicOn: true, isCameraOn: true, isAway: false, mayOpenMic: true, mayOpenCamera: true, seat: -1, room: live.liveId, isSilenced: false };
    return userId === '' ? [] : [host];
  }
  const seated = seats.flatMap(({ index, userInfo }) => (userInfo ? [performerOf(userInfo, index, live.liveId)] : []));
  return seated.sort((a, b) => Number(b.isHost) - Number(a.isHost) || a.seat - b.seat);
}

/** The hosts of the rooms that are connected with this one. `muted` are the rooms that are not to be heard. */
export function partnersOf(connected: readonly SeatUserInfo[], live: LiveInfo, muted: ReadonlySet<string>): Performer[] {
  const others = connected.filter(({ liveId }) => liveId !== live.liveId);
  return others.map((user) => ({ ...performerOf(user, -1, user.liveId), isSilenced: muted.has(user.liveId) }));
}

function performerOf(user: SeatUserInfo, seat: number, room: string): Performer {
  return {
    userId: user.userId,
    name: user.userName || user.userId,
    avatar: user.avatarUrl,
    isHost: user.role === Role.Owner,
    isMicOn: user.microphoneStatus === DeviceStatus.On,
    isCameraOn: user.cameraStatus === DeviceStatus.On,
    isAway: user.userSuspendStatus === SuspendStatus.InBackground,
    mayOpenMic: user.allowOpenMicrophone,
    mayOpenCamera: user.allowOpenCamera,
    seat,
    room,
    isSilenced: false,
  };
}
