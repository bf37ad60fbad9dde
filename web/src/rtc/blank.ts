/**
 * A black picture, in place of one that has ended: players of FLV and HLS have one clock for picture and sound, and stand
 * still where one of both ceases.
 */
export class Blank {
  readonly track: MediaStreamTrack;
  readonly #clock: Worker;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Whether this browser can make one. */
  static get isPossible(): boolean {
    return typeof Worker !== 'undefined' && typeof HTMLCanvasElement !== 'undefined' && 'captureStream' in HTMLCanvasElement.prototype;
  }

  /** `like`: the track whose size it has. */
  constructor(like: MediaStreamTrack) {
    const canvas = document.createElement('canvas');
    const { width = 320, height = 240 } = like.getSettings();
    Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d');
    const paint = () => context?.fillRect(0, 0, width, height);
    this.track = canvas.captureStream().getVideoTracks()[0]!;
    paint();
    // Timers of a hidden page are slowed down to one a second, those of a worker are not.
    const code = URL.createObjectURL(new Blob([`setInterval(() => postMessage(0), ${INTERVAL})`], { type: 'text/javascript' }));
    this.#clock = new Worker(code);
    URL.revokeObjectURL(code);
    this.#clock.onmessage = paint;
    // The page allows no such workers.
    this.#clock.onerror = () => (this.#timer = setInterval(paint, INTERVAL));
  }

  close(): void {
    this.#clock.terminate();
    clearInterval(this.#timer);
    this.track.stop();
  }
}

/** Milliseconds between two frames: less than FLV players hold in store. */
const INTERVAL = 100;
