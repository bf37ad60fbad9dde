import { onBeforeUnmount, type Ref, ref, watch } from 'vue';
import type { Barrage } from 'weblive/vue';

/** Milliseconds between two messages that screen readers are told: a busy chat would not let them finish. */
const APART = 4_000;

/** The newest message in words, for a live region, thinned to one in a while. */
export function useSpokenChat(messages: Readonly<Ref<readonly Barrage[]>>, textOf: (message: Barrage) => string | null) {
  const spoken = ref('');
  let last = -APART;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let next: string | null = null;

  function say(): void {
    timer = undefined;
    if (next === null) return;
    spoken.value = next;
    next = null;
    last = performance.now();
  }

  watch(messages, (now, before) => {
    const newest = now.at(-1);
    // What was there on entering is read in the list.
    if (!newest || before.length === 0 || newest === before.at(-1)) return;
    next = textOf(newest) ?? next;
    if (next !== null) timer ??= setTimeout(say, Math.max(0, last + APART - performance.now()));
  });
  onBeforeUnmount(() => clearTimeout(timer));
  return { spoken };
}
