import { createApp, defineComponent, h, onMounted, onUnmounted, reactive, ref } from 'vue';
import {
  CoGuestEvent, CoHostEvent, type CustomSource, DeviceStatus, HostEvent, LiveListEvent, LiveSeatEvent, SeatLayoutTemplate, TakeSeatMode, useBarrageState,
  useCoGuestState, useCoHostState, useDeviceState, useLiveAudienceState, useLiveListState, useLiveSeatState, useLoginState,
} from 'weblive/vue';
import { TestCard } from '../../src/testcard';

/** Who looks at the page. */
export interface LivePlan {
  server: string;
  user: string;
  /** Publishes a test card in place of camera and microphone. */
  card?: { width: number; height: number; frameRate: number };
}

/** What is seen of one user. */
export interface TileSeen {
  user: string;
  name: string;
  /** Frames that were shown. */
  frames: number;
  width: number;
  hasSound: boolean;
}

/** What the page shows and was told. */
export interface LiveSeen {
  liveId: string | null;
  seats: (string | null)[];
  tiles: TileSeen[];
  applicants: string[];
  invitees: string[];
  coHosts: string[];
  coHostStatus: string;
  applicant: string | null;
  camera: DeviceStatus;
  microphone: DeviceStatus;
  speaking: string[];
  audience: string[];
  messages: string[];
  /** Who is received, with its picture's width and whether sound comes. */
  received: { user: string; width: number; sounds: boolean }[];
  events: { name: string; info: unknown }[];
  errors: string[];
}

/** A page in the style in which pages of guest connections are written: composables, events, buttons. */
const LivePage = defineComponent({
  props: { plan: { type: Object as () => LivePlan, required: true } },
  setup({ plan }) {
    const { login, loginUserInfo } = useLoginState();
    const { currentLive, createLive, joinLive, leaveLive, endLive, ...liveEvents } = useLiveListState();
    const { seatList, speakingUsers, avStatistics, startPlayStream, kickUserOutOfSeat, ...seatEvents } = useLiveSeatState();
    const {
      connected, applicants, invitees, applyForSeat, acceptApplication, rejectApplication, inviteToSeat, acceptInvitation, rejectInvitation, disConnect,
      subscribeEvent, unsubscribeEvent,
    } = useCoGuestState();
    const coHost = useCoHostState();
    const { audienceList } = useLiveAudienceState();
    const { messageList, sendTextMessage } = useBarrageState();
    const { openLocalCamera, openLocalMicrophone, cameraStatus, microphoneStatus, setVideoProfile, setCustomSource } = useDeviceState();

    const target = ref('');
    const events = reactive<{ name: string; info: unknown }[]>([]);
    const errors = reactive<string[]>([]);
    const invitation = ref<string | null>(null);
    const run = (work: () => Promise<unknown>) => () => void work().catch((error: Error) => errors.push(`${(error as { code?: number }).code}: ${error.message}`));
    const noted = (name: string) => (info: unknown) => void events.push({ name, info: JSON.parse(JSON.stringify(info)) as unknown });

    let card: Promise<CustomSource> | null = null;
    const paint = async (): Promise<CustomSource> => {
      const painter = new TestCard({ title: plan.user, ...plan.card! });
      document.body.append(painter.canvas);
      const stream = await painter.start();
      const [audioTrack, videoTrack] = [stream.getAudioTracks()[0], stream.getVideoTracks()[0]];
      return { ...(audioTrack && { audioTrack }), ...(videoTrack && { videoTrack }) };
    };
    /** A seat is not media: whoever sits opens what others shall see and hear. */
    const openDevices = async () => {
      if (plan.card) return setCustomSource(await (card ??= paint()));
      await setVideoProfile('180p');
      await Promise.all([openLocalCamera(), openLocalMicrophone()]);
    };

    const onResponded = ({ isAccept }: { isAccept: boolean }) => isAccept && run(openDevices)();
    const onInvited = ({ hostUser }: { hostUser: { userId: string } }) => void (invitation.value = hostUser.userId);
    onMounted(() => {
      subscribeEvent(CoGuestEvent.onGuestApplicationResponded, onResponded);
      subscribeEvent(CoGuestEvent.onHostInvitationReceived, onInvited);
      for (const name of Object.values({ ...HostEvent, ...CoGuestEvent })) subscribeEvent(name, noted(name));
      for (const name of Object.values(LiveListEvent)) liveEvents.subscribeEvent(name, noted(name));
      for (const name of Object.values(LiveSeatEvent)) seatEvents.subscribeEvent(name, noted(name));
      for (const name of ['onCoHostRequestReceived', 'onCoHostRequestAccepted', 'onCoHostUserJoined', 'onCoHostUserLeft'] as const) {
        coHost.subscribeEvent(CoHostEvent[name], noted(name));
      }
    });
    onUnmounted(() => {
      unsubscribeEvent(CoGuestEvent.onGuestApplicationResponded, onResponded);
      unsubscribeEvent(CoGuestEvent.onHostInvitationReceived, onInvited);
    });

    const play = () => startPlayStream({ view: 'stage' });
    const actions: Record<string, () => Promise<unknown>> = {
      create: async () => {
        await login({ sdkAppId: 0, userId: plan.user, userSig: '', server: plan.server, userName: plan.user.toUpperCase() });
        await createLive({
          liveId: target.value, liveName: `${plan.user}'s evening`, seatTemplate: SeatLayoutTemplate.VideoDynamicGrid9Seats, maxSeatCount: 3,
          seatMode: TakeSeatMode.ApplyToTake, keepOwnerOnSeat: true,
        });
        await openDevices();
        await play();
      },
      join: async () => {
        await login({ sdkAppId: 0, userId: plan.user, userSig: '', server: plan.server, userName: plan.user.toUpperCase() });
        await joinLive({ liveId: target.value });
        await play();
      },
      apply: () => applyForSeat({ seatIndex: -1, timeout: 60 }),
      accept: () => acceptApplication({ userId: applicants.value[0]!.userId }),
      reject: () => rejectApplication({ userId: applicants.value[0]!.userId }),
      invite: () => inviteToSeat({ userId: target.value, seatIndex: -1, timeout: 60 }),
      agree: async () => {
        await acceptInvitation({ inviterId: invitation.value! });
        await openDevices();
      },
      decline: () => rejectInvitation({ inviterId: invitation.value! }),
      stand: () => disConnect(),
      kick: () => kickUserOutOfSeat({ userId: target.value }),
      open: openDevices,
      say: () => sendTextMessage({ text: target.value }),
      connect: () => coHost.requestHostConnection({ liveId: target.value, layoutTemplate: 600, timeout: 60, extensionInfo: 'shall we?' }),
      acceptHost: () => coHost.acceptHostConnection({ liveId: coHost.applicant.value!.liveId }),
      exitHost: () => coHost.exitHostConnection(),
      leave: () => leaveLive(),
      end: () => endLive(),
    };

    window.live = {
      do: async (action, value) => {
        if (value !== undefined) target.value = value;
        await actions[action]!();
      },
      seen: (): LiveSeen => ({
        liveId: currentLive.value?.liveId ?? null,
        seats: seatList.value.map(({ userInfo }) => userInfo?.userId ?? null),
        tiles: [...document.querySelectorAll<HTMLElement>('#stage .weblive-tile')].map((tile) => {
          const video = tile.querySelector('video');
          return {
            user: tile.dataset['user'] ?? '', name: tile.querySelector('.weblive-name')?.textContent ?? '',
            frames: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0, width: video?.videoWidth ?? 0, hasSound: tile.querySelector('audio') !== null,
          };
        }),
        applicants: applicants.value.map(({ userId }) => userId),
        invitees: invitees.value.map(({ userId }) => userId),
        coHosts: coHost.connected.value.map(({ userId }) => userId),
        coHostStatus: coHost.coHostStatus.value,
        applicant: coHost.applicant.value?.userId ?? null,
        camera: cameraStatus.value,
        microphone: microphoneStatus.value,
        speaking: [...speakingUsers.value.keys()],
        audience: audienceList.value.map(({ userId }) => userId),
        messages: messageList.value.map(({ textContent }) => textContent ?? ''),
        received: avStatistics.value.map(({ userID, videoWidth, audioBitrate }) => ({ user: userID, width: videoWidth, sounds: audioBitrate > 0 })),
        events: JSON.parse(JSON.stringify(events)) as LiveSeen['events'],
        errors: [...errors],
      }),
    };

    return () => h('main', [
      h('h1', `${loginUserInfo.value?.userName ?? 'nobody'}: ${currentLive.value?.liveName ?? 'outside'}`),
      h('p', `on seats: ${connected.value.map(({ userName }) => userName).join(', ')}`),
      h('div', { id: 'stage', style: { width: '640px', height: '360px' } }),
      ...Object.keys(actions).map((name) => h('button', { id: name, onClick: run(actions[name]!) }, name)),
      invitation.value === null ? null : h('p', { id: 'invitation' }, `${invitation.value} offers a seat`),
      h('ul', messageList.value.map((message) => h('li', `${message.sender.userName}: ${message.textContent ?? ''}`))),
    ]);
  },
});

window.startLivePage = (plan) => {
  const root = document.createElement('div');
  document.body.append(root);
  createApp(LivePage, { plan }).mount(root);
};

declare global {
  interface Window {
    startLivePage(plan: LivePlan): void;
    live: {
      do(action: string, value?: string): Promise<void>;
      seen(): LiveSeen;
    };
  }
}
