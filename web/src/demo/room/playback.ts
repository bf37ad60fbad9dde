import { computed, type InjectionKey, inject, provide, reactive } from 'vue';
import type { LinePlayerState, PlaybackStats } from 'weblive';
import { keep, kept } from '../shell/keep';

/** The lines, in their order of delay. */
export const LINES = ['webrtc', 'flv', 'hls'] as const;

export type LineKey = (typeof LINES)[number];

/** What the pictures of a room have in common, and what is known of the host's. */
export interface RoomPlayback {
  /** The chosen line; null lets the player choose. */
  chosen: LineKey | null;
  /** The line that the host's picture comes over. */
  shown: LineKey | null;
  state: LinePlayerState;
  stats: PlaybackStats | null;
  /** Milliseconds; null while it is not known. */
  delay: number | null;
  /** Read off the picture, not estimated. */
  isMeasured: boolean;
  isMuted: boolean;
  /** Nobody has chosen silence: the browser gives no sound before a tap. */
  awaitsTap: boolean;
  /** From 0 to 1. */
  volume: number;
  /** The browser wants a click before it plays with sound. */
  isRefused: boolean;
}

const KEY: InjectionKey<RoomPlayback> = Symbol('playback');

/** Makes the playback of a room, for the components below. */
export function providePlayback(): RoomPlayback {
  const line = kept('line');
  // Browsers give no sound to a page that nobody has touched.
  const awaitsTap = !(navigator.userActivation?.hasBeenActive ?? false);
  const playback = reactive<RoomPlayback>({
    chosen: LINES.find((one) => one === line) ?? null,
    shown: null,
    state: 'idle',
    stats: null,
    delay: null,
    isMeasured: false,
    isMuted: awaitsTap,
    awaitsTap,
    volume: Number(kept('volume') ?? '1') || 1,
    isRefused: false,
  });
  provide(KEY, playback);
  return playback;
}

export function usePlayback(): RoomPlayback {
  const playback = inject(KEY);
  if (!playback) throw new Error('no playback here: providePlayback is missing above');
  return playback;
}

/** Chooses a line, and remembers it. */
export function chooseLine(playback: RoomPlayback, line: LineKey | null): void {
  playback.chosen = line;
  keep('line', line ?? '');
}

/** Silences everything that is played, or lets it be heard; to be called from a click or a key. */
export function setMuted(playback: RoomPlayback, isMuted: boolean): void {
  if (!isMuted) playback.isRefused = false;
  playback.awaitsTap = false;
  playback.isMuted = isMuted;
}

/** The index of the chosen line, as the player wants it. */
export function useLineIndex(playback: RoomPlayback) {
  return computed(() => (playback.chosen === null ? null : LINES.indexOf(playback.chosen)));
}
