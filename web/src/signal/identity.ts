import type { WebliveError } from '../errors';
import type { EventMessage, LoggedIn, Profile } from '../protocol/messages';

/** Who logs in where. Without `user` it is a guest, who only listens to chat. */
export interface Identity {
  /** The server's HTTP origin. */
  server: string;
  /** The app (`sdkAppId`); 0 where the server runs open. */
  app: number;
  user?: string;
  userSig?: string;
  profile?: Profile;
  /** STUN and TURN servers beside those of the server. */
  iceServers?: RTCIceServer[];
}

/**
 * - `connecting`: the first login is under way.
 * - `connected`: requests and events flow.
 * - `reconnecting`: the socket was lost; requests wait.
 * - `closed`: over for good; `closed` has said why.
 */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** Why a session is over: by own wish, the same user elsewhere, the operator, a refused token, a fault. */
export type CloseReason = 'logout' | 'replaced' | 'removed' | 'userSigExpired' | 'refused' | 'fault';

/** Events of a session. */
export interface SessionEvents {
  state: { previous: ConnectionState; state: ConnectionState };
  /** Whatever the server tells, in its order. */
  event: EventMessage;
  /**
   * The server knew the old session no more and a new one has begun: rooms are to be entered again. Requests that
   * a listener makes at once go before those that have waited. Comes before `state` says `connected`.
   */
  renewed: LoggedIn;
  closed: { reason: CloseReason; error: WebliveError | null };
}

/** How one request is made. */
export interface RequestOptions {
  /** Milliseconds until the request is given up, the time without a connection included. Default 10,000. */
  timeout?: number;
}

/** What the session needs of a WebSocket. */
export type Socket = Pick<WebSocket, 'send' | 'close' | 'onopen' | 'onmessage' | 'onclose' | 'readyState'>;
