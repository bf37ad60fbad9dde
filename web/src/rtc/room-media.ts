import { Emitter } from '../emitter';
import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { CoHostView, Entered, MemberView, Role, RoomId, TrackKind, UserId } from '../protocol/messages';
import type { ConnectionState, Session } from '../signal/session';
import { LocalPublication, type PublishOptions } from './publication';
import { Receiver } from './receiver';
import type { Reception } from './reception';
import type { EnterOptions, RoomMediaEvents, Target, Wanted } from './room-events';
import { Roster } from './roster';

export type { EnterOptions, NetworkQuality, RoomMediaEvents, Target, Wanted } from './room-events';

interface Subscription {
  target: Required<Target>;
  wanted: Wanted;
  reception: Reception;
}

/**
 * The media of one room: who is in it, what they publish, what one publishes and receives oneself. After a lost
 * session it enters again, publishes again and subscribes again by itself.
 */
export class RoomMedia extends Emitter<RoomMediaEvents> {
  readonly #roster: Roster;
  readonly #publications = new Map<TrackKind, LocalPublication>();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #receiver: Receiver;
  #state: ConnectionState = 'closed';
  #role: Role = 'audience';
  #options: EnterOptions = {};
  #volumeInterval = 0;
  /** Counts the times that the room had to be entered again. */
  #renewals = 0;
  #isRenewing = false;
  #hasReceivingFailed = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #offs: (() => void)[] = [];

  constructor(
    readonly session: Session,
    readonly room: RoomId,
  ) {
    super();
    this.#receiver = Receiver.of(session);
    this.#roster = new Roster(session, room);
    this.#roster.on('anchorEntered', (anchor) => this.emit('anchorEntered', anchor));
    this.#roster.on('anchorLeft', (left) => this.emit('anchorLeft', left));
    this.#roster.on('coHosts', (coHosts) => this.emit('coHosts', coHosts));
    this.#roster.on('publication', (change) => {
      if (change.publication === null) this.#forget(keyOf(change));
      this.emit('publication', change);
    });
  }

  /** `closed` before {@link enter} and after {@link leave}. */
  get state(): ConnectionState {
    return this.#state;
  }

  get role(): Role {
    return this.#role;
  }

  /** The other anchors, by user. */
  get anchors(): ReadonlyMap<UserId, MemberView> {
    return this.#roster.anchors;
  }

  /** The rooms that are connected with this one. */
  get coHosts(): readonly CoHostView[] {
    return this.#roster.coHosts;
  }

  /** What one publishes. */
  publication(track: TrackKind): LocalPublication | null {
    return this.#publications.get(track) ?? null;
  }

  /** The receiving peer connection, for statistics. */
  get receiver(): Receiver {
    return this.#receiver;
  }

  /** Goes in. Rejects with a {@link WebliveError}, and is outside then. */
  async enter(options: EnterOptions = {}): Promise<Entered> {
    if (this.#state !== 'closed') throw new WebliveError('state', `room ${this.room}: entered already`, false);
    this.#options = options;
    this.#listen();
    this.#setState('connecting');
    const stay = this.#renewals;
    try {
      const entered = await this.#request();
      // Who has left meanwhile, or was thrown out, stays out.
      if (stay !== this.#renewals || (this.#state as ConnectionState) === 'closed') throw new WebliveError('state', `room ${this.room}: left meanwhile`, false);
      this.#setState(this.session.state === 'connected' ? 'connected' : 'reconnecting');
      this.#take(entered);
      return entered;
    } catch (thrown) {
      if (stay === this.#renewals) this.#out();
      throw toWebliveError(thrown, 'enter');
    }
  }

  /** Goes out; what one publishes ends. */
  async leave(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#out();
    if (this.session.state === 'closed') return;
    const left = this.session.request('leaveRoom', { room: this.room, part: 'media' }, { timeout: 3_000 });
    await left.catch((error: WebliveError) => log.debug('room', error.message));
  }

  /** Becomes an anchor or audience; as audience one publishes nothing. */
  async switchRole(role: Role): Promise<void> {
    this.#mustBeIn('switchRole');
    await this.session.request('switchRole', { room: this.room, role });
    if (this.#state !== 'closed') this.#setRole(role);
  }

  /** Brings a new PrivateMapKey. */
  async updatePrivateMapKey(privateMapKey: string): Promise<void> {
    this.#options = { ...this.#options, privateMapKey };
    if (this.#state !== 'closed') await this.session.request('updatePrivateMapKey', { room: this.room, privateMapKey });
  }

  /** Publishes tracks; at most one of a kind. Resolves when the server has answered. */
  async publish(track: TrackKind, tracks: MediaStreamTrack[], options: PublishOptions = {}): Promise<LocalPublication> {
    this.#mustBeIn('publish');
    if (this.#publications.has(track)) throw new WebliveError('state', `publish: ${track} is published already`, false);
    const publication = new LocalPublication(this.session, this.room, track, tracks, options);
    this.#publications.set(track, publication);
    publication.on('state', (state) => {
      if (state === 'closed' && this.#publications.get(track) === publication) this.#publications.delete(track);
    });
    await publication.start();
    return publication;
  }

  /** Ends what one publishes. */
  async unpublish(track: TrackKind): Promise<void> {
    await this.#publications.get(track)?.stop();
  }

  /** Receives a publication, or changes what of it. The tracks come with the reception's `track` events. */
  async subscribe(target: Target, wanted: Wanted): Promise<Reception> {
    this.#mustBeIn('subscribe');
    const full = this.#full(target);
    const { stream } = await this.session.request('subscribe', { ...full, ...wanted });
    if ((this.#state as ConnectionState) === 'closed') throw new WebliveError('state', `room ${this.room}: left meanwhile`, false);
    const reception = this.#receiver.reception(stream);
    const others = [...this.#subscriptions.values()].filter((other) => keyOf(other.target) !== keyOf(full));
    this.#subscriptions.set(keyOf(full), { target: full, wanted, reception });
    if (this.#hasReceivingFailed) void this.#resubscribe(others);
    this.#hasReceivingFailed = false;
    return reception;
  }

  /** Receives a publication no longer. */
  async unsubscribe(target: Target): Promise<void> {
    const full = this.#full(target);
    this.#forget(keyOf(full));
    if (this.#state !== 'closed') await this.session.request('unsubscribe', full).catch(ignoreGone);
  }

  /** Wants {@link RoomMediaEvents.volumes} every `interval` milliseconds; 0 ends it. */
  async listenVolumes(interval: number): Promise<void> {
    this.#volumeInterval = interval;
    if (this.#state !== 'closed') await this.session.request('listenVolumes', { room: this.room, intervalMs: interval });
  }

  #request(): Promise<Entered> {
    return this.session.request('enterRoom', { room: this.room, part: 'media', ...this.#options });
  }

  #take(entered: Entered): void {
    this.#setRole(entered.role ?? 'audience');
    this.#roster.take(entered.anchors, entered.coHosts);
    this.emit('entered', entered);
  }

  /** The server knows of nothing any more. What one publishes waits until the room is entered again. */
  #onRenewed(): void {
    if (this.#state === 'connecting') return;
    this.#renewals += 1;
    this.#isRenewing = true;
    this.#setState('reconnecting');
    for (const publication of this.#publications.values()) publication.hold();
    void this.#renew(this.#renewals, 1);
  }

  async #renew(renewal: number, tries: number): Promise<void> {
    const isOld = () => renewal !== this.#renewals || this.#state === 'closed';
    clearTimeout(this.#retryTimer);
    let entered: Entered;
    try {
      entered = await this.#request();
    } catch (thrown) {
      if (isOld()) return;
      const error = toWebliveError(thrown, `room ${this.room}: entering again`);
      const isPassing = PASSING.has(error.type) || (this.#options.existing && error.reason === 'noSuchRoom');
      if (!isPassing || (error.type !== 'network' && tries >= MAX_TRIES)) return this.#fail(error);
      // A lost session brings another renewal; anything else has to be tried again.
      this.#retryTimer = setTimeout(() => void this.#renew(renewal, tries + 1), error.retryAfterMs ?? RETRY_PAUSE);
      return;
    }
    if (isOld()) return;
    const wanted = [...this.#subscriptions.values()];
    this.#isRenewing = false;
    this.#hasReceivingFailed = false;
    this.#setState(this.session.state === 'connected' ? 'connected' : 'reconnecting');
    this.#take(entered);
    for (const publication of this.#publications.values()) publication.restart();
    await this.#resubscribe(wanted);
    if (this.#volumeInterval > 0 && !isOld()) await this.listenVolumes(this.#volumeInterval).catch((error: WebliveError) => log.warn('room', error.message));
  }

  /** Subscribes to the same things again, those that have ended meanwhile apart. */
  async #resubscribe(subscriptions: Subscription[]): Promise<void> {
    const asked = subscriptions.map(async (subscription) => {
      const key = keyOf(subscription.target);
      const isWanted = () => this.#subscriptions.get(key) === subscription;
      if (!isWanted()) return;
      try {
        const { stream } = await this.session.request('subscribe', { ...subscription.target, ...subscription.wanted }, { timeout: RESUBSCRIBE_TIMEOUT });
        if (stream !== subscription.reception.id) log.warn('room', `${subscription.reception.id} goes on as ${stream}`);
      } catch (thrown) {
        const error = toWebliveError(thrown, 'subscribe');
        // A session that is lost meanwhile comes here again.
        if (!isWanted() || error.type === 'network') return;
        log.warn('room', error.message);
        this.#forget(key);
      }
    });
    await Promise.all(asked);
  }

  #listen(): void {
    const { session, room } = this;
    const here = <E extends { room: RoomId }>(then: (event: E) => void) => (event: E) => event.room === room && then(event);
    this.#offs = [
      this.#roster.listen(),
      session.onEvent('roleChanged', here(({ role }) => this.#setRole(role))),
      session.onEvent('removed', here(({ reason, by, message }) => {
        this.#out();
        this.emit('removed', { reason, by, message });
      })),
      session.onEvent('volumes', here(({ volumes }) => this.emit('volumes', volumes))),
      session.onEvent('activeSpeaker', here(({ user }) => this.emit('activeSpeaker', user))),
      session.onEvent('networkQuality', ({ seq: _, type: __, event: ___, ...quality }) => this.emit('quality', quality)),
      session.on('state', ({ state }) => {
        // `closed` has a listener of its own, which knows why.
        const isTold = this.#state === 'connecting' || state === 'closed' || (this.#isRenewing && state === 'connected');
        if (!isTold) this.#setState(state);
      }),
      session.on('renewed', () => this.#onRenewed()),
      session.on('closed', ({ reason, error }) => {
        this.#out();
        if (reason === 'replaced') this.emit('removed', { reason: 'banned', by: 'user', message: error?.message ?? 'the same user has logged in elsewhere' });
        else if (error) this.emit('error', error);
      }),
      this.#receiver.on('lost', () => void this.#resubscribe([...this.#subscriptions.values()])),
      this.#receiver.on('error', (error) => {
        if (!error.fatal) return;
        this.#hasReceivingFailed = true;
        this.emit('receivingFailed', error);
      }),
      onPageHide(() => this.#onPageHide()),
    ];
  }

  /** Others would look at a frozen picture until the server misses the page. Its place and seat are kept. */
  #onPageHide(): void {
    for (const publication of [...this.#publications.values()]) void publication.stop();
  }

  #setRole(role: Role): void {
    if (this.#options.role !== role) this.#options = { ...this.#options, role };
    if (role === 'audience') for (const publication of [...this.#publications.values()]) publication.drop();
    if (this.#role === role) return;
    this.#role = role;
    this.emit('role', role);
  }

  #forget(key: string): void {
    const subscription = this.#subscriptions.get(key);
    this.#subscriptions.delete(key);
    if (subscription) this.#receiver.forget(subscription.reception.id);
  }

  #full({ user, track, room }: Target): Required<Target> {
    return { user, track, room: room ?? this.room };
  }

  #mustBeIn(doing: string): void {
    if (this.#state === 'closed') throw new WebliveError('state', `${doing}: enter the room first`, false);
  }

  #fail(error: WebliveError): void {
    this.#out();
    this.emit('error', error);
  }

  #out(): void {
    if (this.#state === 'closed') return;
    this.#renewals += 1;
    this.#isRenewing = false;
    this.#hasReceivingFailed = false;
    clearTimeout(this.#retryTimer);
    for (const off of this.#offs.splice(0)) off();
    for (const publication of [...this.#publications.values()]) publication.drop();
    this.#publications.clear();
    for (const key of [...this.#subscriptions.keys()]) this.#forget(key);
    this.#receiver.close();
    this.#roster.clear();
    this.#role = 'audience';
    this.#setState('closed');
  }

  #setState(state: ConnectionState): void {
    const previous = this.#state;
    if (previous === state) return;
    this.#state = state;
    this.emit('state', { previous, state });
  }
}

const keyOf = ({ room, user, track }: Required<Target>) => JSON.stringify([room, user, track]);

/** What is no longer there need not be told to go. */
function ignoreGone(error: WebliveError): void {
  if (error.type === 'refused' || error.type === 'network' || error.type === 'not-live') return log.debug('room', error.message);
  throw error;
}

/** Calls `listener` when the page is left for good; one that the browser keeps may come back as it was. */
function onPageHide(listener: () => void): () => void {
  if (typeof globalThis.addEventListener !== 'function') return () => undefined;
  const hidden = ({ persisted }: PageTransitionEvent) => !persisted && listener();
  globalThis.addEventListener('pagehide', hidden);
  return () => globalThis.removeEventListener('pagehide', hidden);
}

const PASSING: ReadonlySet<string> = new Set(['network', 'timeout', 'busy']);

/** Tries to enter again at a server that is there. */
const MAX_TRIES = 15;

/** Milliseconds between them. */
const RETRY_PAUSE = 1_000;

/** Milliseconds for subscribing again, which many do at the same time after a restart. */
const RESUBSCRIBE_TIMEOUT = 30_000;
