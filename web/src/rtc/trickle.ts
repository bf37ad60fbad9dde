import { log } from '../log';
import { writeFragment } from '../sdpfrag';

/** Gathers ICE candidates of a peer connection for a moment, and sends them as one SDP fragment (RFC 8840). */
export function trickle(peer: RTCPeerConnection, send: (fragment: string) => Promise<unknown>): void {
  let waiting: string[] = [];
  let isComplete = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  peer.addEventListener('icecandidate', ({ candidate }) => {
    if (candidate?.candidate) waiting.push(candidate.candidate);
    isComplete ||= candidate === null;
    timer ??= setTimeout(() => {
      timer = undefined;
      const candidates = waiting;
      waiting = [];
      if (peer.signalingState === 'closed' || !peer.localDescription) return;
      // The server learns addresses from connectivity checks too: what is refused here is not missed.
      send(writeFragment(peer.localDescription.sdp, candidates, isComplete)).catch((thrown: unknown) => log.debug('ice', String(thrown)));
    }, PAUSE);
  });
}

/** Milliseconds in which candidates gather. */
const PAUSE = 50;
