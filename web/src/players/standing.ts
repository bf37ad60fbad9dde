/** What has come of a stream so far. */
export interface Arrived {
  /** Whole frames of the picture. */
  frames: number;
  /** Packets of the sound. */
  sound: number;
}

/**
 * Whether a picture stands while the sound goes on, by looks a second apart: a server that finds the path too narrow
 * pauses the picture, and one who plays by WHEP is not told.
 */
export class StandingPicture {
  #before: Arrived | null = null;
  #looks = 0;

  /** Takes a look. */
  take(now: Arrived): boolean {
    const before = this.#before;
    this.#before = now;
    // Before its first frame there is no picture that could stand.
    if (!before || now.frames === 0 || now.frames !== before.frames) this.#looks = 0;
    // When nothing comes at all, it is the whole stream that stands.
    else if (now.sound > before.sound) this.#looks += 1;
    return this.#looks >= LOOKS;
  }
}

/** Looks without a new frame: publishers of a screen on which nothing moves send one a second. */
const LOOKS = 3;
