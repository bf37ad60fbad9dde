/**
 * Pushers, players and chat by the names of TWebLive. The default export is what `tweblive.js` sets as the global `TWebLive`.
 *
 * @module weblive/tweblive
 */

import { setServer } from '../server';
import { shared } from '../page';
import TIM from '../tim';
import TRTC, { toRtcError } from '../trtc';
import { VERSION } from '../version';
import { EVENT, TYPES } from './constants';
import { IM, type IMOptions } from './im';
import { Player } from './player';
import { Pusher, type PusherOptions } from './pusher';

/** Makes a pusher. Throws where `userID` is missing, or where a screen is wanted and cannot be shared. */
export function createPusher(options: PusherOptions): Pusher {
  return new Pusher(TRTC, options);
}

/** Makes a player. */
export function createPlayer(): Player {
  return new Player({ toRtcError });
}

/** Gives the page's one IM: the first call makes it, whatever later ones ask for. Throws where `SDKAppID` is missing. */
export function createIM(options: IMOptions): IM {
  return shared('tweblive.im', () => new IM((wanted) => TIM.create({ ...wanted }), options));
}

/** The global of `tweblive.js`. */
const TWebLive = {
  createPusher,
  createPlayer,
  createIM,
  get EVENT() {
    return EVENT;
  },
  get TYPES() {
    return TYPES;
  },
  /** Addition of this library, as are all below. */
  VERSION,
  checkSystemRequirements: TRTC.checkSystemRequirements,
  isScreenShareSupported: TRTC.isScreenShareSupported,
  getDevices: TRTC.getDevices,
  getCameras: TRTC.getCameras,
  getMicrophones: TRTC.getMicrophones,
  setServer,
};

export default TWebLive;
export { EVENT, IM, Player, Pusher, TWebLive, TYPES };
export type { CdnErrorDetail, CustomConfig } from './player';
export type { EventName } from './constants';
export type { EventData } from './event-data';
export type { Handler, TWebLiveEvent } from './handlers';
export type { IMOptions } from './im';
export type { PusherOptions, PusherViewOptions } from './pusher';
