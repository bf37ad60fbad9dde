import { computed, onBeforeUnmount, onMounted, type Ref, ref, watch } from 'vue';
import { LinePlayer, type LinePlayerState, linesOf } from 'weblive';
import { ClockReader } from 'weblive/testcard';
import { LINES, type RoomPlayback, useLineIndex } from './playback';

/** What plays the picture of one user. */
export interface LineSource {
  stream: string;
  /** The UserSig, where the server wants one for WHEP. */
  token: string;
  /** It is not to be heard, whatever the sound of the rest. */
  isSilenced: Readonly<Ref<boolean>>;
}

/**
 * Plays a stream over the lines into a container. `isMain` is the host's: its figures are shown, and its choice of a
 * line is everybody's.
 */
export function useLinePlayer(container: Readonly<Ref<HTMLElement | null>>, source: LineSource, playback: RoomPlayback, isMain: boolean, onFallBack: (from: string, to: string) => void) {
  const state = ref<LinePlayerState>('idle');
  const isVideoPaused = ref(false);
  const index = useLineIndex(playback);
  const isMuted = computed(() => playback.isMuted || source.isSilenced.value);
  let player: LinePlayer | null = null;
  let reader: ClockReader | null = null;
  let read: HTMLVideoElement | null = null;
  let clock: ReturnType<typeof setInterval> | undefined;

  function start(): void {
    if (!container.value) return;
    const made = new LinePlayer({
      container: container.value,
      lines: linesOf(source.stream, source.token === '' ? {} : { token: source.token }),
      ...(index.value !== null && { line: index.value }),
      muted: isMuted.value,
      volume: playback.volume,
      objectFit: isMain ? 'contain' : 'cover',
    });
    player = made;
    made.on('state', (next) => {
      state.value = next;
      if (isMain) playback.state = next;
    });
    made.on('line', ({ index: shown, reason }) => {
      if (!isMain) return;
      const before = playback.shown;
      playback.shown = LINES[shown] ?? null;
      if (before !== null && (reason === 'failed' || reason === 'stalled')) onFallBack(before, playback.shown ?? '');
    });
    made.on('videoPaused', (isPaused) => (isVideoPaused.value = isPaused));
    made.on('autoplayRefused', () => {
      // Silent pictures are allowed everywhere; the sound comes by a click.
      if (!playback.isMuted) playback.isMuted = playback.awaitsTap = true;
      else playback.isRefused = true;
    });
    made.start();
    if (isMain) clock = setInterval(() => void look(made), 500);
  }

  /** Reads the figures, and the clock in the picture where there is one. */
  async function look(of: LinePlayer): Promise<void> {
    if (of.video !== read) {
      reader?.stop();
      read = of.video;
      reader = read ? new ClockReader(read, 100) : null;
      reader?.start();
    }
    const stats = of.state === 'playing' || of.state === 'stalled' ? await of.stats() : null;
    if (of !== player) return;
    const measured = reader?.delay() ?? null;
    playback.stats = stats;
    playback.isMeasured = measured !== null;
    playback.delay = stats ? (measured ?? stats.estimatedDelay) : null;
  }

  watch(index, (chosen) => player?.choose(chosen));
  watch(isMuted, (isSilent) => {
    player?.setMuted(isSilent);
    if (!isSilent) void player?.resume();
  });
  watch(() => playback.volume, (volume) => player?.setVolume(volume));
  watch(() => playback.isRefused, (isRefused) => !isRefused && void player?.resume());

  onMounted(start);
  onBeforeUnmount(() => {
    clearInterval(clock);
    reader?.stop();
    player?.stop();
    player = null;
    if (isMain) Object.assign(playback, { shown: null, state: 'idle', stats: null, delay: null, isMeasured: false });
  });

  return { state, isVideoPaused };
}
