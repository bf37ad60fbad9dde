import { canShareScreen, devices } from '../streams';

/** What this browser can do; `result` is false where something is missing that a call cannot do without. */
export interface SystemRequirements {
  result: boolean;
  detail: {
    isBrowserSupported: boolean;
    isWebRTCSupported: boolean;
    /** False also on a page without HTTPS, where browsers hide the devices. */
    isMediaDevicesSupported: boolean;
    isH264EncodeSupported: boolean;
    isH264DecodeSupported: boolean;
    isVp8EncodeSupported: boolean;
    isVp8DecodeSupported: boolean;
  };
}

/** Tries out what this browser can do. Never rejects. */
export async function checkSystemRequirements(): Promise<SystemRequirements> {
  const isWebRTCSupported = typeof RTCPeerConnection === 'function' && 'addTransceiver' in RTCPeerConnection.prototype;
  const isMediaDevicesSupported = typeof globalThis.navigator?.mediaDevices?.getUserMedia === 'function';
  const [sends, receives] = isWebRTCSupported ? [await codecs('sendonly'), await codecs('recvonly')] : [NONE, NONE];
  const isBrowserSupported = isWebRTCSupported && typeof WebSocket === 'function' && typeof MediaStream === 'function' && typeof Promise.allSettled === 'function';
  const detail = {
    isBrowserSupported, isWebRTCSupported, isMediaDevicesSupported,
    isH264EncodeSupported: sends.has('h264'), isH264DecodeSupported: receives.has('h264'),
    isVp8EncodeSupported: sends.has('vp8'), isVp8DecodeSupported: receives.has('vp8'),
  };
  const canEncode = detail.isH264EncodeSupported || detail.isVp8EncodeSupported;
  const canDecode = detail.isH264DecodeSupported || detail.isVp8DecodeSupported;
  return { result: isBrowserSupported && isMediaDevicesSupported && canEncode && canDecode, detail };
}

/** Whether a screen can be shared. */
export function isScreenShareSupported(): boolean {
  return canShareScreen();
}

/** Whether a small picture can be sent beside the large one: several encodings of one track, which are offered with an extension of their own. */
export function isSmallStreamSupported(): boolean {
  return typeof RTCRtpSender === 'function' && 'setParameters' in RTCRtpSender.prototype && typeof RTCRtpTransceiver === 'function';
}

/** All devices. Names are empty until the user has allowed one. */
export const getDevices = (): Promise<MediaDeviceInfo[]> => devices.list();
export const getCameras = (): Promise<MediaDeviceInfo[]> => devices.list('camera');
export const getMicrophones = (): Promise<MediaDeviceInfo[]> => devices.list('microphone');
export const getSpeakers = (): Promise<MediaDeviceInfo[]> => devices.list('speaker');

const NONE: ReadonlySet<string> = new Set();

/** The names of the video codecs that an offer of this browser has. A list of capabilities may have what hardware then refuses. */
async function codecs(direction: 'sendonly' | 'recvonly'): Promise<ReadonlySet<string>> {
  const peer = new RTCPeerConnection();
  try {
    peer.addTransceiver('video', { direction });
    const { sdp = '' } = await peer.createOffer();
    return new Set([...sdp.matchAll(/^a=rtpmap:\d+ ([\w-]+)\//gm)].map(([, name]) => name!.toLowerCase()));
  } catch {
    return NONE;
  } finally {
    peer.close();
  }
}
