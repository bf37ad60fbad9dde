/** What a network lets through: connections to the server alone, or datagrams to the TURN server alone. */
export type Only = 'tcp' | 'relay';

/** Peer connections made behind such a network. */
function narrow(Native: typeof RTCPeerConnection, only: Only): typeof RTCPeerConnection {
  const shaped = (it: RTCConfiguration = {}): RTCConfiguration => (only === 'relay' ? { ...it, iceTransportPolicy: 'relay' } : it);
  return class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(shaped(configuration));
      window.peers.push(this);
    }

    override setConfiguration(configuration?: RTCConfiguration): void {
      super.setConfiguration(shaped(configuration));
    }

    override setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
      return super.setRemoteDescription({ type, sdp: only === 'tcp' ? sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, '') : sdp });
    }
  };
}

declare global {
  interface Window {
    /** Every peer connection since {@link restrict}. */
    peers: RTCPeerConnection[];
    restrict(only: Only): void;
  }
}

window.peers = [];
window.restrict = (only) => {
  window.RTCPeerConnection = narrow(window.RTCPeerConnection, only);
};
