import type TRTC from '../trtc';

/** What a Pusher needs of TRTC. */
export type RtcFace = Pick<
  typeof TRTC,
  'createClient' | 'createStream' | 'checkSystemRequirements' | 'isScreenShareSupported' | 'getCameras' | 'getMicrophones'
>;
