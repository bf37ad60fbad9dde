import { log, setLogLevel, type LogLevel } from '../log';
import type { EventName } from './constants';

/** What a handler gets. */
export interface TWebLiveEvent<T = unknown> {
  name: EventName;
  data: T;
}

/** Called with `{name, data}`. */
export type Handler = (event: TWebLiveEvent<never>) => void;

/** What Pusher, Player and IM have in common: handlers and the log level. */
export abstract class Handlers {
  readonly #handlers = new Map<string, { handler: Handler; context: unknown }[]>();

  /** Calls `handler` with `{name, data}` for each event, `this` being `context`. */
  on(event: EventName | (string & {}), handler: Handler, context?: unknown): void {
    const all = this.#handlers.get(event) ?? [];
    this.#handlers.set(event, [...all, { handler, context }]);
  }

  /** Removes a handler; of several contexts only `context`, where it is given. */
  off(event: EventName | (string & {}), handler: Handler, context?: unknown): void {
    const all = this.#handlers.get(event) ?? [];
    this.#handlers.set(event, all.filter((one) => one.handler !== handler || (context !== undefined && one.context !== context)));
  }

  /** How much is logged by all of the page: -1 trace, 0 debug, 1 info, 2 warnings, 3 errors, 4 nothing. */
  setLogLevel(level: number): void {
    setLogLevel(Math.min(5, Math.max(0, Math.round(level) + 1)) as LogLevel);
  }

  protected emit(name: EventName, data?: unknown): void {
    for (const { handler, context } of this.#handlers.get(name) ?? []) {
      try {
        handler.call(context, { name, data: data as never });
      } catch (thrown) {
        log.error('tweblive', `a handler of ${name} has thrown`, thrown);
      }
    }
  }
}
