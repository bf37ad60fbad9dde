import { computed, ref, type Ref, watch } from 'vue';
import { type NetworkInfo, useDeviceState, useLiveSeatState } from 'weblive/vue';
import { PROFILES, type Profile, useSource } from '../golive/source';
import { Weakness } from './weakness';

/** What one sends oneself, and whether the network carries it. */
export function useOwnHealth(userId: Ref<string>) {
  const { avStatistics, networkQualities } = useLiveSeatState();
  const { localVideoTrack } = useDeviceState();
  const { state, setProfile } = useSource();
  const sent = computed(() => avStatistics.value.find(({ userID }) => userID === '') ?? null);
  const network = computed<NetworkInfo | null>(() => networkQualities.value.get(userId.value) ?? null);
  const weakness = new Weakness();
  const isWeak = ref(false);
  /** The next smaller picture; null where there is none, or where its size is not ours to choose. */
  const smaller = computed<Profile | null>(() => {
    if (state.kind === 'screen' || localVideoTrack.value === null) return null;
    return PROFILES[PROFILES.indexOf(state.profile) - 1] ?? null;
  });

  watch(network, (now) => (isWeak.value = weakness.take(now)));

  return { sent, network, isWeak, smaller, setProfile };
}
