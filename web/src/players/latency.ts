/** How closely a player of FLV or HLS keeps to the live edge. WebRTC keeps its own, shorter delay. */
export interface LatencyOptions {
  /** Seconds behind the live edge that are aimed at. */
  target: number;
  /** Seconds behind which it jumps to the target instead of catching up. */
  max: number;
  /** The playback rate for catching up, from 1 (never) to 2. */
  rate: number;
}

/** Without a stash FLV plays about this far behind what has come. */
export const FLV_LATENCY: LatencyOptions = { target: 0.35, max: 1.5, rate: 1.1 };

/** In HLS the segments bound the target from below: a player cannot be nearer than two of them. */
export const HLS_LATENCY: LatencyOptions = { target: 4, max: 10, rate: 1.15 };

/**
 * What to do about a delay of `delay` seconds that was caught up with until now at `rate`: play at some rate, or
 * jump. It begins to catch up half a target late, and ends at the target, so that it does not flutter.
 */
export function keepUp(delay: number, rate: number, options: LatencyOptions): { rate: number; jump: boolean } {
  if (delay > options.max) return { rate: 1, jump: true };
  const isLate = delay > options.target * (rate > 1 ? 1 : 1.5);
  return { rate: isLate ? options.rate : 1, jump: false };
}
