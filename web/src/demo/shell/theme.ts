import { ref } from 'vue';
import { keep, kept } from './keep';

export const THEMES = ['system', 'light', 'dark'] as const;

export type Theme = (typeof THEMES)[number];

const stored = kept('theme');

/** What was chosen; `system` follows the system. */
export const theme = ref<Theme>(THEMES.find((one) => one === stored) ?? 'system');

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  keep('theme', chosen);
  showTheme();
}

export function showTheme(): void {
  if (theme.value === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.value;
}
