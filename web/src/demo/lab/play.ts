import { computed, onBeforeUnmount, reactive, ref, type Ref } from 'vue';
import type { PlaybackStats, Player, PlayerState, WebliveError } from 'weblive';
import { ClockReader } from 'weblive/testcard';

/** Where a card stands; the words for it are `lab.state.*`. */
export type CardState = 'idle' | 'connecting' | 'playing' | 'stalled' | 'ended' | 'waiting' | 'lost' | 'failed';

/** Plays one plain stream into a video element, and waits for a stream that is not live yet. */
export function useLabPlayer(video: Readonly<Ref<HTMLVideoElement | null>>, open: (video: HTMLVideoElement) => Player) {
  const state = ref<CardState>('idle');
  const isWanted = ref(false);
  const problem = ref('');
  const isSoundOnly = ref(false);
  const figures = reactive<{ delay: number | null; isMeasured: boolean; stats: PlaybackStats | null }>({ delay: null, isMeasured: false, stats: null });
  let player: Player | null = null;
  let reader: ClockReader | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;
  /** When the present try first played. */
  let playingSince: number | null = null;
  /** Failures of the decoder in a row. */
  let mediaFailures = 0;

  function play(): void {
    problem.value = '';
    state.value = 'connecting';
    attempt();
  }

  function stop(): void {
    isWanted.value = false;
    close();
    problem.value = '';
    state.value = 'idle';
    clearFigures();
  }

  function attempt(): void {
    close();
    if (!video.value) return;
    isWanted.value = true;
    playingSince = null;
    const made = open(video.value);
    player = made;
    made.on('state', (next) => onState(made, next));
    made.on('error', (error) => onError(made, error));
    made.start();
    reader = new ClockReader(video.value, 100);
    reader.start();
  }

  function onState(of: Player, next: PlayerState): void {
    if (of !== player) return;
    // A new try of its own accord says nothing until it is known how it went.
    if (next === 'playing') {
      playingSince ??= performance.now();
      state.value = 'playing';
      problem.value = '';
    } else if (next === 'stalled') {
      state.value = 'stalled';
    } else if (next === 'ended') {
      state.value = 'ended';
      clearFigures();
      again();
    }
  }

  function onError(of: Player, error: WebliveError): void {
    if (of !== player) return;
    clearFigures();
    if (error.type === 'not-live') {
      problem.value = '';
      state.value = 'waiting';
      again();
      return;
    }
    const isPassing = error.type === 'connection' || error.type === 'network' || error.type === 'busy' || isWorthAnotherTry(error);
    state.value = isPassing ? 'lost' : 'failed';
    problem.value = `${error.message} ${error.advice}`;
    if (isPassing) again();
    else isWanted.value = false;
  }

  /** A decoder that gave up in a stream that it has played takes a fresh start; one that refuses it outright does not. */
  function isWorthAnotherTry(error: WebliveError): boolean {
    if (error.type !== 'media' || playingSince === null) return false;
    if (performance.now() - playingSince > STEADY) mediaFailures = 0;
    mediaFailures += 1;
    return mediaFailures <= MEDIA_TRIES;
  }

  function again(): void {
    clearTimeout(retry);
    retry = setTimeout(() => isWanted.value && attempt(), RETRY_EVERY);
  }

  function close(): void {
    clearTimeout(retry);
    const closing = player;
    player = null;
    closing?.stop();
    reader?.stop();
    reader = null;
  }

  function clearFigures(): void {
    Object.assign(figures, { delay: null, isMeasured: false, stats: null });
    isSoundOnly.value = false;
  }

  let isReading = false;
  const clock = setInterval(async () => {
    const reading = player;
    if (isReading || !reading || (reading.state !== 'playing' && reading.state !== 'stalled')) return;
    isReading = true;
    try {
      const stats = await reading.stats();
      if (reading !== player) return;
      const measured = reader?.delay() ?? null;
      Object.assign(figures, { delay: measured ?? stats.estimatedDelay, isMeasured: measured !== null, stats });
      isSoundOnly.value = stats.width === null && (video.value?.currentTime ?? 0) > 1;
    } finally {
      isReading = false;
    }
  }, 500);

  // A page that is left ends its sessions; the server would find out by a timeout.
  window.addEventListener('pagehide', stop);
  onBeforeUnmount(() => {
    clearInterval(clock);
    window.removeEventListener('pagehide', stop);
    close();
  });

  const isShown = computed(() => state.value === 'playing' || state.value === 'stalled');
  return { state, isWanted, isShown, isSoundOnly, problem, figures, play, stop };
}

/** How often a stream that is not live is asked for, in milliseconds. */
const RETRY_EVERY = 2_000;

/** Milliseconds of playing after which an earlier failure of the decoder counts no more. */
const STEADY = 10_000;

/** Fresh starts after failures of the decoder in a row. */
const MEDIA_TRIES = 3;
