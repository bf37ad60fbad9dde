/**
 * The chat of rooms by the names of TIM. The default export is what `tim-js.js` sets as the global `TIM`.
 *
 * @module weblive/tim
 */

import { shared } from '../page';
import { VERSION } from '../version';
import { TimChat } from './chat';
import { EVENT, TYPES } from './constants';
import { badValue } from './error';
import type { CreateOptions } from './types';

const instances = shared('tim', () => new Map<number, TimChat>());

/** The chat interface: `TIM.create({SDKAppID})` gives the page's one instance of an app. */
const TIM = {
  VERSION,
  EVENT,
  TYPES,
  /** The instance of an app, made where there is none. Throws a {@link TimError} where `SDKAppID` is missing. */
  create(options: CreateOptions): TimChat {
    const app = Number(options?.SDKAppID);
    if (!Number.isInteger(app) || app < 0) {
      throw badValue('create: SDKAppID', options?.SDKAppID, 'the number of an app');
    }
    const known = instances.get(app);
    if (known) return known;
    const made = new TimChat(app, options, () => instances.get(app) === made && instances.delete(app));
    instances.set(app, made);
    return made;
  },
};

export default TIM;
export { EVENT, TYPES } from './constants';
export { TimError } from './error';
export { TimChat, type LoginData } from './chat';
export type { MessagePage } from './messages';
export type * from './types';
