import { Emitter } from '../emitter';
import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { Session } from '../signal/session';
import { inStereo } from '../stereo';
import { Reception } from './reception';
import { trickle } from './trickle';

export { Reception, type ReceptionEvents } from './reception';

/** Events of the receiving peer connection. */
export interface ReceiverEvents {
  state: RTCPeerConnectionState;
  /** The server has given it up: what is wanted has to be subscribed to again. */
  lost: string;
  /** Something could not be received; `fatal`: it was lost several times in a row, and is not tried again by itself. */
  error: WebliveError;
  /** What comes under this public stream id comes by this receiver from now on; nothing has been decoded yet. */
  receives: { receiver: RTCRtpReceiver; stream: string };
}

/**
 * The one peer connection of a session that receives. The server offers, and offers anew as tracks come and go; it
 * alone ends the connection, so a lost path is answered by ICE restarts until then.
 */
export class Receiver extends Emitter<ReceiverEvents> {
  #peer: RTCPeerConnection | null = null;
  #offers: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Peer connections in a row that were lost before media came. */
  #losses = 0;
  readonly #receptions = new Map<string, Reception>();
  /** The media streams of the present peer connection, by public stream id. */
  readonly #remote = new Map<string, MediaStream>();

  private constructor(readonly session: Session) {
    super();
    session.onEvent('offer', ({ revision, sdp }) => this.#onOffer(revision, sdp));
    session.onEvent('codecMissing', ({ stream, codec }) => this.#receptions.get(stream)?.lack(codec));
    session.onEvent('videoPaused', ({ stream, paused }) => this.#receptions.get(stream)?.pause(paused));
    session.onEvent('receiverClosed', ({ message }) => this.#lose(message));
    session.on('renewed', () => this.close());
    session.on('closed', () => this.close());
    session.on('state', ({ state }) => state === 'connected' && this.#peer && this.#restart(this.#peer));
  }

  /** The receiver of a session. */
  static of(session: Session): Receiver {
    let receiver = RECEIVERS.get(session);
    if (!receiver) RECEIVERS.set(session, (receiver = new Receiver(session)));
    return receiver;
  }

  /** The peer connection, for statistics; null while nothing is received. */
  get peer(): RTCPeerConnection | null {
    return this.#peer;
  }

  /** What comes under a public stream id, now or later. */
  reception(id: string): Reception {
    let reception = this.#receptions.get(id);
    if (!reception) {
      reception = new Reception(id, () => this.#peer?.getStats());
      this.#receptions.set(id, reception);
      // A stream that was given up and is wanted again before the server has said so comes without another offer.
      const remote = this.#remote.get(id);
      for (const track of remote?.getTracks() ?? []) this.#join(track, remote!, reception);
    }
    return reception;
  }

  /** Forgets a stream that is no longer wanted. */
  forget(id: string): void {
    this.#receptions.get(id)?.clear();
    this.#receptions.delete(id);
  }

  /** @internal Nothing is received any more: the room was left, or the server knows of nothing. */
  close(): void {
    clearTimeout(this.#timer);
    const peer = this.#peer;
    this.#peer = null;
    this.#remote.clear();
    // What still waits there was for the old connection.
    this.#offers = Promise.resolve();
    for (const reception of this.#receptions.values()) reception.clear();
    peer?.close();
  }

  #onOffer(revision: number, sdp: string): void {
    // The first offer is always that of a new peer connection; what comes behind an end belongs to the old one.
    if (revision === 1) this.#open();
    const peer = this.#peer;
    if (!peer) return log.debug('receiver', `offer ${revision} came too late`);
    // One after the other: an answer belongs to the last offer.
    this.#offers = this.#offers
      .then(() => (peer === this.#peer ? this.#answer(peer, revision, sdp) : undefined))
      .catch((thrown: unknown) => {
        if (peer === this.#peer) this.#refused(thrown);
      });
  }

  async #answer(peer: RTCPeerConnection, revision: number, sdp: string): Promise<void> {
    await peer.setRemoteDescription({ type: 'offer', sdp });
    const answer = await peer.createAnswer();
    const said = inStereo(answer.sdp ?? '');
    await peer.setLocalDescription({ type: 'answer', sdp: said });
    // The server waits for this answer before it offers again: it must not be lost with a socket.
    await this.session.request('answer', { revision, sdp: said }, { timeout: ANSWER_TIMEOUT });
  }

  #open(): void {
    this.close();
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.session.iceServers });
    this.#peer = peer;
    trickle(peer, (fragment) => this.session.request('receiverTrickle', { fragment }));
    peer.addEventListener('track', ({ track, receiver, streams: [stream] }) => {
      if (peer !== this.#peer) return;
      if (!stream) return log.warn('receiver', `a ${track.kind} track without a stream`);
      if (this.#remote.get(stream.id) !== stream) {
        this.#remote.set(stream.id, stream);
        // The m-line is free for another publication then: its track comes again under another id.
        stream.addEventListener('removetrack', ({ track }) => this.#receptions.get(stream.id)?.leave(track));
      }
      this.emit('receives', { receiver, stream: stream.id });
      this.#join(track, stream, this.reception(stream.id));
    });
    peer.addEventListener('connectionstatechange', () => this.#look(peer));
  }

  /**
   * An element waits for the first frame of each video track it has: one that may never come (the publisher sends
   * sound alone) must not hold the sound back.
   */
  #join(track: MediaStreamTrack, remote: MediaStream, reception: Reception): void {
    if (track.kind === 'audio' || !track.muted) return reception.join(track);
    const join = () => {
      const isHere = this.#receptions.get(reception.id) === reception && remote.getTracks().includes(track);
      if (isHere && track.readyState === 'live') reception.join(track);
    };
    track.addEventListener('unmute', join, { once: true });
  }

  #look(peer: RTCPeerConnection): void {
    if (peer !== this.#peer) return;
    const state = peer.connectionState;
    this.emit('state', state);
    clearTimeout(this.#timer);
    if (state === 'connected') {
      this.#losses = 0;
    } else if (state === 'failed') {
      this.#restart(peer);
    } else if (state === 'disconnected') {
      this.session.probe();
      this.#timer = setTimeout(() => this.#restart(peer), DISCONNECTED_GRACE);
    }
  }

  /** Asks for ICE restarts, as soon as the server can be reached, until it helps or the server gives up. */
  #restart(peer: RTCPeerConnection): void {
    const state = peer.connectionState;
    if (peer !== this.#peer || this.session.state !== 'connected' || (state !== 'failed' && state !== 'disconnected')) return;
    clearTimeout(this.#timer);
    log.info('receiver', `connection ${state}: asking for an ICE restart`);
    peer.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: this.session.iceServers });
    this.session.request('receiverTrickle', {}).catch((error: WebliveError) => {
      log.debug('receiver', error.message);
    });
    this.#timer = setTimeout(() => this.#restart(peer), RESTART_PATIENCE);
  }

  #refused(thrown: unknown): void {
    const error = toWebliveError(thrown, 'receiving');
    // An offer that is overtaken by the next one, or by the end, is no fault.
    if (error.reason === 'noPeerConnection') return this.close();
    if (error.type === 'network' || error.reason === 'wrongRevision') return;
    log.warn('receiver', error.message);
    this.emit('error', new WebliveError(error.type, error.message, false, { cause: error }));
  }

  #lose(why: string): void {
    this.close();
    this.#losses += 1;
    if (this.#losses <= MAX_LOSSES) return this.emit('lost', why);
    this.#losses = 0;
    this.emit('error', new WebliveError('connection', `receiving has ended: ${why}`, true));
  }
}

const RECEIVERS = new WeakMap<Session, Receiver>();

/** ICE reports short losses as "disconnected" and often heals by itself; milliseconds. */
const DISCONNECTED_GRACE = 1_500;

/** Milliseconds for one ICE restart. */
const RESTART_PATIENCE = 4_000;

/** Milliseconds for the server to take an answer: longer than a session can be resumed. */
const ANSWER_TIMEOUT = 60_000;

/** Peer connections in a row that never stood, before nobody asks for another one. */
const MAX_LOSSES = 3;
