/** Video codecs by their RTP names (RFC 6184, 7741, 7798, 9628 and the AV1 payload specification). */
export type VideoCodec = 'h264' | 'vp8' | 'vp9' | 'av1' | 'h265';

/**
 * Orders the codecs of a transceiver: `preferred` first; with `only`, no other video codec is offered. Another one
 * than H.264 is offered alone in any case, since the server answers H.264 first whatever the order of the offer.
 * Repair and redundancy formats stay. A browser that cannot send the codec, or lacks `setCodecPreferences`, keeps its
 * own order: some receive H.265 and cannot send it.
 */
export function preferVideoCodec(transceiver: RTCRtpTransceiver, preferred: VideoCodec, only: boolean): void {
  const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  if (typeof transceiver.setCodecPreferences !== 'function') return;
  const name = (codec: RTCRtpCodec) => codec.mimeType.toLowerCase().replace('video/', '');
  const isRepair = (codec: RTCRtpCodec) => ['rtx', 'red', 'ulpfec', 'flexfec-03'].includes(name(codec));
  const first = all.filter((codec) => name(codec) === preferred);
  const sent = typeof RTCRtpSender === 'undefined' ? all : (RTCRtpSender.getCapabilities('video')?.codecs ?? all);
  if (first.length === 0 || !sent.some((codec) => name(codec) === preferred)) return;
  const isAlone = only || preferred !== 'h264';
  const rest = all.filter((codec) => name(codec) !== preferred && (isRepair(codec) || !isAlone));
  transceiver.setCodecPreferences([...first, ...rest]);
}
