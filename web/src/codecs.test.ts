import { afterEach, expect, it, vi } from 'vitest';
import { preferVideoCodec, type VideoCodec } from './codecs';

const codecs = ['VP8', 'rtx', 'H264', 'AV1', 'ulpfec'].map((name) => ({ mimeType: `video/${name}`, clockRate: 90_000 }));

afterEach(() => vi.unstubAllGlobals());

/** What a transceiver is told to offer, by the names. */
function offered(preferred: VideoCodec, only = false, received = codecs): string[] | null {
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => ({ codecs: received }) });
  vi.stubGlobal('RTCRtpSender', { getCapabilities: () => ({ codecs }) });
  let names: string[] | null = null;
  const setCodecPreferences = (all: RTCRtpCodec[]) => (names = all.map(({ mimeType }) => mimeType.replace('video/', '')));
  preferVideoCodec({ setCodecPreferences } as unknown as RTCRtpTransceiver, preferred, only);
  return names;
}

it('puts H.264 first, with the others behind it unless it is to be the only one', () => {
  expect(offered('h264')).toEqual(['H264', 'VP8', 'rtx', 'AV1', 'ulpfec']);
  expect(offered('h264', true)).toEqual(['H264', 'rtx', 'ulpfec']);
});

it('offers any other codec alone: the server would answer H.264 first', () => {
  expect(offered('vp8')).toEqual(['VP8', 'rtx', 'ulpfec']);
});

it('leaves the offer as it is where the browser lacks the codec', () => {
  expect(offered('vp9')).toBeNull();
});

it('leaves the offer as it is where the browser receives the codec and does not send it', () => {
  const received = [...codecs, { mimeType: 'video/H265', clockRate: 90_000 }];
  expect(offered('h265', false, received)).toBeNull();
  codecs.push({ mimeType: 'video/H265', clockRate: 90_000 });
  expect(offered('h265', false, received)).toEqual(['H265', 'rtx', 'ulpfec']);
});
