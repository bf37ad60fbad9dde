import { createI18n } from 'vue-i18n';
import { keep, kept } from '../shell/keep';
import { en, type Messages } from './en';
import { ko } from './ko';
import { zh } from './zh';

/** The languages, each by its own name. */
export const LANGUAGES = [
  { code: 'en', name: 'English' },
  { code: 'zh', name: '中文' },
  { code: 'ko', name: '한국어' },
] as const;

export type Language = (typeof LANGUAGES)[number]['code'];

const isLanguage = (code: string | null): code is Language => LANGUAGES.some((one) => one.code === code);

/** The chosen language, else the browser's first one that we speak. */
function preferred(): Language {
  const chosen = kept('language');
  if (isLanguage(chosen)) return chosen;
  return navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage) ?? 'en';
}

export const i18n = createI18n<[Messages], Language, false>({ legacy: false, locale: preferred(), fallbackLocale: 'en', messages: { en, zh, ko } });

/** Speaks another language from now on, and remembers it. */
export function speak(language: Language): void {
  i18n.global.locale.value = language;
  keep('language', language);
  showLanguage();
}

/** Tells the browser and screen readers which language the page is in. */
export function showLanguage(): void {
  const code = i18n.global.locale.value;
  document.documentElement.lang = code === 'zh' ? 'zh-Hans' : code;
}
