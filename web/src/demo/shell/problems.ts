import { WebliveError } from 'weblive';
import { toast } from '../ui/toasts';

/** What went wrong and what to do about it, in one text. */
export function adviceOf(thrown: unknown, doing: string): string {
  if (thrown instanceof WebliveError) return `${doing}: ${plain(thrown.message)} ${thrown.advice}`;
  return `${doing}: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
}

/** Says in passing that something went wrong, and what to do about it. */
export function report(thrown: unknown, doing: string): void {
  if (thrown instanceof WebliveError) toast(`${doing}: ${plain(thrown.message)}`, 'bad', thrown.advice);
  else toast(`${doing}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, 'bad');
}

/** Sentences of the SDK begin with the call that failed: people need not read that. */
function plain(message: string): string {
  const text = message.replace(/^[a-z]+[A-Za-z]*: /, '');
  return /[.!?。]$/.test(text) ? text : `${text}.`;
}
