import { effectScope, reactive, watch } from 'vue';
import { DeviceStatus, useDeviceState } from 'weblive/vue';
import { TestCard } from 'weblive/testcard';
import { keepInTab, keptInTab } from '../shell/keep';

export const SOURCES = ['camera', 'screen', 'card'] as const;

/** Where the picture comes from. */
export type SourceKind = (typeof SOURCES)[number];

export const PROFILES = ['360p', '480p', '720p', '1080p'] as const;

/** The name of a camera profile of the SDK. */
export type Profile = (typeof PROFILES)[number];

/** Pixels of the test card for a profile. */
const CARD_SIZES: Record<Profile, { width: number; height: number }> = {
  '360p': { width: 640, height: 360 },
  '480p': { width: 848, height: 480 },
  '720p': { width: 1280, height: 720 },
  '1080p': { width: 1920, height: 1080 },
};

export type Source = ReturnType<typeof createSource>;

let source: Source | null = null;

/** What this tab sends, or would: it outlives the page on which it was chosen. */
export function useSource(): Source {
  source ??= effectScope(true).run(createSource)!;
  return source;
}

function createSource() {
  const device = useDeviceState();
  const state = reactive({
    kind: null as SourceKind | null,
    profile: (PROFILES.find((one) => one === keptInTab('profile')) ?? '720p') as Profile,
    isCameraOn: false,
    isMicOn: false,
    isOpening: false,
  });
  let card: TestCard | null = null;
  let cardStream: MediaStream | null = null;
  let screen: MediaStream | null = null;
  /** Which choice is the newest: what an older one opens is closed again. */
  let run = 0;
  /** Told when the user ends the sharing with the browser's own button. */
  let onScreenEnded: () => void = () => undefined;

  watch(
    [device.cameraStatus, device.microphoneStatus, device.isLocalAudioMuted],
    ([camera, microphone, isMuted]) => {
      state.isCameraOn = camera === DeviceStatus.On;
      state.isMicOn = microphone === DeviceStatus.On && !isMuted;
    },
    { immediate: true },
  );

  /** Opens a source in place of the one that is open. To be called from a click for the screen, and for the card's sound. */
  async function use(kind: SourceKind, title: string): Promise<void> {
    run += 1;
    const mine = run;
    state.isOpening = true;
    try {
      // The browser asks for the screen while the click still counts.
      const shared = kind === 'screen' ? await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30, max: 30 } } }) : null;
      if (mine !== run) return endAll(shared);
      const before = { card, screen, kind: state.kind };
      card = null;
      screen = shared;
      if (kind === 'card') await useCard(title);
      else if (shared) await useScreen(shared);
      else await useCamera(before.kind);
      before.card?.stop();
      endAll(before.screen);
      state.kind = kind;
      keepInTab('source', kind);
    } finally {
      if (mine === run) state.isOpening = false;
    }
  }

  async function useCamera(before: SourceKind | null): Promise<void> {
    if (before !== null && before !== 'camera') await device.clearCustomSource();
    await device.setVideoProfile(state.profile);
    // One of the two is enough to go live.
    const opened = await Promise.allSettled([device.openLocalCamera(), device.openLocalMicrophone()]);
    const failed = opened.filter((one): one is PromiseRejectedResult => one.status === 'rejected');
    if (failed.length === 2) throw failed[0]!.reason;
  }

  async function useScreen(shared: MediaStream): Promise<void> {
    const [track] = shared.getVideoTracks();
    if (!track) return;
    track.addEventListener('ended', () => screen === shared && onScreenEnded());
    await device.clearCustomSource();
    await device.setCustomSource({ videoTrack: track });
    await device.openLocalMicrophone().catch(() => undefined);
  }

  async function useCard(title: string): Promise<void> {
    const made = new TestCard({ ...CARD_SIZES[state.profile], title });
    card = made;
    cardStream = await made.start();
    const [videoTrack] = cardStream.getVideoTracks();
    const [audioTrack] = cardStream.getAudioTracks();
    await device.setCustomSource({ ...(videoTrack && { videoTrack }), ...(audioTrack && { audioTrack }) });
    if (device.isLocalAudioMuted.value) await device.unmuteLocalAudio();
  }

  /** Shows a picture or none. */
  async function setCamera(isOn: boolean): Promise<void> {
    if (!isOn) return device.closeLocalCamera();
    const [track] = (card ? cardStream : screen)?.getVideoTracks() ?? [];
    if (track) await device.setCustomSource({ videoTrack: track });
    else await device.openLocalCamera();
  }

  async function setMic(isOn: boolean): Promise<void> {
    await (isOn ? device.unmuteLocalAudio() : device.muteLocalAudio());
  }

  async function setProfile(profile: Profile): Promise<void> {
    state.profile = profile;
    keepInTab('profile', profile);
    if (card) {
      const { width, height } = CARD_SIZES[profile];
      card.resize(width, height);
    } else {
      await device.setVideoProfile(profile);
    }
  }

  /** Closes everything. */
  async function close(): Promise<void> {
    run += 1;
    state.kind = null;
    state.isOpening = false;
    const [oldCard, oldScreen] = [card, screen];
    card = null;
    screen = null;
    await Promise.allSettled([device.clearCustomSource(), device.closeLocalCamera(), device.closeLocalMicrophone()]);
    oldCard?.stop();
    endAll(oldScreen);
  }

  /** What was used last in this tab: a host who loads the page again goes on with it. */
  function last(): SourceKind | null {
    return SOURCES.find((one) => one === keptInTab('source')) ?? null;
  }

  function whenScreenEnds(listener: () => void): void {
    onScreenEnded = listener;
  }

  return { state, device, use, setCamera, setMic, setProfile, close, last, whenScreenEnds };
}

function endAll(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
