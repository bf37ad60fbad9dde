import { computed, reactive, type Ref, watch } from 'vue';
import { type CoHostEvents, ConnectionCode, CoHostEvent, type LiveInfo, type SeatUserInfo, useCoHostState, useLiveListState } from 'weblive/vue';
import { posterOf } from '../home/rooms';
import { i18n } from '../i18n';
import { report } from '../shell/problems';
import { toast } from '../ui/toasts';
import { eventsOf } from './events';

/** Seconds that another host has for an answer. */
const PATIENCE = 30;

/** Rooms in a page of candidates: as many as the state brings at once. */
const PAGE = 20;

/** Another host who is live, as the choice shows him. */
export interface Candidate {
  liveId: string;
  name: string;
  avatar: string;
  title: string;
  cover: string;
  viewers: number;
}

/** The texts for requests that could not be made. */
const REFUSALS: Partial<Record<ConnectionCode, string>> = {
  [ConnectionCode.RoomNotExist]: 'hosts.gone',
  [ConnectionCode.Connecting]: 'hosts.pending',
  [ConnectionCode.ConnectingOtherRoom]: 'hosts.elsewhere',
  [ConnectionCode.ConnectionFull]: 'hosts.full',
  [ConnectionCode.Retry]: 'hosts.later',
};

const nameOf = ({ userName, userId }: SeatUserInfo) => userName || userId;

/** How the host of a room comes together with the hosts of others, and what is said of it. `isOwner`: whose answer counts. */
export function useHostLink(live: Ref<LiveInfo>, isOwner: Ref<boolean>) {
  const t = i18n.global.t;
  const coHost = useCoHostState();
  const { connected, applicant, invitees, candidates, candidatesCursor, mutedHosts } = coHost;
  const list = useLiveListState();
  const { liveList } = list;
  const on = eventsOf<CoHostEvents>(coHost);
  const state = reactive({ isChoosing: false, isLooking: false, isKnown: false });
  const others = computed(() => connected.value.filter(({ liveId }) => liveId !== live.value.liveId));
  /** Whom nobody has to answer here: only the owner is asked. */
  const asking = computed(() => (isOwner.value ? applicant.value : null));
  const hosts = computed<Candidate[]>(() => {
    const rooms = new Map(liveList.value.map((one) => [one.liveId, one]));
    const isHere = new Set(others.value.map(({ liveId }) => liveId));
    return candidates.value.flatMap((host) => {
      const room = rooms.get(host.liveId);
      // A room that its host has left answers nobody.
      if (!room || room.currentViewerCount === 0 || isHere.has(host.liveId)) return [];
      const { title, cover, viewers } = posterOf(room);
      return [{ liveId: host.liveId, name: nameOf(host), avatar: host.avatarUrl, title, cover, viewers }];
    });
  });

  async function attempt(doing: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (thrown) {
      report(thrown, doing);
    }
  }

  /** Brings those who are live: the first ones, or the next. */
  async function look(cursor = ''): Promise<void> {
    state.isLooking = true;
    await attempt(t('hosts.connect'), async () => {
      await Promise.all([coHost.getCoHostCandidates(cursor), list.fetchLiveList({ count: PAGE, ...(cursor !== '' && { cursor }) })]);
      state.isKnown = true;
    });
    state.isLooking = false;
  }

  function choose(): void {
    state.isChoosing = true;
    void look();
  }

  function invite(host: Candidate): Promise<void> {
    return attempt(t('hosts.invite'), async () => {
      const codes = await coHost.requestHostConnection({ liveId: host.liveId, timeout: PATIENCE });
      const refusal = REFUSALS[codes.get(host.liveId) ?? ConnectionCode.Success];
      if (refusal !== undefined) toast(t(refusal, { name: host.name }), 'bad');
    });
  }

  const cancel = (liveId: string) => attempt(t('hosts.cancel'), () => coHost.cancelHostConnection({ liveId }));
  const exit = () => attempt(t('hosts.exit'), () => coHost.exitHostConnection());
  const setMuted = (liveId: string, isMuted: boolean) => attempt(t('hosts.mute'), () => coHost.muteRemoteHostAudio(liveId, isMuted));

  function answer(isAccepted: boolean): Promise<void> {
    const host = asking.value;
    if (!host) return Promise.resolve();
    const { liveId } = host;
    return attempt(t('hosts.askTitle'), () => (isAccepted ? coHost.acceptHostConnection({ liveId }) : coHost.rejectHostConnection({ liveId })));
  }

  watch(() => others.value.length, (count, before) => {
    if (count > before) state.isChoosing = false;
  });
  on(CoHostEvent.onCoHostRequestRejected, ({ invitee }) => isOwner.value && toast(t('hosts.rejected', { name: nameOf(invitee) })));
  on(CoHostEvent.onCoHostRequestTimeout, ({ invitee }) => {
    if (isOwner.value && invitee.liveId !== live.value.liveId) toast(t('hosts.noAnswer', { name: nameOf(invitee) }));
  });
  on(CoHostEvent.onCoHostUserJoined, ({ userInfo }) => toast(t('hosts.joined', { name: nameOf(userInfo) }), 'good'));
  on(CoHostEvent.onCoHostUserLeft, ({ userInfo }) => toast(t('hosts.left', { name: nameOf(userInfo) })));

  return reactive({ state, connected, others, asking, hosts, invitees, mutedHosts, cursor: candidatesCursor, look, choose, invite, cancel, exit, setMuted, answer });
}

export type HostLink = ReturnType<typeof useHostLink>;
