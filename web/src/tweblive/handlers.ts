import { setLogLevel, type LogLevel } from '../log';
import { NamedEvents } from '../named-events';
import type { EventName } from './constants';
import type { EventData } from './event-data';

/** What a handler gets. */
export interface TWebLiveEvent<T = unknown> {
  name: EventName;
  data: T;
}

/** Called with `{name, data}`; what `data` is depends on the event. */
export type Handler<N extends string = string> = (event: TWebLiveEvent<N extends EventName ? EventData[N] : never>) => void;

/** What Pusher, Player and IM have in common: handlers and the log level. */
export abstract class Handlers {
  readonly #events = new NamedEvents('tweblive');

  /** Calls `handler` with `{name, data}` for each event, `this` being `context`. */
  on<N extends EventName | (string & {})>(event: N, handler: Handler<N>, context?: unknown): void {
    this.#events.on(event, handler, context);
  }

  /** Removes a handler, or all of an event; of several contexts only `context`, where it is given. */
  off<N extends EventName | (string & {})>(event: N, handler?: Handler<N>, context?: unknown): void {
    this.#events.off(event, handler, context);
  }

  /** How much is logged by all of the page: -1 trace, 0 debug, 1 info, 2 warnings, 3 errors, 4 nothing. */
  setLogLevel(level: number): void {
    setLogLevel(Math.min(5, Math.max(0, (Math.round(level) || 0) + 1)) as LogLevel);
  }

  protected emit(name: EventName, data?: unknown): void {
    this.#events.emit(name, data);
  }
}
