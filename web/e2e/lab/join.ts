import { WebRtcPlayer } from '../../src/index';

/** What a join has come to, in milliseconds since it was asked for; one after the other. */
export interface Join {
  /** The server's answer to the offer has come as a whole. */
  answered: number;
  /** ICE has begun. */
  checking: number;
  /** ICE has a pair. */
  paired: number;
  /** DTLS is done. */
  connected: number;
  /** The last packet of the first frame has come. */
  received: number;
  /** It is on the screen. */
  shown: number;
}

/** Plays a WHEP address until its first frame. */
export async function join(url: string): Promise<Join> {
  const video = document.body.appendChild(document.createElement('video'));
  video.muted = video.playsInline = true;
  const seen: Partial<Join> = {};
  const player = new WebRtcPlayer(url, video);
  const begin = performance.now();
  const note = (what: keyof Join) => (seen[what] ??= performance.now() - begin);
  try {
    const frame = new Promise<VideoFrameCallbackMetadata>((resolve, reject) => {
      video.requestVideoFrameCallback((_, metadata) => resolve(metadata));
      player.on('error', reject);
      setTimeout(() => reject(new Error(`no frame after ${JSON.stringify(seen)}`)), PATIENCE);
    });
    player.start();
    const peer = player.peer!;
    peer.addEventListener('signalingstatechange', () => note('answered'));
    peer.addEventListener('iceconnectionstatechange', () => note(peer.iceConnectionState === 'checking' ? 'checking' : 'paired'));
    peer.addEventListener('connectionstatechange', () => peer.connectionState === 'connected' && note('connected'));
    const { receiveTime } = await frame;
    note('shown');
    seen.received = (receiveTime ?? NaN) - begin;
    return seen as Join;
  } finally {
    player.stop();
    video.remove();
  }
}

const PATIENCE = 20_000;

declare global {
  interface Window {
    join: typeof join;
  }
}

window.join = join;
