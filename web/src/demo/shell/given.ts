import { readAccess } from '../lab/access';

/** What the page's address gave to it when it was opened. */
export const given = readAccess(new URL(location.href));

tidyAddress();

/** Takes a token out of the address bar and the history, and opens the page that a link with a stream id means. */
function tidyAddress(): void {
  const { clean } = given;
  const isPlainStream = given.id !== '' || (given.token !== '' && !clean.hash.startsWith('#/'));
  if (isPlainStream && !clean.hash.startsWith('#/')) clean.hash = '#/lab';
  if (clean.href !== location.href) history.replaceState(history.state, '', clean);
}
