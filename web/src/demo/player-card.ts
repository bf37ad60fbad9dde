import { ClockReader } from '../testcard';
import type { WebliveError } from '../errors';
import type { Player, PlayerState } from '../players/player';
import { part, setProblem, setState, setText } from './dom';
import { formatBitrate, formatDelay, formatDropped, formatSize, UNKNOWN } from './format';

/** What distinguishes the three cards. */
export interface CardKind {
  title: string;
  subtitle: string;
  open: (video: HTMLVideoElement) => Player;
}

/** One way of playing: picture, state, figures, buttons. Waits for a stream that is not live yet. */
export class PlayerCard {
  readonly element: HTMLElement;
  readonly #kind: CardKind;
  readonly #video: HTMLVideoElement;
  readonly #reader: ClockReader;
  #player: Player | null = null;
  #isWanted = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** When the present try first played. */
  #playingSince: number | null = null;
  /** Failures of the decoder in a row. */
  #mediaFailures = 0;

  constructor(template: HTMLTemplateElement, kind: CardKind) {
    const fragment = template.content.cloneNode(true) as DocumentFragment;
    this.element = fragment.firstElementChild as HTMLElement;
    this.#kind = kind;
    this.#video = part<HTMLVideoElement>(this.element, 'video');
    // A muted attribute in a cloned template does not mute.
    this.#video.muted = true;
    this.#reader = new ClockReader(this.#video, 100);
    const title = part(this.element, 'title');
    title.textContent = kind.title;
    title.id = `card-${kind.title.toLowerCase().replace(/\W/g, '')}`;
    this.element.setAttribute('aria-labelledby', title.id);
    setText(part(this.element, 'subtitle'), kind.subtitle);
    this.#video.setAttribute('aria-label', `${kind.title} picture`);
    part(this.element, 'full').setAttribute('aria-label', `${kind.title}: full screen`);
    part(this.element, 'toggle').addEventListener('click', () => (this.#isWanted ? this.stop() : this.play()));
    part(this.element, 'sound').addEventListener('click', () => (this.#video.muted = !this.#video.muted));
    part(this.element, 'full').addEventListener('click', () => void this.#video.requestFullscreen?.().catch(() => undefined));
    this.#video.addEventListener('volumechange', () => this.#showSound());
    this.#showSound();
    this.#showIdle();
  }

  /** Whether this card plays or waits for the stream. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Plays, or plays anew. */
  play(): void {
    setProblem(part(this.element, 'problem'), null);
    setState(part(this.element, 'state'), 'wait', 'Connecting');
    this.#showBlank('Connecting …');
    this.#try();
  }

  #try(): void {
    this.#close();
    this.#isWanted = true;
    this.#playingSince = null;
    const player = this.#kind.open(this.#video);
    this.#player = player;
    player.on('state', (state) => this.#onState(player, state));
    player.on('error', (error) => this.#onError(player, error));
    player.start();
    this.#reader.start();
    this.#showToggle();
  }

  /** Stops and forgets. */
  stop(): void {
    this.#isWanted = false;
    this.#close();
    setProblem(part(this.element, 'problem'), null);
    this.#showIdle();
  }

  /** Reads and shows the figures; called by the page's clock. */
  async refresh(): Promise<void> {
    const player = this.#player;
    if (!player || (player.state !== 'playing' && player.state !== 'stalled')) return;
    const stats = await player.stats();
    if (player !== this.#player) return;
    const measured = this.#reader.delay();
    this.#showDelay(measured ?? stats.estimatedDelay, measured !== null);
    setText(part(this.element, 'size'), formatSize(stats.width, stats.height));
    setText(part(this.element, 'rate'), formatBitrate(stats.bitrateBps));
    setText(part(this.element, 'dropped'), formatDropped(stats.framesDropped, stats.framesDecoded + stats.framesDropped));
    setText(part(this.element, 'codec'), stats.codec ?? UNKNOWN);
    const isSoundOnly = stats.width === null && this.#video.currentTime > 1;
    if (isSoundOnly) this.#showBlank('Sound only: this stream has no picture.');
    else if (this.#video.videoWidth > 0) this.#showBlank(null);
  }

  #onState(player: Player, state: PlayerState): void {
    if (player !== this.#player) return;
    const pill = part(this.element, 'state');
    // A new try of its own accord says nothing until it is known how it went.
    if (state === 'playing') {
      this.#playingSince ??= performance.now();
      setState(pill, 'good', 'Playing');
      setProblem(part(this.element, 'problem'), null);
      this.#showBlank(null);
    } else if (state === 'stalled') {
      setState(pill, 'wait', 'Waiting for data');
    } else if (state === 'ended') {
      setState(pill, 'idle', 'Ended');
      this.#showBlank('The stream has ended. It starts again here when someone publishes.');
      this.#clearFigures();
      this.#again();
    }
  }

  #onError(player: Player, error: WebliveError): void {
    if (player !== this.#player) return;
    this.#clearFigures();
    if (error.type === 'not-live') {
      setProblem(part(this.element, 'problem'), null);
      setState(part(this.element, 'state'), 'wait', 'Not live yet');
      this.#showBlank('Nobody publishes this stream now. It starts here by itself.');
      this.#again();
      return;
    }
    const isPassing = error.type === 'connection' || error.type === 'network' || error.type === 'busy' || this.#isWorthAnotherTry(error);
    setState(part(this.element, 'state'), 'bad', isPassing ? 'Lost, trying again' : 'Cannot play');
    setProblem(part(this.element, 'problem'), error.message);
    this.#showBlank(isPassing ? 'Trying again …' : 'No picture. The reason is below.');
    if (isPassing) this.#again();
    else this.#isWanted = false;
    this.#showToggle();
  }

  /** A decoder that gave up in a stream that it has played takes a fresh start; one that refuses it outright does not. */
  #isWorthAnotherTry(error: WebliveError): boolean {
    if (error.type !== 'media' || this.#playingSince === null) return false;
    if (performance.now() - this.#playingSince > STEADY) this.#mediaFailures = 0;
    this.#mediaFailures += 1;
    return this.#mediaFailures <= MEDIA_TRIES;
  }

  #again(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#isWanted && this.#try(), RETRY_EVERY);
  }

  #close(): void {
    clearTimeout(this.#retry);
    const player = this.#player;
    this.#player = null;
    player?.stop();
    this.#reader.stop();
  }

  #showIdle(): void {
    setState(part(this.element, 'state'), 'idle', 'Stopped');
    this.#showBlank('Press Play to watch.');
    this.#clearFigures();
    this.#showToggle();
  }

  #clearFigures(): void {
    this.#showDelay(null, false);
    for (const name of ['size', 'rate', 'dropped', 'codec']) setText(part(this.element, name), UNKNOWN);
  }

  #showDelay(delay: number | null, isMeasured: boolean): void {
    const [figure, unit] = formatDelay(delay === null ? null : Math.max(0, delay));
    const element = part(this.element, 'delay');
    setText(element, figure);
    if (unit) {
      const small = document.createElement('small');
      small.textContent = unit;
      element.append(small);
    }
    setText(part(this.element, 'delay-kind'), delay === null ? 'delay' : isMeasured ? 'delay, read off the picture' : 'delay, estimated');
  }

  #showBlank(text: string | null): void {
    part(this.element, 'blank').hidden = text === null;
    if (text !== null) setText(part(this.element, 'blank-text'), text);
  }

  #showToggle(): void {
    const button = part(this.element, 'toggle');
    setText(button, this.#isWanted ? 'Stop' : 'Play');
    button.setAttribute('aria-label', `${this.#isWanted ? 'Stop' : 'Play'} ${this.#kind.title}`);
  }

  #showSound(): void {
    const button = part(this.element, 'sound');
    button.dataset['on'] = String(!this.#video.muted);
    setText(button, this.#video.muted ? 'Unmute' : 'Mute');
    button.setAttribute('aria-label', `${this.#video.muted ? 'Unmute' : 'Mute'} ${this.#kind.title}`);
  }
}

/** How often a stream that is not live is asked for, in milliseconds. */
const RETRY_EVERY = 2_000;

/** Milliseconds of playing after which an earlier failure of the decoder counts no more. */
const STEADY = 10_000;

/** Fresh starts after failures of the decoder in a row. */
const MEDIA_TRIES = 3;
