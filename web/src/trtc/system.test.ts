// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FakePeer } from '../rtc/fake-peer';
import { installFakes } from '../streams/fakes';
import TRTC from './index';

/** A peer connection whose offers have these codecs. */
const offering = (...codecs: string[]) => class extends FakePeer {
  override createOffer = async () => ({ type: 'offer', sdp: codecs.map((codec, i) => `a=rtpmap:${96 + i} ${codec}/90000\r\n`).join('') });
};

const NO = {
  isBrowserSupported: false, isWebRTCSupported: false, isMediaDevicesSupported: false, isH264EncodeSupported: false, isH264DecodeSupported: false,
  isVp8EncodeSupported: false, isVp8DecodeSupported: false,
};

describe('what the browser can do', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('is all there in a current browser', async () => {
    installFakes();
    vi.stubGlobal('RTCPeerConnection', offering('VP8', 'rtx', 'H264'));
    const { result, detail } = await TRTC.checkSystemRequirements();
    expect(result).toBe(true);
    expect(Object.keys(detail)).toEqual(Object.keys(NO));
    expect(Object.values(detail).every(Boolean)).toBe(true);
    expect(TRTC.isScreenShareSupported()).toBe(true);
  });

  it('is less without H.264, and is enough with VP8', async () => {
    installFakes();
    vi.stubGlobal('RTCPeerConnection', offering('VP8'));
    const { result, detail } = await TRTC.checkSystemRequirements();
    expect([result, detail.isH264EncodeSupported, detail.isH264DecodeSupported, detail.isVp8DecodeSupported]).toEqual([true, false, false, true]);
  });

  it('is too little in an old browser, which is said and not thrown', async () => {
    Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true });
    vi.stubGlobal('RTCPeerConnection', undefined);
    expect(await TRTC.checkSystemRequirements()).toEqual({ result: false, detail: NO });
    expect(TRTC.isScreenShareSupported()).toBe(false);
    await expect(TRTC.getCameras()).rejects.toMatchObject({ type: 'unsupported' });
    const client = TRTC.createClient({ sdkAppId: 1, userId: 'me', userSig: '', mode: 'rtc' });
    await expect(client.join({ roomId: 1 })).rejects.toMatchObject({ code: 0x1002 });
  });

  it('is too little where connections cannot be made', async () => {
    installFakes();
    vi.stubGlobal('RTCPeerConnection', class extends FakePeer {
      override createOffer = () => Promise.reject(new DOMException('blocked'));
    });
    expect(await TRTC.checkSystemRequirements()).toMatchObject({ result: false, detail: { isWebRTCSupported: true, isVp8EncodeSupported: false } });
  });

  it('lists the devices by their kind', async () => {
    installFakes();
    const ids = async (list: Promise<MediaDeviceInfo[]>) => (await list).map(({ deviceId }) => deviceId);
    expect(await ids(TRTC.getCameras())).toEqual(['cam1', 'cam2']);
    expect(await ids(TRTC.getMicrophones())).toEqual(['mic1', 'mic2']);
    expect(await ids(TRTC.getSpeakers())).toEqual(['speaker1']);
    expect(await ids(TRTC.getDevices())).toHaveLength(5);
  });

  it('logs as much as it is told to', () => {
    expect(() => TRTC.Logger.setLogLevel(6 as 5)).toThrow(/0 to 5/);
    for (const level of Object.values(TRTC.Logger.LogLevel)) TRTC.Logger.setLogLevel(level);
    TRTC.Logger.setLogLevel(3);
    expect(TRTC.Logger.enableUploadLog()).toBeUndefined();
    expect(TRTC.VERSION).toMatch(/^4\./);
  });
});
