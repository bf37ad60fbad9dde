// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createApp, defineComponent, h, nextTick, ref, type Ref, shallowRef } from 'vue';
import { useIdle } from './idle';

let isIdle: Readonly<Ref<boolean>>;
const isOn = ref(true);
const element = shallowRef<HTMLElement | null>(null);
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  vi.useFakeTimers();
  isOn.value = true;
  element.value = document.createElement('div');
  app = createApp(defineComponent({ setup: () => ((isIdle = useIdle(element, isOn)), () => h('p')) }));
  app.mount(document.createElement('div'));
});
afterEach(() => {
  app.unmount();
  vi.useRealTimers();
});

describe('a stage that nobody touches', () => {
  it('is idle after a while, and wakes with a movement', () => {
    vi.advanceTimersByTime(3_400);
    expect(isIdle.value).toBe(false);
    vi.advanceTimersByTime(200);
    expect(isIdle.value).toBe(true);
    element.value!.dispatchEvent(new Event('pointermove'));
    expect(isIdle.value).toBe(false);
    vi.advanceTimersByTime(3_600);
    expect(isIdle.value).toBe(true);
  });

  it('stays awake while a menu is open, and while it is not wanted', async () => {
    element.value!.innerHTML = '<button aria-expanded="true"></button>';
    vi.advanceTimersByTime(20_000);
    expect(isIdle.value).toBe(false);
    element.value!.innerHTML = '';
    vi.advanceTimersByTime(3_600);
    expect(isIdle.value).toBe(true);
    isOn.value = false;
    await nextTick();
    expect(isIdle.value).toBe(false);
    vi.advanceTimersByTime(20_000);
    expect(isIdle.value).toBe(false);
  });
});
