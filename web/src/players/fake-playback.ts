import { WebliveError, type ErrorType } from '../errors';
import { emptyPlaybackStats, type PlaybackStats } from '../stats';
import { Playback, type PlayerKind, type PlayerState } from './player';

/** A playback of unit tests, which does what it is told. */
export class FakePlayback extends Playback {
  override readonly element = document.createElement('video');
  isOpen = false;
  isPaused = false;
  isReleased = false;
  /** Whether the browser lets it play. */
  isAllowed = true;
  volume = 1;
  muted = false;

  constructor(override readonly kind: PlayerKind) {
    super();
  }

  override async stats(): Promise<PlaybackStats> {
    return emptyPlaybackStats();
  }

  override setSound(volume: number, muted: boolean): void {
    this.volume = volume;
    this.muted = muted;
  }

  override pause(): void {
    this.isPaused = true;
  }

  override async resume(): Promise<boolean> {
    if (!this.isAllowed) return false;
    this.isPaused = false;
    this.setState('playing');
    return true;
  }

  /** Has its first picture. */
  shows(): void {
    this.setState('playing');
    this.emit('picture', undefined);
  }

  /** Is in a state. */
  is(state: PlayerState): void {
    this.setState(state);
  }

  /** Has sound alone for now, or its picture again. */
  narrows(isPaused: boolean): void {
    this.pauseVideo(isPaused);
  }

  /** Fails. */
  breaks(type: ErrorType = 'network'): void {
    this.fail(new WebliveError(type, `${this.kind}: ${type}`, true));
  }

  /** Its broadcast is over. */
  ends(): void {
    this.end();
  }

  /** Has sound alone. */
  lacksCodec(): void {
    this.emit('unplayable', new WebliveError('unsupported', `${this.kind}: no codec`, false));
  }

  /** May not play with sound. */
  isRefused(): void {
    this.isAllowed = false;
    this.emit('autoplayRefused', undefined);
  }

  protected override open(): void {
    this.isOpen = true;
  }

  protected override release(): void {
    if (this.isReleased) throw new Error('released twice');
    this.isReleased = true;
  }
}
