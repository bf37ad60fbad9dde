/** What a key does to a player. */
export type KeyAction =
  | { kind: 'toggle' }
  | { kind: 'mute' }
  | { kind: 'full' }
  | { kind: 'skip'; by: number }
  | { kind: 'speed'; by: number }
  | { kind: 'volume'; by: number }
  /** To a part of the whole, from 0 to 1. */
  | { kind: 'to'; part: number };

/** The keys that players on the web have, as far as there are any that all share. */
export function actionOf(key: string): KeyAction | null {
  if (/^\d$/.test(key)) return { kind: 'to', part: Number(key) / 10 };
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case ' ':
    case 'k':
      return { kind: 'toggle' };
    case 'm':
      return { kind: 'mute' };
    case 'f':
      return { kind: 'full' };
    case 'ArrowLeft':
      return { kind: 'skip', by: -5 };
    case 'ArrowRight':
      return { kind: 'skip', by: 5 };
    case 'j':
    case 'PageDown':
      return { kind: 'skip', by: -10 };
    case 'l':
    case 'PageUp':
      return { kind: 'skip', by: 10 };
    case 'ArrowUp':
      return { kind: 'volume', by: 0.05 };
    case 'ArrowDown':
      return { kind: 'volume', by: -0.05 };
    case 'Home':
      return { kind: 'to', part: 0 };
    case 'End':
      return { kind: 'to', part: 1 };
    case '<':
      return { kind: 'speed', by: -1 };
    case '>':
      return { kind: 'speed', by: 1 };
    default:
      return null;
  }
}

/** The speeds that are offered. */
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const;

/** The next speed in a direction. */
export function nextSpeed(speed: number, by: number): number {
  const at = SPEEDS.findIndex((one) => one >= speed - 0.01);
  return SPEEDS[Math.min(Math.max((at < 0 ? SPEEDS.length - 1 : at) + by, 0), SPEEDS.length - 1)]!;
}
