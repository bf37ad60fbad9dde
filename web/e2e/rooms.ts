import assert from 'node:assert/strict';
import type { ErrorBody, EventMessage, EventName, Published, RequestName, Results, RoomId, TrackKind } from '../src/protocol/messages';
import { LabBrowser, type LabPage, until } from './harness';
import type { Outcome, Reception, SendingPlan } from './lab/room';
import type { Fields, Who } from './lab/signal';

/** How long a state may take on a machine that has much else to do, in milliseconds. */
export const PATIENCE = 45_000;

/** An event of a name. */
export type EventOf<N extends EventName> = Extract<EventMessage, { event: N }>;

/** Opens a lab page and logs its user in. */
export async function enterAs(lab: LabBrowser, origin: string, who: Who): Promise<RoomPage> {
  const room = await openRoomPage(lab, origin, who.user ?? 'a guest');
  await room.logIn(who);
  return room;
}

/** Opens a lab page with a client of the server at `origin`. */
export async function openRoomPage(lab: LabBrowser, origin: string, user: string): Promise<RoomPage> {
  const page = await lab.page(user);
  await page.page.evaluate((url) => void (window.room = new window.RoomClient(url)), `${origin.replace(/^http/, 'ws')}/signal`);
  return new RoomPage(page, user);
}

/** A page with a session, seen from the test. */
export class RoomPage {
  readonly #events: EventMessage[] = [];

  constructor(
    readonly lab: LabPage,
    readonly user: string,
  ) {}

  /** Logs in; fails when that is refused. */
  logIn(who: Who): Promise<Results['login']> {
    return this.#granted('login', this.tryLogIn(who));
  }

  /** Logs in, or is refused. */
  tryLogIn(who: Who): Promise<Outcome<Results['login']>> {
    return this.lab.page.evaluate((who) => window.room.login(who), who);
  }

  /** Goes on with the session on another socket. */
  resume(): Promise<Results['resume']> {
    return this.#granted('resume', this.lab.page.evaluate(() => window.room.resume()));
  }

  /** A request that is carried out. */
  ask<T extends RequestName>(type: T, fields: Fields<T>): Promise<Results[T]> {
    return this.#granted(type, this.#outcome(type, fields));
  }

  /** A request that is refused, and why. */
  async refused<T extends RequestName>(type: T, fields: Fields<T>): Promise<ErrorBody> {
    return bodyOf(this.user, type, await this.#outcome(type, fields));
  }

  /** Publishes a test card. */
  publish(room: RoomId, card: SendingPlan, track: TrackKind = 'main'): Promise<Published> {
    return this.#granted('publish', this.#publish(room, card, track));
  }

  /** Tries to publish, and is refused. */
  async refusedToPublish(room: RoomId, card: SendingPlan, track: TrackKind = 'main'): Promise<ErrorBody> {
    return bodyOf(this.user, 'publish', await this.#publish(room, card, track));
  }

  /** All events of a name so far. */
  async events<N extends EventName>(name: N): Promise<EventOf<N>[]> {
    const from = this.#events.length;
    const fresh = await this.lab.page.evaluate((from) => window.room.signal.events.slice(from), from);
    // Another look may have come first.
    this.#events.push(...fresh.slice(this.#events.length - from));
    return this.#events.filter((event): event is EventOf<N> => event.event === name);
  }

  /** The number of the last event so far, for {@link event}. */
  lastSeq(): Promise<number> {
    return this.lab.page.evaluate(() => window.room.signal.lastSeq);
  }

  /** Waits for an event of a name, of which `accept` holds, behind the one numbered `after`. */
  async event<N extends EventName>(name: N, accept: (event: EventOf<N>) => boolean = () => true, after = 0): Promise<EventOf<N>> {
    const wanted = async () => (await this.events(name)).find((event) => event.seq > after && accept(event));
    try {
      return await until(`the event ${name}`, wanted, PATIENCE);
    } catch (error) {
      throw new Error(`${this.user}: ${(error as Error).message}; there were ${JSON.stringify(this.#events.filter(isShort).slice(-12))}`);
    }
  }

  /** Subscribes to somebody's camera and microphone once they are published; gives the stream's id. */
  async subscribe(room: RoomId, user: string): Promise<string> {
    await this.event('trackChanged', (event) => event.user === user && event.track === 'main' && event.publication !== null);
    return (await this.ask('subscribe', { room, user, track: 'main', audio: true, video: true })).stream;
  }

  /** What is seen of a stream. */
  async seen(stream: string): Promise<Reception | undefined> {
    return (await this.lab.page.evaluate(() => window.room.received()))[stream];
  }

  /** Waits until what is seen of a stream is accepted. */
  async sees(what: string, stream: string, accept: (seen: Reception) => boolean): Promise<Reception> {
    let last: Reception | undefined;
    try {
      return await until(what, async () => (last = await this.seen(stream)) && accept(last) && last, PATIENCE);
    } catch (error) {
      const errors = await this.lab.page.evaluate(() => window.room.errors);
      throw new Error(`${this.user}: ${(error as Error).message}; last seen ${JSON.stringify(last)}; errors ${JSON.stringify(errors)}`);
    }
  }

  /** Waits until picture and sound of a stream go on: readable frames of that width, and sound in their time. */
  async plays(stream: string, width: number, frames = 15): Promise<Reception> {
    const before = await this.seen(stream);
    const [readings, energy] = [before?.readings ?? 0, before?.audioEnergy ?? 0];
    return this.sees(`${frames} more frames of width ${width} with sound from ${stream}`, stream, (seen) => {
      return seen.isLive && seen.width === width && seen.readings >= readings + frames && seen.audioEnergy > energy;
    });
  }

  /** Waits until a stream's tracks are gone from the peer connection. */
  gone(stream: string): Promise<Reception> {
    return this.sees(`the end of ${stream}`, stream, (seen) => !seen.isLive);
  }

  /** Fails if anything went wrong that the test has not asked for. `expected`: lines of the browser that it has. */
  async assertClean(expected?: RegExp): Promise<void> {
    const { errors, hole } = await this.lab.page.evaluate(() => ({ errors: window.room.errors, hole: window.room.signal.hole }));
    assert.deepEqual(errors, [], `${this.user}'s client`);
    assert.equal(hole, null, `${this.user}'s events`);
    assert.deepEqual(this.lab.said.filter((line) => !expected?.test(line)), [], `${this.user}'s console`);
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  #outcome<T extends RequestName>(type: T, fields: Fields<T>): Promise<Outcome<Results[T]>> {
    // The page's own types are lost on the way there and back.
    const asked = this.lab.page.evaluate(([type, fields]) => window.room.ask(type as 'ping', fields as Fields<'ping'>), [type, fields] as const);
    return asked as unknown as Promise<Outcome<Results[T]>>;
  }

  #publish(room: RoomId, card: SendingPlan, track: TrackKind): Promise<Outcome<Published>> {
    return this.lab.page.evaluate(([room, track, card]) => window.room.publish(room, track, card), [room, track, { title: this.user, ...card }] as const);
  }

  async #granted<T>(type: RequestName, asked: Promise<Outcome<T>>): Promise<T> {
    const outcome = await asked;
    if ('refused' in outcome) throw new Error(`${this.user}: ${type} is refused: ${JSON.stringify(outcome.refused)}`);
    return outcome.result;
  }
}

function bodyOf(user: string, type: RequestName, outcome: Outcome<unknown>): ErrorBody {
  assert.ok('refused' in outcome, `${user}: ${type} is not refused: ${JSON.stringify(outcome)}`);
  return outcome.refused;
}

const isShort = (event: EventMessage) => event.event !== 'offer' && event.event !== 'volumes' && event.event !== 'networkQuality';
