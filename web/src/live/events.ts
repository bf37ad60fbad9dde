import { Emitter } from '../emitter';
import type { DeviceControlPolicy, NoResponseReason } from './enums';
import type { AudienceInfo, Barrage, Gift, LikesMessage, LiveListEventInfo, LiveUserInfo, SeatUserInfo } from './types';

/** An object whose values are its names. */
const named = <const N extends string>(...names: N[]) => Object.freeze(Object.fromEntries(names.map((name) => [name, name]))) as { readonly [K in N]: K };

/** What hosts are told of guests. */
export const HostEvent = named(
  'onGuestApplicationReceived',
  'onGuestApplicationCancelled',
  'onGuestApplicationProcessedByOtherHost',
  'onHostInvitationResponded',
  'onHostInvitationNoResponse',
);

/** What guests are told of hosts. */
export const GuestEvent = named(
  'onHostInvitationReceived',
  'onHostInvitationCancelled',
  'onGuestApplicationResponded',
  'onGuestApplicationNoResponse',
  'onGuestApplicationError',
  'onKickedOffSeat',
);

/** {@link GuestEvent} by the name that older pages import. */
export const CoGuestEvent = GuestEvent;

/** What hosts are told of other rooms' hosts; with {@link HostEvent} in it, which older pages import by this name. */
export const CoHostEvent = Object.freeze({
  ...HostEvent,
  ...named(
    'onCoHostRequestReceived',
    'onCoHostRequestCancelled',
    'onCoHostRequestAccepted',
    'onCoHostRequestRejected',
    'onCoHostRequestTimeout',
    'onCoHostUserJoined',
    'onCoHostUserLeft',
  ),
});

export const LiveSeatEvent = named(
  'onLocalCameraOpenedByAdmin', 'onLocalCameraClosedByAdmin', 'onLocalMicrophoneOpenedByAdmin', 'onLocalMicrophoneClosedByAdmin',
);

export const LiveListEvent = named('onLiveEnded', 'onKickedOutOfLive');

export const LiveAudienceEvent = named(
  'onOwnerJoined', 'onOwnerLeft', 'onAdminJoined', 'onAdminLeft', 'onAudienceJoined', 'onAudienceLeft', 'onAudienceMessageDisabled',
);

export const BarrageEvent = named('onBarrageReceived', 'onCustomMessageReceived');

export const LiveGiftEvents = named('ON_RECEIVE_GIFT_MESSAGE', 'ON_RECEIVE_LIKES_MESSAGE');

export const LoginEvent = named('onKickedOffline', 'onLoginExpired');

/** The events of guests' connections, and what they tell. */
export interface CoGuestEvents {
  onGuestApplicationReceived: { guestUser: LiveUserInfo };
  /** The application is no longer open, and nobody has answered it. */
  onGuestApplicationCancelled: { guestUser: LiveUserInfo };
  onGuestApplicationProcessedByOtherHost: { guestUser: LiveUserInfo; hostUser: LiveUserInfo };
  onHostInvitationResponded: { isAccept: boolean; guestUser: LiveUserInfo };
  onHostInvitationNoResponse: { guestUser: LiveUserInfo; reason: NoResponseReason };
  onHostInvitationReceived: { hostUser: LiveUserInfo };
  onHostInvitationCancelled: { hostUser: LiveUserInfo };
  onGuestApplicationResponded: { isAccept: boolean; hostUser: LiveUserInfo };
  onGuestApplicationNoResponse: { reason: NoResponseReason };
  onGuestApplicationError: { code: number; message: string };
  onKickedOffSeat: { seatIndex: number; hostUser: LiveUserInfo };
}

/** The events of connected rooms, and what they tell. */
export interface CoHostEvents {
  onCoHostRequestReceived: { inviter: SeatUserInfo; extensionInfo: string };
  onCoHostRequestCancelled: { inviter: SeatUserInfo; invitee: SeatUserInfo };
  onCoHostRequestAccepted: { invitee: SeatUserInfo };
  onCoHostRequestRejected: { invitee: SeatUserInfo };
  onCoHostRequestTimeout: { inviter: SeatUserInfo; invitee: SeatUserInfo };
  onCoHostUserJoined: { userInfo: SeatUserInfo };
  onCoHostUserLeft: { userInfo: SeatUserInfo };
}

/** The events of seats, and what they tell. */
export interface LiveSeatEvents {
  onLocalCameraOpenedByAdmin: { policy: DeviceControlPolicy };
  onLocalCameraClosedByAdmin: Record<string, never>;
  onLocalMicrophoneOpenedByAdmin: { policy: DeviceControlPolicy };
  onLocalMicrophoneClosedByAdmin: Record<string, never>;
}

/** The events of the live room that one is in. */
export interface LiveListEvents {
  onLiveEnded: LiveListEventInfo;
  onKickedOutOfLive: LiveListEventInfo;
}

/** The events of the audience, and what they tell. */
export interface LiveAudienceEvents {
  onOwnerJoined: { owner: AudienceInfo };
  onOwnerLeft: { owner: AudienceInfo };
  onAdminJoined: { admin: AudienceInfo };
  onAdminLeft: { admin: AudienceInfo };
  onAudienceJoined: { audience: AudienceInfo };
  onAudienceLeft: { audience: AudienceInfo };
  onAudienceMessageDisabled: { audience: AudienceInfo; isDisable: boolean };
}

/** The events of messages. */
export interface BarrageEvents {
  onBarrageReceived: Barrage;
  onCustomMessageReceived: Barrage;
}

/** The events of gifts and likes. */
export interface LiveGiftEventsMap {
  ON_RECEIVE_GIFT_MESSAGE: Gift;
  ON_RECEIVE_LIKES_MESSAGE: LikesMessage;
}

/** The events of the login. */
export interface LoginEvents {
  onKickedOffline: { message: string };
  onLoginExpired: { message: string };
}

/** The part of a state that pages subscribe to. */
export class Subscribable<Events extends object> extends Emitter<Events> {
  /** Calls `callback` for each such event. */
  readonly subscribeEvent = <K extends keyof Events>(event: K, callback: (info: Events[K]) => void): void => void this.on(event, callback);

  /** Ends it, for this `callback`. */
  readonly unsubscribeEvent = <K extends keyof Events>(event: K, callback: (info: Events[K]) => void): void => this.off(event, callback);
}
