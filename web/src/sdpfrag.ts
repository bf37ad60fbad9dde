/** ICE credentials of one side (RFC 8839, section 5.4). */
export interface IceCredentials {
  ufrag: string;
  pwd: string;
}

/** The ICE credentials in an SDP or a fragment, or null when it has none. BUNDLE means that the first pair counts. */
export function iceCredentials(sdp: string): IceCredentials | null {
  const ufrag = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];
  const pwd = /^a=ice-pwd:(\S+)/m.exec(sdp)?.[1];
  return ufrag !== undefined && pwd !== undefined ? { ufrag, pwd } : null;
}

/**
 * Writes an `application/trickle-ice-sdpfrag` body (RFC 8840, section 9; RFC 9725, section 4.3.2)
 * for the first m-line of `offer`, which carries the bundled transport.
 */
export function writeFragment(offer: string, candidates: readonly string[], isComplete: boolean): string {
  const lines = offer.split(/\r?\n/);
  const credentials = iceCredentials(offer);
  const out: string[] = [];
  const group = lines.find((line) => line.startsWith('a=group:BUNDLE'));
  if (group) out.push(group);
  const media = lines.find((line) => line.startsWith('m='));
  if (media) out.push(media);
  const mid = lines.find((line) => line.startsWith('a=mid:'));
  if (mid) out.push(mid);
  if (credentials) out.push(`a=ice-ufrag:${credentials.ufrag}`, `a=ice-pwd:${credentials.pwd}`);
  for (const candidate of candidates) out.push(`a=${candidate.replace(/^a=/, '')}`);
  if (isComplete) out.push('a=end-of-candidates');
  return out.map((line) => `${line}\r\n`).join('');
}

/**
 * The answer of an ICE restart: `answer` with the credentials and candidates of the server's `fragment`
 * in place of its own (RFC 9725, section 4.3.3).
 */
export function restartedAnswer(answer: string, fragment: string): string {
  const credentials = iceCredentials(fragment);
  if (!credentials) throw new SyntaxError('the fragment of an ICE restart has no a=ice-ufrag and a=ice-pwd');
  const candidates = fragment.split(/\r?\n/).filter((line) => /^a=(candidate:|end-of-candidates)/.test(line));
  const out: string[] = [];
  let mediaSections = 0;
  for (const line of answer.split(/\r?\n/)) {
    if (/^a=(candidate:|end-of-candidates)/.test(line) || line === '') continue;
    if (line.startsWith('m=')) mediaSections += 1;
    if (line.startsWith('a=ice-ufrag:')) {
      out.push(`a=ice-ufrag:${credentials.ufrag}`);
    } else if (line.startsWith('a=ice-pwd:')) {
      out.push(`a=ice-pwd:${credentials.pwd}`);
      if (mediaSections <= 1) out.push(...candidates);
    } else {
      out.push(line);
    }
  }
  return out.map((line) => `${line}\r\n`).join('');
}

/** The ICE servers in `Link` headers with `rel="ice-server"` (RFC 9725, section 4.6). */
export function iceServersFromLink(link: string | null): RTCIceServer[] {
  if (link === null) return [];
  const servers: RTCIceServer[] = [];
  for (const match of link.matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^",;\s]+))*)/g)) {
    const parameters = new Map<string, string>();
    for (const [, name = '', quoted, plain] of (match[2] ?? '').matchAll(/;\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^",;\s]+))/g)) {
      parameters.set(name.toLowerCase(), quoted ?? plain ?? '');
    }
    if (parameters.get('rel') !== 'ice-server') continue;
    const server: RTCIceServer = { urls: match[1] ?? '' };
    const username = parameters.get('username');
    const credential = parameters.get('credential');
    if (username !== undefined) server.username = username;
    if (credential !== undefined) server.credential = credential;
    servers.push(server);
  }
  return servers;
}
