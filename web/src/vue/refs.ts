import { getCurrentScope, onScopeDispose, type ShallowRef, shallowRef } from 'vue';
import type { Store } from '../live';

/**
 * A store as a ref. Inside of a component it listens as long as the component lives; elsewhere all share one that
 * listens for good.
 */
export function refOf<T>(store: Store<T>): Readonly<ShallowRef<T>> {
  if (!getCurrentScope()) {
    let ref = lasting.get(store) as ShallowRef<T> | undefined;
    if (!ref) lasting.set(store, (ref = follow(store).ref));
    return ref;
  }
  const { ref, end } = follow(store);
  onScopeDispose(end);
  return ref;
}

function follow<T>(store: Store<T>): { ref: ShallowRef<T>; end: () => void } {
  const ref = shallowRef(store.value) as ShallowRef<T>;
  return { ref, end: store.subscribe((value) => (ref.value = value)) };
}

const lasting = new WeakMap<object, unknown>();

/** A state with its stores as refs. */
export type Refs<S> = { readonly [K in keyof S as S[K] extends ((...args: never[]) => unknown) | Store<unknown> ? K : never]: S[K] extends Store<infer T> ? Readonly<ShallowRef<T>> : S[K] };

/** The stores of a state as refs, made as they are asked for: what costs something is measured only for those who look. */
export function withRefs<S extends object>(state: S): Refs<S> {
  return new Proxy(state, READ) as unknown as Refs<S>;
}

const READ: ProxyHandler<object> = {
  get(state, name) {
    // Its own fields are private to it: it is read as itself.
    const value: unknown = Reflect.get(state, name, state);
    if (isStore(value)) return refOf(value);
    return typeof value === 'function' ? (value.bind(state) as unknown) : value;
  },
  // Pages spread what a composable gives, to hand it on with more of their own.
  ownKeys: (state) => [...Reflect.ownKeys(state), ...storesOf(state)],
  getOwnPropertyDescriptor: (state, name) => Reflect.getOwnPropertyDescriptor(state, name) ?? (storesOf(state).includes(name)
    ? { configurable: true, enumerable: true, get: () => refOf(Reflect.get(state, name, state) as Store<unknown>) }
    : undefined),
};

function storesOf(state: object): (string | symbol)[] {
  return Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(state))).filter((name) => isStore(Reflect.get(state, name, state)));
}

function isStore(value: unknown): value is Store<unknown> {
  return typeof value === 'object' && value !== null && 'subscribe' in value && typeof value.subscribe === 'function';
}
