import type { WebliveError } from '../errors';
import type {
  CoHostView, Entered, LeaveReason, MediaEvent, MemberView, Picture, Publication, RemovalReason, RemovedBy, Role, RoomId, Scene, TrackKind, UserId,
  UserVolume,
} from '../protocol/messages';
import type { ConnectionState } from '../signal/session';

/** How a room's media is entered. */
export interface EnterOptions {
  /** `live` when absent. */
  scene?: Scene;
  /** `audience` when absent. */
  role?: Role;
  privateMapKey?: string;
  /** Only a room that is there already; after a lost session it is waited for, since its owner may make it again. */
  existing?: boolean;
}

/** Whose publication. `room` is the own one when absent; that of a connected room else. */
export interface Target {
  user: UserId;
  track: TrackKind;
  room?: RoomId;
}

/** What of it. */
export interface Wanted {
  audio: boolean;
  video: boolean;
  /** Which picture of a publication that `hasSmall`; `large` when absent. Another one comes in the same track. */
  picture?: Picture;
}

/** Events of a room's media. */
export interface RoomMediaEvents {
  /** `closed` is out of the room. */
  state: { previous: ConnectionState; state: ConnectionState };
  /** In the room; again after a lost session. What has changed meanwhile was told before. */
  entered: Entered;
  anchorEntered: MemberView;
  anchorLeft: { user: UserId; reason: LeaveReason };
  /** A publication of another one began, changed or ended (`null`). */
  publication: Required<Target> & { publication: Publication | null; previous: Publication | null };
  coHosts: CoHostView[];
  role: Role;
  /** Out of the room, by somebody else. */
  removed: { reason: RemovalReason; by: RemovedBy; message: string };
  volumes: UserVolume[];
  activeSpeaker: UserId | null;
  quality: NetworkQuality;
  /** Nothing can be received any more, though the room goes on; subscribing to anything tries again, for all. */
  receivingFailed: WebliveError;
  /** It cannot go on: the room was left. */
  error: WebliveError;
}

/** How good one's own transport is; grades from 1 (best) to 6 (down), 0 unknown; times in milliseconds, loss in percent. */
export type NetworkQuality = Omit<Extract<MediaEvent, { event: 'networkQuality' }>, 'event'>;
