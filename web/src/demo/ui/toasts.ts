import { reactive } from 'vue';

/** What a toast says, and how urgent it is. */
export interface Toast {
  id: number;
  tone: 'info' | 'good' | 'bad';
  text: string;
  /** What to do about it. */
  advice: string;
}

/** Toasts at once: an older one makes place. */
const MOST = 4;

/** Milliseconds that a toast stays; one with bad news stays longer. */
const STAY = { info: 4_500, good: 3_500, bad: 9_000 } as const;

export const toasts = reactive<Toast[]>([]);

let last = 0;

/** Says something in passing. The same words are not said twice at once. */
export function toast(text: string, tone: Toast['tone'] = 'info', advice = ''): void {
  if (toasts.some((shown) => shown.text === text)) return;
  last += 1;
  const id = last;
  toasts.push({ id, tone, text, advice });
  if (toasts.length > MOST) toasts.shift();
  setTimeout(() => dismissToast(id), STAY[tone]);
}

export function dismissToast(id: number): void {
  const at = toasts.findIndex((shown) => shown.id === id);
  if (at >= 0) toasts.splice(at, 1);
}
