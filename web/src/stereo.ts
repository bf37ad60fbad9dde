/**
 * Says in an SDP that two channels of Opus are welcome: an encoder sends as many as the other side wants, one where
 * nothing is said (RFC 7587, section 6.1), and Chromium decodes as many as its own description says.
 */
export function inStereo(sdp: string): string {
  return sdp.split(/^(?=m=)/m).map((section) => {
    const type = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
    if (type === undefined || new RegExp(`^a=fmtp:${type} (.*;)? *stereo=1`, 'm').test(section)) return section;
    const format = new RegExp(`^a=fmtp:${type} .*$`, 'm');
    if (format.test(section)) return section.replace(format, '$&;stereo=1');
    return section.replace(new RegExp(`^a=rtpmap:${type} .*$`, 'm'), `$&\r\na=fmtp:${type} stereo=1`);
  }).join('');
}
