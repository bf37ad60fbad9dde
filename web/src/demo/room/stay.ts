import { computed, onBeforeUnmount, reactive, ref, watch } from 'vue';
import { LiveEndedReason, LiveKickedOutReason, LiveListEvent, type LiveListEvents, useLikeState, useLiveAudienceState, useLiveListState } from 'weblive/vue';
import { WebliveError } from 'weblive';
import { i18n } from '../i18n';
import { adviceOf } from '../shell/problems';
import { useSession } from '../shell/session';
import { eventsOf } from './events';

/**
 * - `joining`: on the way in.
 * - `in`: inside.
 * - `ended`: the show is over.
 * - `gone`: out of the room, because of somebody or something; `goneBy` says of what.
 * - `missing`: there is no such room.
 * - `failed`: could not go in; `problem` says why.
 */
export type Phase = 'joining' | 'in' | 'ended' | 'gone' | 'missing' | 'failed';

/** Why one is out of a room; the words for it are `room.gone.*`. */
export type GoneBy = 'kicked' | 'elsewhere' | 'network' | 'server';

/** What is remembered of a room when it is over. */
export interface Summary {
  title: string;
  host: string;
  /** Who has come, without the host. */
  total: number;
  likes: number;
  /** Seconds. */
  lasted: number;
  wasHost: boolean;
}

/** As many as are counted one by one. */
const MOST_VISITORS = 10_000;

/** Goes into a room, stays as long as the component is there, and tells how it ends. */
export function useStay(liveId: string) {
  const t = i18n.global.t;
  const session = useSession();
  const list = useLiveListState();
  const { currentLive } = list;
  const { totalLikeCount } = useLikeState();
  const { audienceList } = useLiveAudienceState();
  const phase = ref<Phase>('joining');
  const goneBy = ref<GoneBy>('server');
  const problem = ref('');
  const summary = reactive<Summary>({ title: '', host: '', total: 0, likes: 0, lasted: 0, wasHost: false });
  /** Who was seen here: the server tells of the sum only now and then. */
  const visitors = new Set<string>();
  const isOwner = computed(() => currentLive.value !== null && currentLive.value.liveOwner.userId === session.person.userId);
  const isAdmin = computed(() => audienceList.value.some(({ userId, userRole }) => userId === session.person.userId && userRole === 1));
  /** Hosts moderate: the owner and the administrators. */
  const isHost = computed(() => isOwner.value || isAdmin.value);
  let isHere = true;

  async function enter(): Promise<void> {
    phase.value = 'joining';
    problem.value = '';
    try {
      if (!(await session.ready())) return fail(session.problem || t('sign.needed'));
      const before = currentLive.value;
      if (before && before.liveId !== liveId) await list.leaveLive();
      if (before?.liveId !== liveId) await list.joinLive({ liveId });
      // Left while it was under way.
      if (!isHere) return void list.leaveLive();
      phase.value = 'in';
    } catch (thrown) {
      if (!isHere) return;
      if (thrown instanceof WebliveError && thrown.reason === 'noSuchRoom') phase.value = 'missing';
      else fail(adviceOf(thrown, t('room.failed')));
    }
  }

  function fail(text: string): void {
    phase.value = 'failed';
    problem.value = text;
  }

  async function end(): Promise<void> {
    remember();
    await list.endLive();
    phase.value = 'ended';
  }

  /** Keeps what there is to say of the room, before it is gone. */
  function remember(): void {
    const live = currentLive.value;
    if (!live) return;
    const lasted = live.createTime > 0 ? Math.max(0, Math.round(Date.now() / 1000 - live.createTime)) : 0;
    const total = Math.max(live.totalViewerCount - 1, visitors.size);
    Object.assign(summary, {
      title: live.liveName, host: live.liveOwner.userName || live.liveOwner.userId, total, likes: totalLikeCount.value, lasted, wasHost: isOwner.value,
    });
  }

  const on = eventsOf<LiveListEvents>(list);
  on(LiveListEvent.onLiveEnded, ({ liveId: ended, reason }) => {
    if (ended !== liveId) return;
    phase.value = 'ended';
    if (reason === LiveEndedReason.endedByServer) goneBy.value = 'server';
  });
  on(LiveListEvent.onKickedOutOfLive, ({ liveId: left, reason }) => {
    if (left !== liveId) return;
    const { byAdmin, byLoggedOnOtherDevice, byServer } = LiveKickedOutReason;
    goneBy.value = reason === byAdmin ? 'kicked' : reason === byLoggedOnOtherDevice ? 'elsewhere' : reason === byServer ? 'server' : 'network';
    phase.value = 'gone';
  });
  watch(audienceList, (people) => {
    for (const { userId } of people) if (visitors.size < MOST_VISITORS && userId !== currentLive.value?.liveOwner.userId) visitors.add(userId);
  }, { immediate: true });
  watch([currentLive, totalLikeCount, audienceList], () => phase.value === 'in' && remember());
  watch(() => session.status, (status, before) => {
    if (status === 'in' && before !== 'in' && (phase.value === 'failed' || phase.value === 'gone')) void enter();
  });

  onBeforeUnmount(() => {
    isHere = false;
    if (phase.value !== 'in') return;
    // The owner of a room cannot go and leave it: going is its end.
    void (isOwner.value ? list.endLive() : list.leaveLive()).catch(() => undefined);
  });

  void enter();
  return { phase, goneBy, problem, summary, live: currentLive, isOwner, isHost, enter, end };
}

export type Stay = ReturnType<typeof useStay>;
