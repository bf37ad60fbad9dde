import { WebliveError } from '../errors';

/** Where a picture goes: an element, or its id. */
export type Place = string | HTMLElement;

/** The element of a place. Throws where the page has none such. */
export function elementOf(place: Place | null): HTMLElement {
  const element = typeof place === 'string' ? document.getElementById(place) : place;
  if (!element) throw new WebliveError('argument', `setRenderView: the page has no element with the id ${JSON.stringify(place)}`, false);
  return element;
}
