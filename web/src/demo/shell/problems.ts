import { WebliveError } from 'weblive';
import { i18n } from '../i18n';
import { toast } from '../ui/toasts';

/** What went wrong and what to do about it, in one text. */
export function adviceOf(thrown: unknown, doing: string): string {
  const { what, advice } = wordsOf(thrown);
  return advice === '' ? `${doing}: ${what}` : `${doing}: ${what} ${advice}`;
}

/** Says in passing that something went wrong, and what to do about it. */
export function report(thrown: unknown, doing: string): void {
  const { what, advice } = wordsOf(thrown);
  toast(`${doing}: ${what}`, 'bad', advice);
}

/** Our own words where there are some, for the reason or for the kind; else those of the SDK, which speak to developers. */
function wordsOf(thrown: unknown): { what: string; advice: string } {
  if (!(thrown instanceof WebliveError)) return { what: thrown instanceof Error ? thrown.message : String(thrown), advice: '' };
  const { t, te } = i18n.global;
  const own = [thrown.reason, thrown.type].map((word) => `trouble.${word}`).find((key) => te(key, 'en'));
  return own === undefined ? { what: plain(thrown.message), advice: thrown.advice } : { what: t(own), advice: '' };
}

/** Sentences of the SDK begin with the call that failed: people need not read that. */
function plain(message: string): string {
  const text = message.replace(/^[a-z]+[A-Za-z]*: /, '');
  return /[.!?。]$/.test(text) ? text : `${text}.`;
}
