import { Emitter } from '../emitter';
import { type ReceptionStats, receptionStats } from './stats';

/** Events of what is received under one public stream id. */
export interface ReceptionEvents {
  /** A track has joined {@link Reception.stream}, in place of an earlier one of its kind. */
  track: MediaStreamTrack;
  /** A track has gone, without another one in its place. */
  gone: MediaStreamTrack;
}

/** What is received under one public stream id; its tracks change as the publisher comes and goes. */
export class Reception extends Emitter<ReceptionEvents> {
  /** Give it to an element once it has a track: Chromium never starts an element whose stream was empty at first. */
  readonly stream = new MediaStream();

  /** @internal Made by a `Receiver`. */
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
    for (const track of this.stream.getTracks()) this.leave(track);
  }
}
