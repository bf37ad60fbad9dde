import { log } from './log';

/** The events of the interfaces that pages know: handlers get `{name, data}`, in the order of their registration. */
export class NamedEvents {
  readonly #handlers = new Map<string, { handler: NamedHandler; context: unknown }[]>();

  constructor(
    /** Who speaks, in the log. */
    readonly part: string,
  ) {}

  /** Registers a handler; `context` is its `this`. */
  on(name: string, handler: NamedHandler, context?: unknown): void {
    this.#handlers.set(name, [...this.#of(name), { handler, context }]);
  }

  /** Removes a handler, or all of an event; with a context only those that were registered with it. */
  off(name: string, handler?: NamedHandler, context?: unknown): void {
    const stays = (one: { handler: unknown; context: unknown }) => (handler && one.handler !== handler) || (context !== undefined && one.context !== context);
    this.#handlers.set(name, this.#of(name).filter(stays));
  }

  /** Calls the handlers; one that throws is logged and stops nobody. */
  emit(name: string, data: unknown): void {
    for (const { handler, context } of this.#of(name)) {
      try {
        handler.call(context, { name, data } as never);
      } catch (thrown) {
        log.error(this.part, `a handler of ${name} has thrown`, thrown);
      }
    }
  }

  /** Removes all handlers. */
  clear(): void {
    this.#handlers.clear();
  }

  #of(name: string) {
    return this.#handlers.get(name) ?? [];
  }
}

/** What handlers of an event are, whatever it carries. */
export type NamedHandler = (event: never) => void;
