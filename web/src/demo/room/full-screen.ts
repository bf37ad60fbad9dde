import { onBeforeUnmount, onMounted, type Ref, ref } from 'vue';

/** Lets an element fill the screen, or a video in it where the browser can do no more. */
export function useFullScreen(element: Readonly<Ref<HTMLElement | null>>) {
  const isFull = ref(false);

  function toggle(): void {
    const done = document.fullscreenElement ? document.exitFullscreen() : element.value?.requestFullscreen?.();
    if (done) return void done.catch(() => fillWithVideo());
    fillWithVideo();
  }

  /** Phones of one maker have no full screen but that of a video. */
  function fillWithVideo(): void {
    const video = element.value?.querySelector('video') as (HTMLVideoElement & { webkitEnterFullscreen?: () => void }) | null;
    video?.webkitEnterFullscreen?.();
  }

  const onChange = () => (isFull.value = document.fullscreenElement !== null);
  onMounted(() => document.addEventListener('fullscreenchange', onChange));
  onBeforeUnmount(() => document.removeEventListener('fullscreenchange', onChange));
  return { isFull, toggle };
}
