import { effectScope, watchEffect } from 'vue';
import { describe, expect, test, vi } from 'vitest';
import { Cell } from '../live/store';
import { refOf, withRefs } from './refs';
import * as surface from './index';

class Sample {
  readonly cell = new Cell(1);
  readonly #secret = 41;
  get value(): Cell<number> {
    return this.cell;
  }
  readonly bound = () => this.#secret + this.cell.value;
  method(): number {
    return this.#secret + 1;
  }
}

describe('a store as a ref', () => {
  test('follows it while the component lives', () => {
    const wanted = vi.fn();
    const cell = new Cell(1, wanted);
    const scope = effectScope();
    const seen: number[] = [];
    scope.run(() => {
      const ref = refOf(cell);
      watchEffect(() => seen.push(ref.value), { flush: 'sync' });
    });
    cell.set(2);
    cell.set(2);
    expect(seen).toEqual([1, 2]);
    scope.stop();
    cell.set(3);
    expect(seen).toEqual([1, 2]);
    expect(wanted.mock.calls).toEqual([[true], [false]]);
  });

  test('outside of components is one and lasts', () => {
    const cell = new Cell('a');
    expect(refOf(cell)).toBe(refOf(cell));
    cell.set('b');
    expect(refOf(cell).value).toBe('b');
  });
});

describe('a state with refs', () => {
  test('gives values as refs and methods that may be taken out of it', () => {
    const { cell, value, bound, method } = withRefs(new Sample());
    expect([cell.value, value.value]).toEqual([1, 1]);
    expect([bound(), method()]).toEqual([42, 42]);
  });

  test('measures nothing that nobody takes', () => {
    const wanted = vi.fn();
    const state = { dear: new Cell(0, wanted), cheap: new Cell(1) };
    const { cheap } = withRefs(state);
    expect(cheap.value).toBe(1);
    expect(wanted).not.toHaveBeenCalled();
  });
});

describe('the composables', () => {
  test('may be spread, with all that they have', () => {
    const { currentLive, joinLive, own } = { ...surface.useLiveListState(), own: 1 };
    expect([currentLive.value, typeof joinLive, own]).toEqual([null, 'function', 1]);
    expect(Object.keys(surface.useCoGuestState())).toEqual(expect.arrayContaining(['connected', 'applicants', 'applyForSeat', 'subscribeEvent']));
    // What is of the states alone is not shown.
    expect(Object.keys(surface.useDeviceState())).not.toContain('publishing');
  });

  test('share one context', () => {
    const [first, second] = [surface.useLoginState(), surface.useLoginState()];
    expect(first.loginUserInfo).toBe(second.loginUserInfo);
    expect(surface.useLikeState).toBe(surface.useLiveGiftState);
  });

  test.each([
    ['useLoginState', ['loginUserInfo', 'login', 'logout', 'setSelfInfo', 'subscribeEvent', 'unsubscribeEvent']],
    ['useLiveListState', ['currentLive', 'liveList', 'liveListCursor', 'startLive', 'createLive', 'joinLive', 'leaveLive', 'endLive', 'updateLiveInfo', 'fetchLiveList', 'fetchLiveInfo', 'subscribeEvent', 'unsubscribeEvent']],
    ['useLiveAudienceState', ['audienceList', 'audienceCount', 'fetchAudienceList', 'setAdministrator', 'revokeAdministrator', 'kickUserOutOfRoom', 'disableSendMessage', 'subscribeEvent', 'unsubscribeEvent']],
    ['useLiveSeatState', ['seatList', 'canvas', 'speakingUsers', 'networkQualities', 'avStatistics', 'pausedVideos', 'takeSeat', 'leaveSeat', 'lockSeat', 'unlockSeat', 'unLockSeat', 'kickUserOutOfSeat', 'moveUserToSeat', 'openRemoteCamera', 'closeRemoteCamera', 'openRemoteMicrophone', 'closeRemoteMicrophone', 'muteMicrophone', 'unmuteMicrophone', 'startPlayStream', 'stopPlayStream', 'subscribeEvent', 'unsubscribeEvent']],
    ['useCoGuestState', ['connected', 'invitees', 'applicants', 'candidates', 'applyForSeat', 'cancelApplication', 'acceptApplication', 'rejectApplication', 'inviteToSeat', 'cancelInvitation', 'acceptInvitation', 'rejectInvitation', 'disConnect', 'subscribeEvent', 'unsubscribeEvent']],
    ['useCoHostState', ['coHostStatus', 'connected', 'applicant', 'invitees', 'candidates', 'candidatesCursor', 'mutedHosts', 'requestHostConnection', 'cancelHostConnection', 'acceptHostConnection', 'rejectHostConnection', 'exitHostConnection', 'getCoHostCandidates', 'muteRemoteHostAudio', 'subscribeEvent', 'unsubscribeEvent']],
    ['useBarrageState', ['messageList', 'sendTextMessage', 'sendCustomMessage', 'subscribeEvent', 'unsubscribeEvent']],
    ['useLiveGiftState', ['totalLikeCount', 'sendLikes', 'sendGift', 'subscribeEvent', 'unsubscribeEvent']],
    ['useDeviceState', ['microphoneStatus', 'cameraStatus', 'openLocalMicrophone', 'closeLocalMicrophone', 'openLocalCamera', 'closeLocalCamera', 'muteLocalAudio', 'unmuteLocalAudio', 'getCameraList', 'getMicrophoneList', 'getSpeakerList', 'setCurrentCamera', 'setCurrentMicrophone', 'setCurrentSpeaker', 'startScreenShare', 'stopScreenShare']],
  ] as const)('%s has the documented names', (composable, names) => {
    const state = surface[composable]() as unknown as Record<string, unknown>;
    for (const name of names) {
      const member = state[name];
      const isRef = typeof member === 'object' && member !== null && 'value' in member;
      expect(isRef || typeof member === 'function', `${composable}.${name}`).toBe(true);
    }
  });

  test('the enums have the documented values', () => {
    expect(surface.MoveSeatPolicy).toEqual({ AbortWhenOccupied: 0, ForceReplace: 1, SwapPosition: 2 });
    expect(surface.DeviceControlPolicy).toEqual({ UnlockOnly: 1 });
    expect(surface.NoResponseReason).toEqual({ timeout: 0, alreadySeated: 1, Timeout: 0, AlreadySeated: 1 });
    expect(surface.Role).toEqual({ Owner: 0, Administrator: 1, GeneralUser: 2 });
    expect(surface.TakeSeatMode).toEqual({ FreeToTake: 1, ApplyToTake: 2 });
    expect(surface.SuspendStatus).toEqual({ None: 0, InBackground: 1, InCalling: 2 });
    expect(surface.CoHostLayoutTemplate).toEqual({ HostDynamicGrid: 600, HostDynamic1v6: 601, HostVideoLandscapeFixed2Seats: 400 });
    expect(surface.LiveEndedReason).toEqual({ endedByHost: 1, endedByServer: 2 });
    expect(surface.LiveKickedOutReason).toMatchObject({ byAdmin: 0, byLoggedOnOtherDevice: 1, byServer: 2, forNetworkDisconnected: 3 });
  });
});
