import { log } from '../log';

type Handler = (event: never) => void;

/** Handlers of a page by event. One that throws is logged and stops nobody. */
export class Listeners<Events extends object> {
  readonly #handlers = new Map<keyof Events, Map<Handler, Handler>>();

  /** Handlers run in the order of registration; `context` becomes their `this`. */
  on<K extends keyof Events>(event: K, handler: (event: Events[K]) => void, context?: unknown): void {
    let handlers = this.#handlers.get(event);
    if (!handlers) this.#handlers.set(event, (handlers = new Map()));
    handlers.set(handler as Handler, (context === undefined ? handler : handler.bind(context)) as Handler);
  }

  /** Removes a handler; all of an event without one; all of all events for `'*'`. */
  off<K extends keyof Events>(event: K | '*', handler?: (event: Events[K]) => void): void {
    if (event === '*') this.#handlers.clear();
    else if (handler) this.#handlers.get(event)?.delete(handler as Handler);
    else this.#handlers.delete(event);
  }

  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    for (const handler of [...(this.#handlers.get(event)?.values() ?? [])]) {
      try {
        (handler as (event: Events[K]) => void)(value);
      } catch (thrown) {
        log.error('event', `a handler of ${String(event)} has thrown`, thrown);
      }
    }
  }
}
