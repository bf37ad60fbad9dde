import type { ErrorType } from '../errors';

/**
 * A sentence about what to do. The server's refusals say it themselves, behind what is wrong: "room 404 does not exist;
 * create it or enter another one". Other errors have one for their kind.
 */
export function adviceFor(type: ErrorType, isRefusal: boolean, message: string): string {
  const hint = isRefusal && /; ([^;]+)$/.exec(message)?.[1];
  return hint ? `${hint.charAt(0).toUpperCase()}${hint.slice(1)}.` : TYPES[type];
}

/** By the kind of error. */
export const TYPES: Record<ErrorType, string> = {
  http: 'Read the message; the request was understood and refused.',
  refused: 'Read the message; the request was understood and refused.',
  'not-live': 'Wait until somebody publishes, and try again.',
  busy: 'Try again after a while.',
  network: 'Check the server address and the network; the call may be repeated.',
  timeout: 'Try again; if it lasts, look at the server and the network.',
  connection: 'Let UDP to the media ports of the server through, or set a TURN server.',
  unsupported: 'Use a current Chrome, Edge, Firefox or Safari.',
  media: 'Play another line, or start again.',
  permission: 'Let the user allow the camera and microphone for this page; it needs HTTPS or localhost.',
  device: 'Check that the device is plugged in and that no other program uses it.',
  autoplay: 'Show a button, and call resume from its click.',
  argument: 'Mend the value that the message names.',
  state: 'Make the call that the message names first.',
  removed: 'Do not come back by itself: ask the user.',
};
