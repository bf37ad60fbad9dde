/** Video codecs by their RTP names (RFC 6184, 7741, 9628 and the AV1 payload specification). */
export type VideoCodec = 'h264' | 'vp8' | 'vp9' | 'av1';

/**
 * Orders the codecs of a transceiver: `preferred` first; with `only`, no other video codec is offered.
 * Repair and redundancy formats stay in any case. A browser without `setCodecPreferences` keeps its order.
 */
export function preferVideoCodec(transceiver: RTCRtpTransceiver, preferred: VideoCodec, only: boolean): void {
  const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  if (typeof transceiver.setCodecPreferences !== 'function') return;
  const name = (codec: RTCRtpCodec) => codec.mimeType.toLowerCase().replace('video/', '');
  const isRepair = (codec: RTCRtpCodec) => ['rtx', 'red', 'ulpfec', 'flexfec-03'].includes(name(codec));
  const first = all.filter((codec) => name(codec) === preferred);
  if (first.length === 0) return;
  const rest = all.filter((codec) => name(codec) !== preferred && (isRepair(codec) || !only));
  transceiver.setCodecPreferences([...first, ...rest]);
}
