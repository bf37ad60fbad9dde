import { onBeforeUnmount } from 'vue';

interface Subscribable<Events extends object> {
  subscribeEvent: <K extends keyof Events>(event: K, callback: (info: Events[K]) => void) => void;
  unsubscribeEvent: <K extends keyof Events>(event: K, callback: (info: Events[K]) => void) => void;
}

/** Gives what subscribes to the events of a state for as long as the component is there. */
export function eventsOf<Events extends object>(state: Subscribable<Events>) {
  return <K extends keyof Events>(event: K, callback: (info: Events[K]) => void): void => {
    state.subscribeEvent(event, callback);
    onBeforeUnmount(() => state.unsubscribeEvent(event, callback));
  };
}
