import { Emitter } from '../emitter';
import { type ErrorType, WebliveError, withFatal } from '../errors';
import { log } from '../log';
import { emptyPlaybackStats, type PlaybackStats } from '../stats';
import { LineChoice } from './line-choice';
import { openLine, type Line } from './lines';
import type { Playback, PlayerState } from './player';
import { RoomPlayer } from './room';
import { Stage } from './stage';

/**
 * - `idle`: not started, or stopped.
 * - `connecting`: nothing shown yet.
 * - `waiting`: nobody publishes (yet, or any more); it is looked again by itself.
 * - `playing`: pictures or sound come.
 * - `stalled`: waits for data.
 * - `paused`: held by {@link LinePlayer.pause}.
 * - `ended`: the broadcast is over, and nothing is waited for.
 * - `failed`: no line can be played; `error` has said why.
 */
export type LinePlayerState = PlayerState | 'paused';

/** Why a line is played: at the start, asked for, in place of one that failed or stalled, or as the better one again. */
export type LineReason = 'started' | 'chosen' | 'failed' | 'stalled' | 'returned';

/** Events of a {@link LinePlayer}. */
export interface LinePlayerEvents {
  state: LinePlayerState;
  /** Another line is tried behind the one that plays; null when that is over. */
  switching: { index: number; line: Line; reason: LineReason } | null;
  /** A line is on the screen from now on. */
  line: { index: number; line: Line; reason: LineReason };
  /** A line could not be played; others take over where there are some. */
  lineError: { index: number; line: Line; error: WebliveError };
  /** No line plays. `fatal` errors end it; after others it is tried again by itself. */
  error: WebliveError;
  /** The first frame since the start is on the screen, so many milliseconds after it. */
  picture: { index: number; afterMs: number };
  /** The browser wants a click or key press before it plays with sound: call {@link LinePlayer.resume} from one. */
  autoplayRefused: undefined;
  /** The picture of a line stands while its sound goes on, since the network is too slow for it; `false` when it goes on. */
  videoPaused: boolean;
}

/** How lines are played. */
export interface LinePlayerOptions {
  /** Where the picture goes; it fills this element, and is emptied out of it at the end. */
  container: HTMLElement;
  /** The best line first. */
  lines: Line[];
  /** The index to begin with and to come back to; the first one when absent. */
  line?: number;
  /** Other lines take over when one fails or stalls, and it goes back later. Default true. */
  automatic?: boolean;
  /** Look again when nobody publishes. Default true. */
  wait?: boolean;
  /** From 0 to 1. Default 1. */
  volume?: number;
  muted?: boolean;
  /** How a picture fills the container. Default `contain`, and of rooms as {@link RoomView} says. */
  objectFit?: 'cover' | 'contain' | 'fill';
  /** Makes what plays a line. */
  open?: (line: Line) => Playback;
}

interface Attempt {
  index: number;
  engine: Playback;
  reason: LineReason;
  isRefused: boolean;
  offs: (() => void)[];
}

/**
 * Plays a broadcast over the best of several lines. A line that fails or stands still is replaced by another one,
 * which is shown when it has its first picture, and only then the old one ends; after a while the better line is
 * tried again behind the picture.
 */
export class LinePlayer extends Emitter<LinePlayerEvents> {
  readonly lines: readonly Line[];
  readonly #open: (line: Line) => Playback;
  readonly #stage: Stage;
  readonly #choice: LineChoice;
  readonly #waits: boolean;
  #state: LinePlayerState = 'idle';
  /** What is on the screen. */
  #shown: Attempt | null = null;
  /** What is tried, behind it. */
  #next: Attempt | null = null;
  #sound: { volume: number; muted: boolean };
  #isPaused = false;
  #isVideoPaused = false;
  #rounds = 0;
  /** The last error that was told when no line played. */
  #toldType: ErrorType | null = null;
  #startedAt: number | null = null;
  /** For the one being tried. */
  #startTimer: Timer;
  /** For the one that stands still. */
  #stallTimer: Timer;
  /** For the way back to a better line. */
  #returnTimer: Timer;
  /** For the proof that the shown one holds. */
  #proofTimer: Timer;
  /** For the next round when no line plays. */
  #roundTimer: Timer;
  /** For the end of the download while paused. */
  #pauseTimer: Timer;

  constructor(options: LinePlayerOptions) {
    super();
    if (options.lines.length === 0) throw new WebliveError('argument', 'lines: at least one is needed', false);
    this.lines = [...options.lines];
    const { objectFit } = options;
    this.#open = options.open ?? ((line) => openLine(line, objectFit === undefined ? {} : { objectFit }));
    this.#stage = new Stage(options.container, objectFit ?? 'contain');
    this.#choice = new LineChoice(this.lines.length, options.automatic ?? true);
    if (options.line !== undefined) this.#choice.chosen = this.#check(options.line);
    this.#waits = options.wait ?? true;
    this.#sound = { volume: options.volume ?? 1, muted: options.muted ?? false };
  }

  get state(): LinePlayerState {
    return this.#state;
  }

  /** The index of the line on the screen; null while there is none. */
  get index(): number | null {
    return this.#shown?.index ?? null;
  }

  /** The line on the screen. */
  get line(): Line | null {
    return this.lines[this.index ?? -1] ?? null;
  }

  /** The index that was chosen by hand; null where the order decides. */
  get chosen(): number | null {
    return this.#choice.chosen;
  }

  /** What plays the line on the screen, for what only one kind can do. */
  get playback(): Playback | null {
    return this.#shown?.engine ?? null;
  }

  /** The element with the picture; it changes with the line. */
  get video(): HTMLVideoElement | null {
    const engine = this.#shown?.engine;
    if (engine instanceof RoomPlayer) return engine.video;
    return engine?.element instanceof HTMLVideoElement ? engine.element : null;
  }

  get isMuted(): boolean {
    return this.#sound.muted;
  }

  get volume(): number {
    return this.#sound.volume;
  }

  /** Begins to play. */
  start(): void {
    if (this.#state !== 'idle' && this.#state !== 'failed' && this.#state !== 'ended') return;
    this.#startedAt = performance.now();
    this.#isPaused = false;
    this.#rounds = 0;
    this.#choice.forgive();
    globalThis.addEventListener?.('online', this.#onOnline);
    this.#setState('connecting');
    this.#round('started');
  }

  /** Stops and frees everything; it can be started again. */
  stop(): void {
    this.#finish('idle');
  }

  /**
   * Plays a line by its index, and comes back to it when another one had to take over; null lets the order decide
   * again. The present line goes on until the new one has a picture.
   */
  choose(index: number | null): void {
    this.#choice.chosen = index === null ? null : this.#check(index);
    if (!this.#isRunning || this.#isPaused) return;
    const best = this.#choice.next(performance.now(), null);
    if (best === null || best === this.#next?.index) return;
    this.#dropNext();
    if (best !== this.#shown?.index) this.#try(best, 'chosen');
    else this.#armReturn();
  }

  /** Lets other lines take over, or not. */
  setAutomatic(isAutomatic: boolean): void {
    this.#choice.isAutomatic = isAutomatic;
    if (this.#state === 'playing') this.#armReturn();
  }

  /** Holds the picture. After a while the download ends too. */
  pause(): void {
    if (!this.#isRunning || this.#isPaused) return;
    this.#isPaused = true;
    this.#dropNext();
    this.#clear();
    this.#shown?.engine.pause();
    this.#pauseTimer = setTimeout(() => this.#drop(this.#shown, true), PAUSE_PATIENCE);
    this.#setState('paused');
  }

  /** Plays on at the live edge: after {@link pause}, or from a click after `autoplayRefused`. Resolves to whether it plays. */
  async resume(): Promise<boolean> {
    if (!this.#isRunning) return false;
    clearTimeout(this.#pauseTimer);
    const wasPaused = this.#isPaused;
    this.#isPaused = false;
    const attempt = this.#shown ?? this.#next;
    if (!attempt) {
      if (wasPaused) {
        this.#setState('connecting');
        this.#round('started');
      }
      return false;
    }
    attempt.isRefused = false;
    const plays = await attempt.engine.resume();
    if (plays && attempt === this.#shown && !this.#isPaused) this.#settle(attempt);
    return plays;
  }

  /** How loud, from 0 to 1. */
  setVolume(volume: number): void {
    this.#sound = { ...this.#sound, volume: Math.min(1, Math.max(0, volume)) };
    this.#applySound();
  }

  setMuted(muted: boolean): void {
    this.#sound = { ...this.#sound, muted };
    this.#applySound();
  }

  /** What is seen of the line on the screen. */
  async stats(): Promise<PlaybackStats> {
    return this.#shown?.engine.stats() ?? emptyPlaybackStats();
  }

  get #isRunning(): boolean {
    return this.#state !== 'idle' && this.#state !== 'ended' && this.#state !== 'failed';
  }

  readonly #onOnline = () => {
    if (!this.#shown && !this.#next && !this.#isPaused) this.#round('failed');
  };

  /** Tries all lines anew, the best first. */
  #round(reason: LineReason): void {
    clearTimeout(this.#roundTimer);
    this.#choice.forgive();
    const best = this.#choice.next(performance.now(), null);
    if (best === null) this.#onNothing();
    else this.#try(best, reason);
  }

  #try(index: number, reason: LineReason): void {
    this.#dropNext();
    const line = this.lines[index]!;
    const engine = this.#open(line);
    const attempt: Attempt = { index, engine, reason, isRefused: false, offs: [] };
    this.#next = attempt;
    attempt.offs = [
      engine.on('picture', () => this.#onPicture(attempt)),
      engine.on('state', (state) => this.#onState(attempt, state)),
      engine.on('error', (error) => this.#onError(attempt, error)),
      engine.on('unplayable', (error) => this.#onUnplayable(attempt, error)),
      engine.on('autoplayRefused', () => this.#onRefused(attempt)),
      engine.on('videoPaused', () => this.#look()),
    ];
    // Behind another picture it is silent, which every browser allows.
    engine.setSound(this.#sound.volume, this.#shown !== null || this.#sound.muted);
    this.#stage.add(engine.element, this.#shown !== null);
    this.#armStart(attempt);
    if (this.#shown) this.emit('switching', { index, line, reason });
    engine.start();
  }

  #armStart(attempt: Attempt): void {
    clearTimeout(this.#startTimer);
    // A server may hold a request until a publisher is back: where there is nothing else, that is waited for.
    const isLast = !this.#shown && this.#choice.next(performance.now(), attempt.index) === null;
    this.#startTimer = setTimeout(() => {
      this.#onError(attempt, new WebliveError('timeout', `line ${attempt.index}: no picture in time`, true));
    }, isLast ? 2 * START_PATIENCE : START_PATIENCE);
  }

  #onPicture(attempt: Attempt): void {
    if (attempt !== this.#next) return;
    const old = this.#shown;
    clearTimeout(this.#startTimer);
    this.#next = null;
    this.#shown = attempt;
    this.#rounds = 0;
    this.#stage.show(attempt.engine.element);
    if (old) {
      // First the new sound, then the end of the old one: never none.
      this.#applySound();
      this.#drop(old);
      this.emit('switching', null);
    }
    this.emit('line', { index: attempt.index, line: this.lines[attempt.index]!, reason: attempt.reason });
    if (this.#startedAt !== null) {
      const afterMs = performance.now() - this.#startedAt;
      this.#startedAt = null;
      this.emit('picture', { index: attempt.index, afterMs });
    }
    this.#look();
    if (attempt === this.#shown) this.#settle(attempt);
  }

  /** Takes over the state of the line on the screen. */
  #settle(attempt: Attempt): void {
    const { state } = attempt.engine;
    clearTimeout(this.#stallTimer);
    if (this.#isPaused || attempt.isRefused) return;
    if (state === 'stalled') {
      this.#setState('stalled');
      this.#stallTimer = setTimeout(() => this.#fallBack('stalled'), STALL_PATIENCE);
    } else if (state === 'playing' || state === 'connecting') {
      if (this.#next?.reason === 'stalled') this.#dropNext();
      this.#setState('playing');
      this.#armReturn();
      clearTimeout(this.#proofTimer);
      this.#proofTimer = setTimeout(() => this.#choice.proven(attempt.index), PROOF);
    }
  }

  #onState(attempt: Attempt, state: PlayerState): void {
    if (state === 'ended') return this.#onError(attempt, new WebliveError('not-live', 'the broadcast is over', true));
    if (state === 'waiting') {
      // A room that is open and empty tells by itself when somebody publishes.
      if (attempt === this.#next) clearTimeout(this.#startTimer);
      if (this.#isPaused || (attempt !== this.#shown && this.#shown)) return;
      this.#setState('waiting');
    } else if (state === 'connecting' && attempt === this.#next && this.#state === 'waiting') {
      this.#armStart(attempt);
      this.#setState('connecting');
    } else if (attempt === this.#shown) {
      this.#settle(attempt);
    }
  }

  /** Tells whether what is shown has its picture. */
  #look(): void {
    const isPaused = this.#shown?.engine.isVideoPaused ?? false;
    if (this.#isVideoPaused === isPaused) return;
    this.#isVideoPaused = isPaused;
    this.emit('videoPaused', isPaused);
  }

  #onRefused(attempt: Attempt): void {
    if (attempt !== this.#shown && attempt !== this.#next) return;
    attempt.isRefused = true;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#stallTimer);
    this.emit('autoplayRefused', undefined);
  }

  /** There is sound alone, which goes on until another line has the picture too. */
  #onUnplayable(attempt: Attempt, error: WebliveError): void {
    const isShown = attempt === this.#shown;
    if (!isShown && attempt !== this.#next) return;
    const { index } = attempt;
    const now = performance.now();
    if (this.#choice.next(now, index) === null) return this.emit('error', error);
    if (!isShown) return this.#onError(attempt, error);
    this.#choice.failed(index, error, now);
    this.emit('lineError', { index, line: this.lines[index]!, error });
    this.#fallBack('failed');
  }

  #onError(attempt: Attempt, error: WebliveError): void {
    const isShown = attempt === this.#shown;
    if (!isShown && attempt !== this.#next) return;
    const { index } = attempt;
    log.info('lines', `line ${index} (${this.lines[index]!.kind}): ${error.message}`);
    this.#drop(attempt, isShown && error.type !== 'not-live');
    this.#choice.failed(index, error, performance.now());
    this.emit('lineError', { index, line: this.lines[index]!, error });
    if (!this.#isRunning || this.#isPaused) return;
    if (error.type === 'removed') return this.#give(error);
    if (isShown) {
      if (!this.#next) this.#fallBack('failed');
      return;
    }
    if (this.#shown) this.emit('switching', null);
    if (!this.#shown || this.#state === 'stalled') this.#fallBack(attempt.reason === 'started' ? 'started' : 'failed');
    else this.#armReturn();
  }

  /** Another line, behind what is on the screen, if anything is. */
  #fallBack(reason: LineReason): void {
    if (this.#next) return;
    const next = this.#choice.next(performance.now(), this.#shown?.index ?? null);
    if (next !== null) this.#try(next, reason);
    else if (!this.#shown) this.#onNothing();
    // It stands still and nothing else can be had: perhaps later.
    else this.#stallTimer = setTimeout(() => this.#fallBack('stalled'), STALL_PATIENCE);
  }

  /** No line plays. */
  #onNothing(): void {
    const error = this.#choice.error ?? new WebliveError('unsupported', 'no line can be played here', true);
    if (this.#choice.isHopeless) return this.#give(error);
    const isNotLive = this.#choice.isNotLive;
    if (isNotLive && !this.#waits) {
      if (this.#startedAt !== null) return this.#give(error);
      return this.#finish('ended');
    }
    // The same again would tell nothing.
    const isNews = this.#rounds === 0 || this.#toldType !== error.type;
    this.#toldType = error.type;
    if (isNews) this.emit('error', withFatal(error, false));
    if (!this.#isRunning) return;
    this.#setState(isNotLive ? 'waiting' : 'connecting');
    const pause = Math.min(LONGEST_ROUND, ROUND * (this.#rounds + 1)) * (0.75 + 0.5 * Math.random());
    this.#rounds += 1;
    clearTimeout(this.#roundTimer);
    this.#roundTimer = setTimeout(() => this.#round('failed'), pause);
  }

  /** Tries a better line again when its time has come. */
  #armReturn(): void {
    clearTimeout(this.#returnTimer);
    const shown = this.#shown;
    const at = shown && !this.#next ? this.#choice.returnAt(shown.index) : null;
    if (at === null) return;
    this.#returnTimer = setTimeout(() => {
      if (this.#next || this.#shown !== shown || this.#state !== 'playing') return;
      const best = this.#choice.next(performance.now(), null);
      if (best !== null && best !== shown!.index) this.#try(best, 'returned');
    }, Math.max(RETURN_AFTER, at - performance.now()));
  }

  #applySound(): void {
    const { volume, muted } = this.#sound;
    const heard = this.#shown ?? this.#next;
    heard?.engine.setSound(volume, muted);
  }

  #dropNext(): void {
    const next = this.#next;
    if (!next) return;
    this.#drop(next);
    if (this.#shown && this.#isRunning) this.emit('switching', null);
  }

  /** Ends one; its last picture may stay as a still until there is another. */
  #drop(attempt: Attempt | null, keepsStill = false): void {
    if (!attempt) return;
    for (const off of attempt.offs.splice(0)) off();
    if (attempt === this.#next) {
      this.#next = null;
      clearTimeout(this.#startTimer);
    }
    if (attempt === this.#shown) {
      this.#shown = null;
      this.#clear();
      this.#look();
    }
    this.#stage.remove(attempt.engine.element, keepsStill);
    attempt.engine.stop();
  }

  #clear(): void {
    for (const timer of [this.#stallTimer, this.#returnTimer, this.#proofTimer, this.#roundTimer]) clearTimeout(timer);
  }

  #give(error: WebliveError): void {
    this.#finish('failed');
    this.emit('error', withFatal(error, true));
  }

  #finish(state: LinePlayerState): void {
    if (!this.#isRunning) return void (state === 'idle' && this.#setState('idle'));
    globalThis.removeEventListener?.('online', this.#onOnline);
    this.#clear();
    clearTimeout(this.#pauseTimer);
    this.#drop(this.#next);
    this.#drop(this.#shown);
    this.#stage.clear();
    this.#setState(state);
  }

  #setState(state: LinePlayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('state', state);
  }

  #check(index: number): number {
    if (this.lines[index]) return index;
    throw new WebliveError('argument', `line ${index}: allowed is 0 to ${this.lines.length - 1}`, false);
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Milliseconds for the first picture of a line; twice that where no other line is left. */
export const START_PATIENCE = 10_000;

/** Milliseconds for which a picture may stand before another line is looked for. */
export const STALL_PATIENCE = 3_000;

/** The least time on a line before a better one is tried again, in milliseconds. */
export const RETURN_AFTER = 5_000;

/** Milliseconds after which a line that plays is taken to hold. */
export const PROOF = 30_000;

/** Milliseconds until all lines are tried again, times the number of rounds. */
export const ROUND = 1_000;

/** And at most. */
const LONGEST_ROUND = 5_000;

/** Milliseconds of a pause in which the stream goes on. */
export const PAUSE_PATIENCE = 15_000;
