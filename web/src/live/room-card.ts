import { SeatLayoutTemplate } from './enums';
import { badArgument } from './error';

/** What pages tell of a room beyond what the server knows; shared as one text of the room. */
export interface RoomCard {
  backgroundUrl?: string;
  categoryList?: number[];
  seatTemplate?: SeatLayoutTemplate;
  activityStatus?: number;
}

/** Reads what another page has written: any member can, so that nothing in it is taken for granted. */
export function readCard(text: string): RoomCard {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof read !== 'object' || read === null) return {};
  const { backgroundUrl, categoryList, seatTemplate, activityStatus } = read as Record<string, unknown>;
  return {
    ...(isAddress(backgroundUrl) && { backgroundUrl }),
    ...(Array.isArray(categoryList) && { categoryList: categoryList.filter((id): id is number => Number.isInteger(id)).slice(0, MAX_CATEGORIES) }),
    ...(isTemplate(seatTemplate) && { seatTemplate }),
    ...(typeof activityStatus === 'number' && { activityStatus }),
  };
}

/** Writes it as one text. Throws where an address is too long. */
export function writeCard(card: RoomCard): string {
  if (card.backgroundUrl !== undefined) checkAddress('backgroundUrl', card.backgroundUrl);
  return JSON.stringify(card);
}

/** Throws where an address is not allowed; an empty one is none. */
export function checkAddress(name: string, address: string): void {
  if (address !== '' && !isAddress(address)) throw badArgument(`${name}: allowed are http, https and relative addresses of up to ${MAX_ADDRESS} characters`);
}

/** An address that may stand in an `img`: never a script. */
export function isAddress(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > MAX_ADDRESS) return false;
  return /^(https?:\/\/|\/|\.)/i.test(value) || !/^[^/?#]*:/.test(value);
}

const isTemplate = (value: unknown): value is SeatLayoutTemplate => Object.values(SeatLayoutTemplate).includes(value as SeatLayoutTemplate);

const MAX_ADDRESS = 1_000;
const MAX_CATEGORIES = 20;
