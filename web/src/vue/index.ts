/**
 * The states of `weblive/live` as Vue 3 composables: the same names, with refs in place of values.
 *
 * @module weblive/vue
 */

import {
  type BarrageState, type CoGuestState, type CoHostState, type DeviceState, liveContext, type LiveAudienceState, type LiveGiftState, type LiveListState,
  type LiveSeatState, type LoginState,
} from '../live';
import { type Refs, withRefs } from './refs';

export * from '../live';
export type { Refs } from './refs';

/** The login: who one is. */
export const useLoginState = (): Refs<LoginState> => withRefs(liveContext().login);

/** Which live rooms there are, and the one that one is in. */
export const useLiveListState = (): Refs<LiveListState> => withRefs(liveContext().liveList);

/** Who watches, and what hosts decide over them. */
export const useLiveAudienceState = (): Refs<LiveAudienceState> => withRefs(liveContext().audience);

/** The seats, who sits there, and what is seen of them. */
export const useLiveSeatState = (): Refs<LiveSeatState> => withRefs(liveContext().seat);

/** Guests come to seats: they apply, or are invited. */
export const useCoGuestState = (): Refs<CoGuestState> => withRefs(liveContext().coGuest);

/** Hosts of several rooms connect. */
export const useCoHostState = (): Refs<CoHostState> => withRefs(liveContext().coHost);

/** What is said in the room. */
export const useBarrageState = (): Refs<BarrageState> => withRefs(liveContext().barrage);

/** Likes and gifts. */
export const useLiveGiftState = (): Refs<LiveGiftState> => withRefs(liveContext().gift);

/** Another name of {@link useLiveGiftState}. */
export const useLikeState = useLiveGiftState;

/** Camera, microphone and screen. */
export const useDeviceState = (): Refs<DeviceState> => withRefs(liveContext().device);
