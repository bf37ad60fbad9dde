import { onBeforeUnmount, onMounted, type Ref } from 'vue';

/** Milliseconds that a finger rests. */
const LONG = 600;

/** Pixels that it may move meanwhile. */
const SLACK = 12;

/** Calls `then` for a long press on the element, not on the buttons over it. */
export function useLongPress(element: Readonly<Ref<HTMLElement | null>>, then: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let from = { x: 0, y: 0 };

  const stop = () => clearTimeout(timer);
  const onDown = (event: PointerEvent) => {
    stop();
    if (event.button !== 0 || (event.target as HTMLElement).closest('button, a, input, [role=menu], [role=group] button')) return;
    from = { x: event.clientX, y: event.clientY };
    timer = setTimeout(then, LONG);
  };
  const onMove = (event: PointerEvent) => {
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > SLACK) stop();
  };

  const events = { pointerdown: onDown, pointermove: onMove, pointerup: stop, pointercancel: stop, pointerleave: stop } as const;
  onMounted(() => {
    for (const [name, listener] of Object.entries(events)) element.value?.addEventListener(name, listener as EventListener);
  });
  onBeforeUnmount(() => {
    stop();
    for (const [name, listener] of Object.entries(events)) element.value?.removeEventListener(name, listener as EventListener);
  });
}
