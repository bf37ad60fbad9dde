/**
 * Live rooms as states, without a framework: seats, guests, connected hosts, audience, chat, likes and devices of one user, who is
 * in one room at a time. {@link liveContext} gives the page's own.
 *
 * @module weblive/live
 */

export type { BarrageState } from './barrage';
export type { CoGuestState } from './co-guest';
export type { CoHostState, HostConnectionParams } from './co-host';
export { LiveContext, liveContext } from './context';
export type { CustomSource, DeviceState } from './device';
export * from './enums';
export { LiveError } from './error';
export * from './events';
export type { LiveAudienceState } from './live-audience';
export type { LiveGiftState } from './live-gift';
export type { LiveListState } from './live-list';
export type { LiveSeatState } from './live-seat';
export type { LoginParams, LoginState, SelfInfo } from './login';
export type { Store } from './store';
export * from './types';
