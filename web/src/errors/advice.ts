import type { ErrorType } from '../errors';
import type { ErrorName } from '../protocol/messages';

/** A sentence about what to do: for the reason of a refusal, else for the kind of error. */
export function adviceFor(type: ErrorType, reason: ErrorName | null): string {
  return (reason && REASONS[reason]) ?? TYPES[type];
}

const TYPES: Record<ErrorType, string> = {
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

const REASONS: Partial<Record<ErrorName, string>> = {
  userSigRefused: 'Have the back end of the page sign a UserSig for this app, user and key.',
  userSigExpired: 'Have the back end of the page sign a new UserSig.',
  privateMapKeyRefused: 'Have the back end of the page sign a PrivateMapKey for this room with the rights that are needed.',
  rightMissing: 'Have the back end of the page sign a PrivateMapKey with this right.',
  guest: 'Log in first.',
  noSuchRoom: 'Create the room, or enter another one.',
  roomTaken: 'The room exists: enter it.',
  roomIsYours: 'The room exists and is yours: enter it.',
  noPermission: 'Ask the owner of the room to do it, or to make the user an administrator.',
  notOwner: 'Only the owner of the room can do it.',
  notEntered: 'Enter the room first.',
  ownerMayNotQuit: 'Dismiss the room instead.',
  audienceMayNotPublish: "Call switchRole('anchor') first, or take a seat where the room has seats.",
  sceneDiffers: 'Use the mode that the others in the room use.',
  inOtherRoom: 'Leave the other room first.',
  streamTaken: 'Choose another stream id.',
  sensitiveText: 'Say it in other words.',
  tooLong: 'Shorten the message.',
  tooFast: 'Wait, and send less often.',
  noCommonCodec: 'Publish in a codec that all have, such as VP8; H.264 plays over FLV and HLS too.',
};
