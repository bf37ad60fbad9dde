import { describe, expect, it } from 'vitest';
import { DeviceStatus, type LiveInfo, Role, type SeatInfo, type SeatUserInfo, SuspendStatus } from 'weblive/vue';
import { partnersOf, performersOf } from './performers';

const live = { liveId: '5', liveOwner: { userId: 'olga', userName: 'Olga', avatarUrl: '' } } as LiveInfo;
const region = { x: 0, y: 0, w: 0, h: 0, zOrder: 0 };

function seat(index: number, userId = '', role: Role = Role.GeneralUser, isMicOn = true): SeatInfo {
  const base = { index, isLocked: false, isAudioLocked: !isMicOn, isVideoLocked: false, region };
  if (userId === '') return base;
  const microphoneStatus = isMicOn ? DeviceStatus.On : DeviceStatus.Off;
  return {
    ...base,
    userInfo: {
      userId, userName: '', avatarUrl: '', liveId: '5', role, microphoneStatus, cameraStatus: DeviceStatus.On,
      allowOpenMicrophone: isMicOn, allowOpenCamera: true, userSuspendStatus: SuspendStatus.None,
    },
  };
}

describe('who is on stage', () => {
  it('is the host first, then the guests in the order of their seats', () => {
    const seats = [seat(0), seat(1, 'zoe'), seat(2), seat(3, 'olga', Role.Owner), seat(4, 'ben', Role.GeneralUser, false)];
    const performers = performersOf(seats, live);
    expect(performers.map(({ userId, seat }) => [userId, seat])).toEqual([['olga', 3], ['zoe', 1], ['ben', 4]]);
    expect(performers[0]).toMatchObject({ isHost: true, isMicOn: true });
    expect(performers[2]).toMatchObject({ name: 'ben', isHost: false, isMicOn: false, mayOpenMic: false, mayOpenCamera: true });
  });

  it('is the host alone in a room without seats, and nobody in a room without a host', () => {
    expect(performersOf([], live)).toMatchObject([{ userId: 'olga', name: 'Olga', isHost: true, seat: -1 }]);
    expect(performersOf([], { liveOwner: { userId: '', userName: '', avatarUrl: '' } } as LiveInfo)).toEqual([]);
  });
});

describe('the hosts of connected rooms', () => {
  const host = (liveId: string, userId: string): SeatUserInfo => ({ ...seat(0, userId, Role.Owner).userInfo!, liveId });

  it('are all but the own one, each with the room that it is seen in', () => {
    const partners = partnersOf([host('5', 'olga'), host('8', 'hugo'), host('9', 'ida')], live, new Set(['9']));
    expect(partners.map(({ userId, room, isHost, isSilenced }) => [userId, room, isHost, isSilenced])).toEqual([['hugo', '8', true, false], ['ida', '9', true, true]]);
    expect(partnersOf([], live, new Set())).toEqual([]);
  });
});
