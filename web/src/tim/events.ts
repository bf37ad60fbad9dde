import { log } from '../log';
import type { TimEvent, TimEventData } from './types';

/** A handler of an event. */
export type Handler<N extends string = string> = (event: TimEvent<N>) => void;

interface Registration {
  handler: Handler<never>;
  context: unknown;
}

/** The events of an instance: handlers get `{name, data}`, in the order of their registration. */
export class TimEvents {
  readonly #handlers = new Map<string, Registration[]>();

  /** Registers a handler; `context` is its `this`. */
  on<N extends string>(name: N, handler: Handler<N>, context?: unknown): void {
    const list = this.#handlers.get(name) ?? [];
    this.#handlers.set(name, [...list, { handler, context }]);
  }

  /** Removes a handler, or all of an event; with a context only those that were registered with it. */
  off<N extends string>(name: N, handler?: Handler<N>, context?: unknown): void {
    const list = this.#handlers.get(name) ?? [];
    const stays = (one: Registration) =>
      (handler !== undefined && one.handler !== handler) || (context !== undefined && one.context !== context);
    this.#handlers.set(name, list.filter(stays));
  }

  /** Calls the handlers; one that throws is logged and stops nobody. */
  emit<N extends keyof TimEventData>(name: N, data: TimEventData[N]): void {
    for (const { handler, context } of this.#handlers.get(name) ?? []) {
      try {
        (handler as (this: unknown, event: { name: N; data: TimEventData[N] }) => void).call(context, { name, data });
      } catch (thrown) {
        log.error('tim', `a handler of ${name} has thrown`, thrown);
      }
    }
  }

  /** Removes all handlers. */
  clear(): void {
    this.#handlers.clear();
  }
}
