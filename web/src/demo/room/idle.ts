import { onBeforeUnmount, onMounted, type Ref, ref, watch } from 'vue';

/** Milliseconds without a movement after which what lies over a picture goes away. */
const REST = 3_500;

/** Whether nobody has touched an element for a while; never while `isOn` is false, or a menu or a focused control is in it. */
export function useIdle(element: Readonly<Ref<HTMLElement | null>>, isOn: Ref<boolean>): Readonly<Ref<boolean>> {
  const isIdle = ref(false);
  let timer: ReturnType<typeof setTimeout> | undefined;

  function rest(): void {
    const isBusy = element.value?.querySelector('[aria-expanded=true], :focus-visible') != null;
    if (isOn.value && !isBusy) isIdle.value = true;
    else wake();
  }

  function wake(): void {
    isIdle.value = false;
    clearTimeout(timer);
    timer = setTimeout(rest, REST);
  }

  const EVENTS = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const;
  onMounted(() => {
    for (const event of EVENTS) element.value?.addEventListener(event, wake);
    wake();
  });
  watch(isOn, wake);
  onBeforeUnmount(() => {
    clearTimeout(timer);
    for (const event of EVENTS) element.value?.removeEventListener(event, wake);
  });
  return isIdle;
}
