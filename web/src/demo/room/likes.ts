import { onBeforeUnmount } from 'vue';
import { useLikeState } from 'weblive/vue';
import { i18n } from '../i18n';
import { report } from '../shell/problems';

/** Milliseconds in which taps are gathered into one request. */
const GATHER = 400;

/** Most likes in one request. */
const MOST = 50;

/** Likes by taps: each is seen at once, and told to the server together with its neighbours. */
export function useLikes(onTap: (count: number) => void) {
  const { sendLikes } = useLikeState();
  let count = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const sending = Math.min(MOST, count);
    count = 0;
    if (sending > 0) sendLikes({ count: sending }).catch((thrown: unknown) => report(thrown, i18n.global.t('room.like')));
  }

  function like(): void {
    count += 1;
    onTap(1);
    timer ??= setTimeout(flush, GATHER);
  }

  onBeforeUnmount(() => clearTimeout(timer));
  return { like };
}
