import { describe, expect, it } from 'vitest';
import { iceCredentials, iceServersFromLink, restartedAnswer, writeFragment } from './sdpfrag';

const OFFER = [
  'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:EsAw', 'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1', 'a=mid:0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=ice-ufrag:EsAw', 'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1', 'a=mid:1', '',
].join('\r\n');

describe('a trickle fragment', () => {
  it('names bundle, first m-line, mid, credentials and candidates in the order of RFC 9725', () => {
    const candidate = 'candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host';
    expect(writeFragment(OFFER, [candidate], true)).toBe(
      [
        'a=group:BUNDLE 0 1', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', 'a=ice-ufrag:EsAw',
        'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1', `a=${candidate}`, 'a=end-of-candidates', '',
      ].join('\r\n'),
    );
  });

  it('stays open while candidates may follow', () => {
    expect(writeFragment(OFFER, [], false)).not.toContain('end-of-candidates');
  });
});

describe('an ICE restart', () => {
  const answer = OFFER.replace('a=mid:0', 'a=candidate:1 1 udp 1 192.0.2.9 8000 typ host\r\na=mid:0');
  const fragment = 'a=ice-ufrag:new1\r\na=ice-pwd:newpasswordnewpassword22\r\na=candidate:2 1 udp 1 192.0.2.9 8001 typ host\r\n';

  it('replaces credentials on every m-line and candidates on the first', () => {
    const restarted = restartedAnswer(answer, fragment);
    expect(restarted.match(/a=ice-ufrag:new1\r\n/g)).toHaveLength(2);
    expect(restarted).not.toContain('EsAw');
    expect(restarted.match(/a=candidate:/g)).toHaveLength(1);
    expect(restarted.indexOf('8001')).toBeLessThan(restarted.indexOf('m=video'));
    expect(iceCredentials(restarted)).toEqual({ ufrag: 'new1', pwd: 'newpasswordnewpassword22' });
  });

  it('is refused without credentials', () => {
    expect(() => restartedAnswer(answer, 'a=end-of-candidates\r\n')).toThrow(SyntaxError);
  });
});

describe('ICE servers in Link headers', () => {
  it('come with their credentials, other links are left out', () => {
    const link =
      '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; ' +
      'username="user"; credential="my,Password"; credential-type="password", <https://example.net/>; rel="next"';
    expect(iceServersFromLink(link)).toEqual([
      { urls: 'stun:stun.example.net' },
      { urls: 'turn:turn.example.net?transport=udp', username: 'user', credential: 'my,Password' },
    ]);
    expect(iceServersFromLink(null)).toEqual([]);
  });
});
