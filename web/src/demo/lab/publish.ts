import { onBeforeUnmount, reactive, ref, shallowRef } from 'vue';
import { PublishMeter, type PublishStats, toWebliveError, type WebliveError, WhipClient } from 'weblive';
import { TestCard } from 'weblive/testcard';

export type LabSource = 'card' | 'camera';

/** Where publishing stands; the words for it are `lab.publishing.*`. */
export type PublishingState = 'idle' | 'opening' | 'connecting' | 'live' | 'reconnecting' | 'ended' | 'failed';

/** How a plain stream is published. */
export interface WhipPlan {
  id: string;
  source: LabSource;
  whip: string;
  token?: string;
}

/** Publishes the test card or the camera by WHIP. */
export function useLabPublisher(on: { live: () => void; refused: (error: WebliveError) => void }) {
  const state = ref<PublishingState>('idle');
  const isActive = ref(false);
  const problem = ref('');
  const preview = shallowRef<HTMLElement | null>(null);
  const figures = reactive<{ stats: PublishStats | null }>({ stats: null });
  let client: WhipClient | null = null;
  let card: TestCard | null = null;
  let stream: MediaStream | null = null;
  let meter = new PublishMeter();
  /** Which start is the current one: an older one that is still under way must touch nothing. */
  let run = 0;

  async function start(plan: WhipPlan): Promise<void> {
    run += 1;
    const mine = run;
    isActive.value = true;
    problem.value = '';
    state.value = 'opening';
    try {
      const opened = await open(plan, () => mine === run);
      if (mine !== run) return;
      stream = opened;
      const { whip, token } = plan;
      const made = new WhipClient(whip, opened, { ...(token !== undefined && { token }), maxVideoBps: 2_500_000, degradationPreference: 'maintain-resolution' });
      client = made;
      meter = new PublishMeter();
      made.on('state', (next) => {
        if (made !== client) return;
        if (next === 'connecting' || next === 'reconnecting') state.value = next;
        else if (next === 'connected') state.value = 'live';
        else if (next === 'closed') end(null);
      });
      made.on('error', (error) => made === client && end(error));
      await made.start();
      if (mine === run) on.live();
    } catch (thrown) {
      if (mine === run) end(toWebliveError(thrown, 'cannot publish'));
    }
  }

  async function stop(): Promise<void> {
    const closing = client;
    close();
    state.value = 'idle';
    await closing?.close();
  }

  /** Opens the source; ends it again if it is not wanted any more when it comes. */
  async function open({ id, source }: WhipPlan, isWanted: () => boolean): Promise<MediaStream> {
    if (source === 'card') {
      card = new TestCard({ title: id });
      preview.value = card.canvas;
      return card.start();
    }
    const opened = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } }, audio: true });
    if (!isWanted()) {
      for (const track of opened.getTracks()) track.stop();
      return opened;
    }
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    video.srcObject = opened;
    preview.value = video;
    void video.play().catch(() => undefined);
    return opened;
  }

  function end(error: WebliveError | null): void {
    close();
    state.value = error ? 'failed' : 'ended';
    if (!error) return;
    problem.value = `${error.message} ${error.advice}`;
    on.refused(error);
  }

  function close(): void {
    run += 1;
    isActive.value = false;
    client = null;
    card?.stop();
    card = null;
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    preview.value = null;
    figures.stats = null;
  }

  const clock = setInterval(async () => {
    const peer = client?.peer;
    if (!peer) return;
    const stats = await meter.read(peer);
    if (peer === client?.peer) figures.stats = stats;
  }, 500);

  // A page that is left says good-bye; the session would otherwise end by timeout.
  const bye = () => void client?.close();
  window.addEventListener('pagehide', bye);
  onBeforeUnmount(() => {
    clearInterval(clock);
    window.removeEventListener('pagehide', bye);
    void stop();
  });

  return { state, isActive, problem, preview, figures, start, stop };
}
