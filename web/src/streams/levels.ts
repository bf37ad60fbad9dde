import { log } from '../log';
import { shared } from '../page';

/** Measures how loud a track is. */
export class LevelMeter {
  readonly #source: MediaStreamAudioSourceNode | null = null;
  readonly #analyser: AnalyserNode;
  readonly #samples: Float32Array<ArrayBuffer>;

  constructor(readonly track: MediaStreamTrack) {
    const context = audioContext();
    try {
      this.#source = context.createMediaStreamSource(new MediaStream([track]));
    } catch (thrown) {
      // Firefox takes no track that another AudioContext makes at another rate.
      log.debug('levels', 'not measured', thrown);
    }
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = WINDOW;
    this.#samples = new Float32Array(WINDOW);
    this.#source?.connect(this.#analyser);
  }

  /** Whether it hears: before the user has clicked, a page may not. */
  get isRunning(): boolean {
    return this.#source !== null && audioContext().state === 'running';
  }

  /** The loudest sample of the last moment: 0 silence to 1. */
  level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let peak = 0;
    for (const sample of this.#samples) peak = Math.max(peak, Math.abs(sample));
    return Math.min(1, peak);
  }

  close(): void {
    this.#source?.disconnect();
  }
}

/** Changes the loudness of a track before it is sent. */
export class Gain {
  /** What comes out. */
  readonly track: MediaStreamTrack;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #gain: GainNode;

  constructor(
    readonly input: MediaStreamTrack,
    factor: number,
  ) {
    const context = audioContext();
    const destination = context.createMediaStreamDestination();
    this.#source = context.createMediaStreamSource(new MediaStream([input]));
    this.#gain = context.createGain();
    this.#gain.gain.value = factor;
    this.#source.connect(this.#gain).connect(destination);
    this.track = destination.stream.getAudioTracks()[0]!;
  }

  /** 1 leaves it as it is. */
  set factor(value: number) {
    this.#gain.gain.value = value;
  }

  close(): void {
    this.#source.disconnect();
    this.#gain.disconnect();
    this.track.stop();
  }
}

/** One for the page: browsers allow few of them. It may be silent until the user has clicked something. */
function audioContext(): AudioContext {
  return shared('audio', () => {
    const context = new AudioContext({ latencyHint: 'interactive' });
    const wake = () => {
      if (context.state === 'suspended') context.resume().catch((thrown: unknown) => log.debug('levels', 'not yet', thrown));
    };
    wake();
    for (const gesture of ['pointerup', 'keydown', 'touchend']) globalThis.addEventListener?.(gesture, wake, { capture: true, passive: true });
    return context;
  });
}

/** Samples that are looked at: 43 ms at 48 kHz, longer than a period of the lowest voice. */
const WINDOW = 2048;
