/** Sessions of the signalling WebSocket. */
export type { CloseReason, ConnectionState, Identity, RequestOptions, SessionEvents, Socket } from './identity';
export { type Lease, SessionPool, sessions } from './pool';
export type { Fields } from './requests';
export { Session } from './session';
