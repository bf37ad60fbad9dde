import { shared } from './page';

/** How much is logged: 0 trace, 1 debug, 2 info, 3 warnings, 4 errors, 5 nothing. */
export type LogLevel = 0 | 1 | 2 | 3 | 4 | 5;

const shown = shared<{ level: LogLevel }>('log', () => ({ level: 3 }));

/** Sets how much is written to the console; all of this library on the page share it. */
export function setLogLevel(next: LogLevel): void {
  shown.level = next;
}

const writer = (at: LogLevel, write: (...parts: unknown[]) => void) => (part: string, ...rest: unknown[]) => {
  if (at >= shown.level) write(`[weblive ${part}]`, ...rest);
};

/** Writes to the console, with the part of the library that speaks. Tokens never go in here. */
export const log = {
  trace: writer(0, console.debug),
  debug: writer(1, console.debug),
  info: writer(2, console.info),
  warn: writer(3, console.warn),
  error: writer(4, console.error),
};
