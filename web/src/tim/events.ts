import type { NamedEvents } from '../named-events';
import type { TimEvent, TimEventData } from './types';

/** A handler of an event. */
export type Handler<N extends string = string> = (event: TimEvent<N>) => void;

/** The events of an instance. */
export interface TimEvents extends NamedEvents {
  emit<N extends keyof TimEventData>(name: N, data: TimEventData[N]): void;
}
