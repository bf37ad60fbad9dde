import { ref } from 'vue';
import { keep, kept } from '../shell/keep';
import { nameOf, type RecordingName } from './addresses';

/** A recording that was watched in this browser. */
export interface Watched extends RecordingName {
  /** Seconds into it. */
  at: number;
  /** Seconds of all of it. */
  duration: number;
  /** Unix milliseconds when it was watched last. */
  seen: number;
}

/** How many are remembered: the ones watched last. */
const MOST = 24;

/** Seconds at either end in which one begins anew; a tenth of those that are short. */
const EDGE = 10;

/** Those that were watched last, newest first. */
export const watched = ref(readWatched(kept('recordings')));

/** Reads what was kept; what is not as we keep it is left out. */
export function readWatched(text: string | null): Watched[] {
  let all: unknown = [];
  try {
    all = JSON.parse(text ?? '[]');
  } catch {
    // Of another version, or of somebody else.
  }
  if (!Array.isArray(all)) return [];
  return all.slice(0, MOST).flatMap((one: Partial<Watched> | null) => {
    const query = Object.fromEntries(new URLSearchParams(String(one?.signature ?? '').slice(1)));
    const name = nameOf(String(one?.stream), String(one?.recording), query);
    const figures = [one?.at, one?.duration, one?.seen];
    if (!name || !figures.every((figure) => typeof figure === 'number' && figure >= 0)) return [];
    return [{ ...name, at: one!.at!, duration: one!.duration!, seen: one!.seen! }];
  });
}

/** The list with one more, or with a newer look at one of it. */
export function withWatched(list: readonly Watched[], one: Watched): Watched[] {
  return [one, ...list.filter((other) => !isSame(other, one))].slice(0, MOST);
}

/** Where to go on with one; 0 for its beginning. */
export function placeIn(list: readonly Watched[], name: RecordingName): number {
  const { at = 0, duration = 0 } = list.find((other) => isSame(other, name)) ?? {};
  const edge = Math.min(EDGE, duration / 10);
  return at > edge && at < duration - edge ? at : 0;
}

export function rememberWatched(one: Watched): void {
  watched.value = withWatched(watched.value, one);
  keep('recordings', JSON.stringify(watched.value));
}

export function forgetWatched(name: RecordingName): void {
  watched.value = watched.value.filter((other) => !isSame(other, name));
  keep('recordings', JSON.stringify(watched.value));
}

function isSame(a: RecordingName, b: RecordingName): boolean {
  return a.stream === b.stream && a.recording === b.recording;
}
