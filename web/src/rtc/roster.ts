import { Emitter } from '../emitter';
import type { CoHostView, LeaveReason, MemberView, Profile, Publication, RoomId, Tracks, TrackKind, UserId } from '../protocol/messages';
import type { Session } from '../signal/session';
import type { RoomMediaEvents } from './room-events';

type RosterEvents = Pick<RoomMediaEvents, 'anchorEntered' | 'anchorLeft' | 'publication' | 'coHosts'>;

/** Who else is an anchor of a room and of those it is connected with, and what they publish: told as it changes. */
export class Roster extends Emitter<RosterEvents> {
  readonly #anchors = new Map<UserId, MemberView>();
  #coHosts: CoHostView[] = [];

  constructor(
    readonly session: Session,
    readonly room: RoomId,
  ) {
    super();
  }

  get anchors(): ReadonlyMap<UserId, MemberView> {
    return this.#anchors;
  }

  get coHosts(): readonly CoHostView[] {
    return this.#coHosts;
  }

  /** Follows the server's events until the returned function is called. */
  listen(): () => void {
    const { session, room } = this;
    const here = <E extends { room: RoomId }>(then: (event: E) => void) => (event: E) => event.room === room && then(event);
    const offs = [
      session.onEvent('anchorEntered', here(({ user, profile }) => this.#entered(user, profile))),
      session.onEvent('anchorLeft', here(({ user, reason }) => this.#left(user, reason))),
      session.onEvent('trackChanged', here(({ user, track, publication }) => this.#tracked(user, track, publication))),
      session.onEvent('profileChanged', here(({ user, profile }) => {
        const anchor = this.#anchors.get(user);
        if (anchor) this.#anchors.set(user, { ...anchor, profile });
      })),
      session.onEvent('coHostsChanged', here(({ coHosts }) => this.#connected(coHosts))),
      session.onEvent('coHostAnchors', here(({ other, anchors }) => {
        this.#connected(this.#coHosts.map((coHost) => (coHost.room === other ? { ...coHost, anchors } : coHost)));
      })),
    ];
    return () => {
      for (const off of offs) off();
    };
  }

  /** Takes what the room has at entering, the first time or again; tells the difference. */
  take(anchors: MemberView[], coHosts: CoHostView[]): void {
    const isHere = new Set(anchors.map(({ user }) => user));
    for (const user of [...this.#anchors.keys()]) if (!isHere.has(user)) this.#left(user, 'lost');
    for (const anchor of anchors) {
      if (anchor.user === this.session.user) continue;
      const before = this.#anchors.get(anchor.user);
      this.#anchors.set(anchor.user, anchor);
      if (!before) this.emit('anchorEntered', anchor);
      this.#compare(this.room, anchor.user, before?.tracks ?? NOTHING, anchor.tracks);
    }
    if (coHosts.length > 0 || this.#coHosts.length > 0) this.#connected(coHosts);
  }

  /** The room was left: nobody is told. */
  clear(): void {
    this.#anchors.clear();
    this.#coHosts = [];
  }

  #entered(user: UserId, profile: Profile): void {
    if (user === this.session.user) return;
    const before = this.#anchors.get(user);
    const anchor: MemberView = before ? { ...before, profile } : { user, profile, rank: 'generalUser', role: 'anchor', tracks: NOTHING };
    this.#anchors.set(user, anchor);
    if (!before) this.emit('anchorEntered', anchor);
  }

  #left(user: UserId, reason: LeaveReason): void {
    const before = this.#anchors.get(user);
    if (!before) return;
    this.#anchors.delete(user);
    this.#compare(this.room, user, before.tracks, NOTHING);
    this.emit('anchorLeft', { user, reason });
  }

  #tracked(user: UserId, track: TrackKind, publication: Publication | null): void {
    const anchor = this.#anchors.get(user);
    if (!anchor) return;
    const tracks = { ...anchor.tracks, [track]: publication };
    this.#anchors.set(user, { ...anchor, tracks });
    this.#compare(this.room, user, anchor.tracks, tracks);
  }

  #connected(coHosts: CoHostView[]): void {
    const before = this.#coHosts;
    this.#coHosts = coHosts;
    this.emit('coHosts', coHosts);
    const old = new Map(before.flatMap(({ room, anchors }) => anchors.map((anchor) => [JSON.stringify([room, anchor.user]), { room, anchor }])));
    for (const { room, anchors } of coHosts) {
      for (const anchor of anchors) {
        const key = JSON.stringify([room, anchor.user]);
        this.#compare(room, anchor.user, old.get(key)?.anchor.tracks ?? NOTHING, anchor.tracks);
        old.delete(key);
      }
    }
    for (const { room, anchor } of old.values()) this.#compare(room, anchor.user, anchor.tracks, NOTHING);
  }

  #compare(room: RoomId, user: UserId, before: Tracks, now: Tracks): void {
    for (const track of KINDS) {
      const [previous, publication] = [before[track], now[track]];
      if (JSON.stringify(previous) !== JSON.stringify(publication)) this.emit('publication', { room, user, track, publication, previous });
    }
  }
}

const NOTHING: Tracks = { main: null, aux: null };

const KINDS: readonly TrackKind[] = ['main', 'aux'];
