import { Emitter } from '../emitter';
import { toWebliveError, type WebliveError } from '../errors';
import { log } from '../log';
import type { Session } from '../signal/session';
import { type ReceptionStats, receptionStats } from './stats';
import { trickle } from './trickle';

/** Events of what is received under one public stream id. */
export interface ReceptionEvents {
  /** A track has joined {@link Reception.stream}, in place of an earlier one of its kind. */
  track: MediaStreamTrack;
}

/** What is received under one public stream id; its tracks change as the publisher comes and goes. */
export class Reception extends Emitter<ReceptionEvents> {
  /** Give it to an element once it has a track: Chromium never starts an element whose stream was empty at first. */
  readonly stream = new MediaStream();

  constructor(
    /** The public stream id. */
    readonly id: string,
    private readonly report: () => Promise<RTCStatsReport> | undefined,
  ) {
    super();
  }

  /** What was received so far; null while nothing is received at all. */
  async stats(): Promise<ReceptionStats | null> {
    const report = await this.report();
    return report ? receptionStats(report, this.stream.getTracks()) : null;
  }

  /** @internal */
  join(track: MediaStreamTrack): void {
    for (const old of this.stream.getTracks()) if (old.kind === track.kind && old !== track) this.stream.removeTrack(old);
    this.stream.addTrack(track);
    track.addEventListener('ended', () => this.stream.removeTrack(track));
    this.emit('track', track);
  }

  /** @internal */
  clear(): void {
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
  }
}

/** Events of the receiving peer connection. */
export interface ReceiverEvents {
  state: RTCPeerConnectionState;
  /** It is gone: what is wanted has to be subscribed to again. */
  lost: string;
  error: WebliveError;
}

/** The one peer connection of a session that receives. The server offers, and offers anew as tracks come and go. */
export class Receiver extends Emitter<ReceiverEvents> {
  #peer: RTCPeerConnection | null = null;
  #offers: Promise<void> = Promise.resolve();
  #lostTimer: ReturnType<typeof setTimeout> | undefined;
  #restarts = 0;
  readonly #receptions = new Map<string, Reception>();

  private constructor(readonly session: Session) {
    super();
    session.onEvent('offer', ({ revision, sdp }) => {
      // One after the other: an answer belongs to the last offer.
      this.#offers = this.#offers.then(() => this.#answer(revision, sdp)).catch((thrown: unknown) => this.#refused(thrown));
    });
    session.onEvent('receiverClosed', ({ message }) => this.#lose(message));
    session.on('renewed', () => this.#lose('the session was renewed'));
    session.on('closed', () => this.#close());
    session.on('state', ({ state }) => state === 'connected' && this.#peer && this.#look(this.#peer));
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
    if (!reception) this.#receptions.set(id, (reception = new Reception(id, () => this.#peer?.getStats())));
    return reception;
  }

  /** Forgets a stream that is no longer wanted. */
  forget(id: string): void {
    this.#receptions.get(id)?.clear();
    this.#receptions.delete(id);
  }

  async #answer(revision: number, sdp: string): Promise<void> {
    // The first offer is always that of a new peer connection.
    if (revision === 1 || !this.#peer) this.#open();
    const peer = this.#peer!;
    await peer.setRemoteDescription({ type: 'offer', sdp });
    const answer = await peer.createAnswer();
    await peer.setLocalDescription(answer);
    await this.session.request('answer', { revision, sdp: answer.sdp ?? '' });
  }

  #open(): void {
    this.#close();
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.session.login?.iceServers ?? [] });
    this.#peer = peer;
    trickle(peer, (fragment) => this.session.request('receiverTrickle', { fragment }));
    peer.addEventListener('track', ({ track, streams: [stream] }) => {
      if (!stream) return log.warn('receiver', `a ${track.kind} track without a stream`);
      const reception = this.reception(stream.id);
      // An element waits for the first frame of each video track it has: one that may never
      // come (the publisher sends sound alone) must not hold the sound back.
      if (track.kind === 'audio' || !track.muted) return reception.join(track);
      track.addEventListener('unmute', () => this.#receptions.get(stream.id) === reception && track.readyState === 'live' && reception.join(track), { once: true });
    });
    peer.addEventListener('connectionstatechange', () => this.#look(peer));
  }

  #look(peer: RTCPeerConnection): void {
    if (peer !== this.#peer) return;
    const state = peer.connectionState;
    this.emit('state', state);
    clearTimeout(this.#lostTimer);
    if (state === 'connected') this.#restarts = 0;
    else if (state === 'failed') this.#restart(peer);
    else if (state === 'disconnected') this.#lostTimer = setTimeout(() => this.#restart(peer), DISCONNECTED_GRACE);
  }

  /** Asks for an ICE restart, as soon as the server can be reached. */
  #restart(peer: RTCPeerConnection): void {
    if (peer !== this.#peer || peer.connectionState === 'connected' || this.session.state !== 'connected') return;
    clearTimeout(this.#lostTimer);
    this.#restarts += 1;
    if (this.#restarts > MAX_RESTARTS) return this.#lose('no connection for media');
    log.info('receiver', `connection ${peer.connectionState}: asking for an ICE restart`);
    this.session.request('receiverTrickle', {}).catch((error: WebliveError) => this.#lose(error.message));
    this.#lostTimer = setTimeout(() => this.#restart(peer), RESTART_PATIENCE);
  }

  #refused(thrown: unknown): void {
    const error = toWebliveError(thrown, 'receiving');
    // An offer that is overtaken by the next one, or by the end, is no fault.
    if (this.session.state !== 'connected' || error.reason === 'wrongRevision' || error.reason === 'noPeerConnection') return;
    log.warn('receiver', error.message);
    this.emit('error', error);
  }

  #lose(why: string): void {
    if (!this.#peer) return;
    this.#close();
    this.emit('lost', why);
  }

  #close(): void {
    clearTimeout(this.#lostTimer);
    const peer = this.#peer;
    this.#peer = null;
    peer?.close();
    this.#restarts = 0;
    for (const reception of this.#receptions.values()) reception.clear();
  }
}

const RECEIVERS = new WeakMap<Session, Receiver>();

/** ICE reports short losses as "disconnected" and often heals by itself; milliseconds. */
const DISCONNECTED_GRACE = 1_500;

/** Milliseconds for one ICE restart. */
const RESTART_PATIENCE = 4_000;

/** ICE restarts in a row before everything is set up anew. */
const MAX_RESTARTS = 2;
