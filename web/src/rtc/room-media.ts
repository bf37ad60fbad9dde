import { Emitter } from '../emitter';
import { toWebliveError, WebliveError } from '../errors';
import type {
  CoHostView, Entered, LeaveReason, MemberView, Publication, RemovalReason, Role, RoomId, Scene, Tracks, TrackKind, UserId, UserVolume,
} from '../protocol/messages';
import type { ConnectionState, Session } from '../signal/session';
import { LocalPublication, type PublishOptions } from './publication';
import { Receiver, type Reception } from './receiver';

/** How a room's media is entered. */
export interface EnterOptions {
  /** `live` when absent. */
  scene?: Scene;
  /** `audience` when absent. */
  role?: Role;
  privateMapKey?: string;
}

/** Whose publication. `room` is the own one when absent; that of a connected room else. */
export interface Target {
  user: UserId;
  track: TrackKind;
  room?: RoomId;
}

/** What of it. */
export interface Wanted {
  audio: boolean;
  video: boolean;
}

/** Events of a room's media. */
export interface RoomMediaEvents {
  /** `closed` is out of the room. */
  state: { previous: ConnectionState; state: ConnectionState };
  /** In the room; again after a lost session. What has changed meanwhile was told before. */
  entered: Entered;
  anchorEntered: MemberView;
  anchorLeft: { user: UserId; reason: LeaveReason };
  /** A publication of another one began, changed or ended (`null`). */
  publication: Required<Target> & { publication: Publication | null; previous: Publication | null };
  coHosts: CoHostView[];
  role: Role;
  /** Out of the room, by somebody else. */
  removed: { reason: RemovalReason; message: string };
  volumes: UserVolume[];
  activeSpeaker: UserId | null;
  quality: NetworkQuality;
  /** It cannot go on: the room was left. */
  error: WebliveError;
}

/** How good one's own transport is; grades from 1 (best) to 6 (down), 0 unknown; times in milliseconds, loss in percent. */
export interface NetworkQuality {
  uplinkNetworkQuality: number;
  downlinkNetworkQuality: number;
  uplinkRTT: number;
  uplinkLoss: number;
  downlinkRTT: number;
  downlinkLoss: number;
}

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
  readonly #anchors = new Map<UserId, MemberView>();
  #coHosts: CoHostView[] = [];
  readonly #publications = new Map<TrackKind, LocalPublication>();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #receiver: Receiver;
  #state: ConnectionState = 'closed';
  #role: Role = 'audience';
  #options: EnterOptions = {};
  #volumeInterval = 0;
  #offs: (() => void)[] = [];

  constructor(
    readonly session: Session,
    readonly room: RoomId,
  ) {
    super();
    this.#receiver = Receiver.of(session);
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
    return this.#anchors;
  }

  /** The rooms that are connected with this one. */
  get coHosts(): readonly CoHostView[] {
    return this.#coHosts;
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
    try {
      const entered = await this.#request();
      this.#setState(this.session.state === 'connected' ? 'connected' : 'reconnecting');
      this.#take(entered);
      return entered;
    } catch (thrown) {
      this.#out();
      throw toWebliveError(thrown, 'enter');
    }
  }

  /** Goes out; what one publishes ends. */
  async leave(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#out();
    if (this.session.state === 'closed') return;
    await this.session.request('leaveRoom', { room: this.room, part: 'media' }, { timeout: 3_000 }).catch(() => undefined);
  }

  /** Becomes an anchor or audience; as audience one publishes nothing. */
  async switchRole(role: Role): Promise<void> {
    await this.session.request('switchRole', { room: this.room, role });
    this.#setRole(role);
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
    const reception = this.#receiver.reception(stream);
    this.#subscriptions.set(keyOf(full), { target: full, wanted, reception });
    return reception;
  }

  /** Receives a publication no longer. */
  async unsubscribe(target: Target): Promise<void> {
    const full = this.#full(target);
    const subscription = this.#subscriptions.get(keyOf(full));
    this.#subscriptions.delete(keyOf(full));
    if (subscription) this.#receiver.forget(subscription.reception.id);
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
    const isHere = new Set(entered.anchors.map(({ user }) => user));
    for (const user of [...this.#anchors.keys()]) if (!isHere.has(user)) this.#onLeft(user, 'lost');
    for (const anchor of entered.anchors) this.#onEntered(anchor);
    if (entered.coHosts.length > 0 || this.#coHosts.length > 0) this.#onCoHosts(entered.coHosts);
    this.emit('entered', entered);
  }

  async #renew(): Promise<void> {
    try {
      const entered = await this.#request();
      if (this.#state === 'closed') return;
      if (this.#options.role === 'anchor' || entered.role === 'anchor') for (const publication of this.#publications.values()) publication.restart();
      const wanted = [...this.#subscriptions.values()];
      this.#take(entered);
      await this.#resubscribe(wanted);
      if (this.#volumeInterval > 0) await this.session.request('listenVolumes', { room: this.room, intervalMs: this.#volumeInterval });
    } catch (thrown) {
      const error = toWebliveError(thrown, `room ${this.room}: entering again`);
      if (this.#state === 'closed' || error.type === 'network') return;
      this.#out();
      this.emit('error', error);
    }
  }

  async #resubscribe(subscriptions: Subscription[]): Promise<void> {
    for (const { target, wanted, reception } of subscriptions) {
      if (!this.#subscriptions.has(keyOf(target))) continue;
      await this.session.request('subscribe', { ...target, ...wanted }).catch((error: WebliveError) => {
        ignoreGone(error);
        this.#subscriptions.delete(keyOf(target));
        this.#receiver.forget(reception.id);
      });
    }
  }

  #listen(): void {
    const { session, room } = this;
    const here = <E extends { room: RoomId }>(then: (event: E) => void) => (event: E) => event.room === room && then(event);
    this.#offs = [
      session.onEvent('anchorEntered', here(({ user, profile }) => this.#onEntered({ user, profile, rank: 'generalUser', role: 'anchor', tracks: NOTHING }))),
      session.onEvent('anchorLeft', here(({ user, reason }) => this.#onLeft(user, reason))),
      session.onEvent('trackChanged', here(({ user, track, publication }) => this.#onTrack(user, track, publication))),
      session.onEvent('profileChanged', here(({ user, profile }) => {
        const anchor = this.#anchors.get(user);
        if (anchor) this.#anchors.set(user, { ...anchor, profile });
      })),
      session.onEvent('roleChanged', here(({ role }) => this.#setRole(role))),
      session.onEvent('removed', here(({ reason, message }) => {
        this.#out();
        this.emit('removed', { reason, message });
      })),
      session.onEvent('coHostsChanged', here(({ coHosts }) => this.#onCoHosts(coHosts))),
      session.onEvent('coHostAnchors', here(({ other, anchors }) => {
        this.#onCoHosts(this.#coHosts.map((coHost) => (coHost.room === other ? { ...coHost, anchors } : coHost)));
      })),
      session.onEvent('volumes', here(({ volumes }) => this.emit('volumes', volumes))),
      session.onEvent('activeSpeaker', here(({ user }) => this.emit('activeSpeaker', user))),
      session.onEvent('networkQuality', ({ seq: _, type: __, event: ___, ...quality }) => this.emit('quality', quality)),
      session.on('state', ({ state }) => this.#state !== 'connecting' && this.#setState(state)),
      session.on('renewed', () => this.#state !== 'connecting' && void this.#renew()),
      session.on('closed', ({ reason, error }) => {
        this.#out();
        if (reason === 'replaced') this.emit('removed', { reason: 'banned', message: error?.message ?? 'the same user has logged in elsewhere' });
        else if (error) this.emit('error', error);
      }),
      this.#receiver.on('lost', () => this.session.state === 'connected' && void this.#resubscribe([...this.#subscriptions.values()])),
    ];
  }

  #onEntered(anchor: MemberView): void {
    if (anchor.user === this.session.user) return;
    const before = this.#anchors.get(anchor.user);
    this.#anchors.set(anchor.user, anchor.tracks === NOTHING && before ? { ...anchor, tracks: before.tracks } : anchor);
    if (!before) this.emit('anchorEntered', anchor);
    if (anchor.tracks === NOTHING) return;
    for (const track of KINDS) this.#changed(this.room, anchor.user, track, before?.tracks[track] ?? null, anchor.tracks[track]);
  }

  #onLeft(user: UserId, reason: LeaveReason): void {
    const before = this.#anchors.get(user);
    if (!before) return;
    this.#anchors.delete(user);
    for (const track of KINDS) this.#changed(this.room, user, track, before.tracks[track], null);
    this.emit('anchorLeft', { user, reason });
  }

  #onTrack(user: UserId, track: TrackKind, publication: Publication | null): void {
    const anchor = this.#anchors.get(user);
    if (!anchor) return;
    this.#anchors.set(user, { ...anchor, tracks: { ...anchor.tracks, [track]: publication } });
    this.#changed(this.room, user, track, anchor.tracks[track], publication);
  }

  #onCoHosts(coHosts: CoHostView[]): void {
    const before = this.#coHosts;
    this.#coHosts = coHosts;
    this.emit('coHosts', coHosts);
    const old = new Map(before.flatMap(({ room, anchors }) => anchors.map((anchor) => [JSON.stringify([room, anchor.user]), { room, anchor }])));
    for (const { room, anchors } of coHosts) {
      for (const anchor of anchors) {
        const key = JSON.stringify([room, anchor.user]);
        for (const track of KINDS) this.#changed(room, anchor.user, track, old.get(key)?.anchor.tracks[track] ?? null, anchor.tracks[track]);
        old.delete(key);
      }
    }
    for (const { room, anchor } of old.values()) for (const track of KINDS) this.#changed(room, anchor.user, track, anchor.tracks[track], null);
  }

  #changed(room: RoomId, user: UserId, track: TrackKind, previous: Publication | null, publication: Publication | null): void {
    if (JSON.stringify(previous) === JSON.stringify(publication)) return;
    if (publication === null) {
      const key = keyOf({ room, user, track });
      const subscription = this.#subscriptions.get(key);
      this.#subscriptions.delete(key);
      if (subscription) this.#receiver.forget(subscription.reception.id);
    }
    this.emit('publication', { room, user, track, publication, previous });
  }

  #setRole(role: Role): void {
    if (this.#options.role !== role) this.#options = { ...this.#options, role };
    if (role === 'audience') for (const publication of [...this.#publications.values()]) publication.drop();
    if (this.#role === role) return;
    this.#role = role;
    this.emit('role', role);
  }

  #full({ user, track, room }: Target): Required<Target> {
    return { user, track, room: room ?? this.room };
  }

  #mustBeIn(doing: string): void {
    if (this.#state === 'closed') throw new WebliveError('state', `${doing}: enter the room first`, false);
  }

  #out(): void {
    if (this.#state === 'closed') return;
    for (const off of this.#offs.splice(0)) off();
    for (const publication of [...this.#publications.values()]) publication.drop();
    this.#publications.clear();
    for (const { reception } of this.#subscriptions.values()) this.#receiver.forget(reception.id);
    this.#subscriptions.clear();
    this.#anchors.clear();
    this.#coHosts = [];
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

const NOTHING: Tracks = { main: null, aux: null };

const KINDS: readonly TrackKind[] = ['main', 'aux'];

const keyOf = ({ room, user, track }: Required<Target>) => JSON.stringify([room, user, track]);

/** What is no longer there need not be told to go. */
function ignoreGone(error: WebliveError): void {
  if (error.type === 'refused' || error.type === 'network' || error.type === 'not-live') return;
  throw error;
}
