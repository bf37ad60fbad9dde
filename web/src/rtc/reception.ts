import { Emitter } from '../emitter';
import { WebliveError } from '../errors';
import { log } from '../log';
import { type ReceptionStats, receptionStats } from './stats';

/** Events of what is received under one public stream id. */
export interface ReceptionEvents {
  /** A track has joined {@link Reception.stream}, in place of an earlier one of its kind. */
  track: MediaStreamTrack;
  /** A track has gone, without another one in its place. */
  gone: MediaStreamTrack;
  /** There will be no picture: this browser lacks its codec. The sound comes all the same. */
  unplayable: WebliveError;
  /** The picture stands, since the path to this page is too narrow for it, or goes on. The sound comes all the same. */
  paused: boolean;
}

/** What is received under one public stream id; its tracks change as the publisher comes and goes. */
export class Reception extends Emitter<ReceptionEvents> {
  /** Give it to an element once it has a track: Chromium never starts an element whose stream was empty at first. */
  readonly stream = new MediaStream();
  #unplayable: WebliveError | null = null;
  #isPaused = false;

  /** @internal Made by a `Receiver`. */
  constructor(
    /** The public stream id. */
    readonly id: string,
    private readonly report: () => Promise<RTCStatsReport> | undefined,
  ) {
    super();
  }

  /** Why there is no picture; null where one comes, or may come yet. */
  get unplayable(): WebliveError | null {
    return this.#unplayable;
  }

  /** Whether the picture stands, since the path to this page is too narrow for it. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What was received so far; null while nothing is received at all. */
  async stats(): Promise<ReceptionStats | null> {
    const report = await this.report();
    return report ? receptionStats(report, new Set(this.stream.getTracks().map(({ id }) => id))) : null;
  }

  /** @internal The picture comes in a codec that this browser has answered without. */
  lack(codec: string): void {
    const codes = codec === 'H264' ? { codes: { chat: 0, live: 0, rtc: NOT_SUPPORTED_H264 } } : {};
    this.#unplayable = new WebliveError('unsupported', `no picture: this browser has no ${codec} in WebRTC`, false, { reason: 'noCommonCodec', ...codes });
    log.warn('receiver', `${this.id}: ${this.#unplayable.message}`);
    this.emit('unplayable', this.#unplayable);
  }

  /** @internal The server sends no picture for now, or sends it again. */
  pause(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    this.emit('paused', isPaused);
  }

  /** @internal */
  join(track: MediaStreamTrack): void {
    if (track.kind === 'video') this.#unplayable = null;
    const tracks = this.stream.getTracks();
    if (tracks.includes(track)) return;
    for (const old of tracks) if (old.kind === track.kind) this.stream.removeTrack(old);
    this.stream.addTrack(track);
    track.addEventListener('ended', () => this.leave(track), { once: true });
    this.emit('track', track);
  }

  /** @internal */
  leave(track: MediaStreamTrack): void {
    if (!this.stream.getTracks().includes(track)) return;
    this.stream.removeTrack(track);
    this.emit('gone', track);
  }

  /** @internal */
  clear(): void {
    this.#unplayable = null;
    this.pause(false);
    for (const track of this.stream.getTracks()) this.leave(track);
  }
}

/** As the media client's interface counts it. */
const NOT_SUPPORTED_H264 = 0x4049;
