import { computed, reactive, type Ref, watch } from 'vue';
import { type CoGuestEvents, GuestEvent, HostEvent, type LiveSeatEvents, type LiveUserInfo, LiveSeatEvent, useCoGuestState, useLiveSeatState } from 'weblive/vue';
import { useSource } from '../golive/source';
import { i18n } from '../i18n';
import { report } from '../shell/problems';
import { toast } from '../ui/toasts';
import { eventsOf } from './events';
import type { Performer } from './performers';

/** Seconds that an application and an invitation wait for an answer. */
const PATIENCE = 60;

const nameOf = ({ userName, userId }: LiveUserInfo) => userName || userId;

/** How a guest comes to a seat and goes: applications, invitations, the devices that follow, and what is said of it. */
export function useGuestFlow(me: Ref<Performer | null>, title: Ref<string>) {
  const t = i18n.global.t;
  const coGuest = useCoGuestState();
  const seats = useLiveSeatState();
  const source = useSource();
  const flow = reactive({ isApplying: false, invitation: null as LiveUserInfo | null });
  const onGuest = eventsOf<CoGuestEvents>(coGuest);
  const onSeat = eventsOf<LiveSeatEvents>(seats);
  const isGuest = computed(() => me.value !== null && !me.value.isHost);

  async function attempt(doing: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (thrown) {
      report(thrown, doing);
    }
  }

  function apply(): Promise<void> {
    flow.isApplying = true;
    return attempt(t('guests.apply'), async () => {
      try {
        await coGuest.applyForSeat({ seatIndex: -1, timeout: PATIENCE });
      } catch (thrown) {
        flow.isApplying = false;
        throw thrown;
      }
    });
  }

  function cancel(): Promise<void> {
    flow.isApplying = false;
    return attempt(t('guests.cancel'), () => coGuest.cancelApplication());
  }

  function leave(): Promise<void> {
    return attempt(t('guests.leave'), () => coGuest.disConnect());
  }

  function answerInvitation(isAccepted: boolean): Promise<void> {
    const host = flow.invitation;
    flow.invitation = null;
    if (!host) return Promise.resolve();
    const inviterId = host.userId;
    return attempt(t('guests.askTitle'), () => (isAccepted ? coGuest.acceptInvitation({ inviterId }) : coGuest.rejectInvitation({ inviterId })));
  }

  function invite(userId: string): Promise<void> {
    return attempt(t('guests.invite'), () => coGuest.inviteToSeat({ userId, seatIndex: -1, timeout: PATIENCE }));
  }

  // A seat is not media: who sits opens the devices, and who does not sit any more closes them.
  watch(isGuest, (isSeated) => {
    flow.isApplying = false;
    if (isSeated) {
      toast(t('guests.accepted'), 'good');
      void openDevices();
    } else {
      void source.close();
    }
  });

  // Who has loaded the page again still sits there.
  if (isGuest.value) void openDevices();

  async function openDevices(): Promise<void> {
    const canCapture = window.isSecureContext && navigator.mediaDevices !== undefined;
    await attempt(t('studio.settings'), () => source.use(canCapture ? 'camera' : 'card', title.value));
  }

  onGuest(HostEvent.onGuestApplicationReceived, ({ guestUser }) => toast(t('guests.wants', { name: nameOf(guestUser) })));
  onGuest(HostEvent.onHostInvitationResponded, ({ isAccept, guestUser }) => toast(t(isAccept ? 'guests.theyAccepted' : 'guests.theyRejected', { name: nameOf(guestUser) }), isAccept ? 'good' : 'info'));
  onGuest(HostEvent.onHostInvitationNoResponse, ({ guestUser }) => toast(t('guests.noAnswer', { name: nameOf(guestUser) })));
  onGuest(GuestEvent.onHostInvitationReceived, ({ hostUser }) => (flow.invitation = hostUser));
  onGuest(GuestEvent.onHostInvitationCancelled, () => (flow.invitation = null));
  onGuest(GuestEvent.onGuestApplicationResponded, ({ isAccept }) => {
    flow.isApplying = false;
    if (!isAccept) toast(t('guests.rejected'));
  });
  onGuest(GuestEvent.onGuestApplicationNoResponse, () => {
    flow.isApplying = false;
    toast(t('guests.timeout'));
  });
  onGuest(GuestEvent.onKickedOffSeat, () => toast(t('guests.kicked'), 'bad'));
  onSeat(LiveSeatEvent.onLocalMicrophoneClosedByAdmin, () => toast(t('guests.hostClosedMic')));
  onSeat(LiveSeatEvent.onLocalCameraClosedByAdmin, () => toast(t('guests.hostClosedCam')));
  onSeat(LiveSeatEvent.onLocalMicrophoneOpenedByAdmin, () => toast(t('guests.hostOpenedMic')));
  onSeat(LiveSeatEvent.onLocalCameraOpenedByAdmin, () => toast(t('guests.hostOpenedCam')));

  return reactive({ flow, isGuest, applicants: coGuest.applicants, invitees: coGuest.invitees, apply, cancel, leave, answerInvitation, invite, attempt, coGuest, seats });
}

export type GuestFlow = ReturnType<typeof useGuestFlow>;

