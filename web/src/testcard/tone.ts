/**
 * The sound of the test card: a beep at each full second of the wall clock over a quiet hum,
 * so that silence always means that something is broken.
 */
export class Tone {
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #scheduled = 0;

  /** Starts the sound and returns its track. */
  async start(): Promise<MediaStreamTrack[]> {
    const context = new AudioContext({ latencyHint: 'interactive', sampleRate: 48_000 });
    this.#context = context;
    const destination = context.createMediaStreamDestination();
    const hum = oscillator(context, 220, HUM_GAIN);
    hum.connect(destination);
    const beep = oscillator(context, 1000, 0);
    beep.connect(destination);
    // Without a gesture the promise stays open until one comes; media must not wait for that.
    void context.resume();
    // Many short looks: the wall clock of a rendered sample is the earliest time at which it was seen. The last ones
    // alone count: a busy machine renders nothing for a while, and the clock of the sound is behind from then on.
    let [before, behind] = [Infinity, Infinity];
    let looks = 0;
    this.#timer = setInterval(() => {
      if (context.state !== 'running') return;
      if (looks % LOOKS === 0) [before, behind] = [behind, Infinity];
      behind = Math.min(behind, Date.now() - context.currentTime * 1000);
      looks += 1;
      if (looks > LOOKS) this.#schedule(context, beep.gain, Math.min(before, behind));
    }, 20);
    return destination.stream.getAudioTracks();
  }

  /** Ends the sound. */
  stop(): void {
    clearInterval(this.#timer);
    void this.#context?.close();
    this.#context = null;
  }

  #schedule(context: AudioContext, gain: AudioParam, behind: number): void {
    const second = Math.ceil((context.currentTime * 1000 + behind + AHEAD) / 1000);
    const at = (second * 1000 - behind) / 1000;
    if (second <= this.#scheduled || at - context.currentTime > 0.5) return;
    this.#scheduled = second;
    gain.setValueAtTime(0, at);
    gain.linearRampToValueAtTime(BEEP_GAIN, at + 0.002);
    gain.setValueAtTime(BEEP_GAIN, at + 0.098);
    gain.linearRampToValueAtTime(0, at + 0.1);
  }
}

function oscillator(context: AudioContext, frequency: number, level: number): GainNode {
  const source = context.createOscillator();
  source.frequency.value = frequency;
  const gain = context.createGain();
  gain.gain.value = level;
  source.connect(gain);
  source.start();
  return gain;
}

const HUM_GAIN = 0.01;
const BEEP_GAIN = 0.4;

/** So many looks at the clock, or twice as many, are remembered. */
const LOOKS = 20;

/** Milliseconds between the scheduling of a beep and its start, at least. */
const AHEAD = 100;
