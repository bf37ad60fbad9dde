import type { MemberView as Member, Publication, RoomId, RoomInfo, TrackKind as TrackName } from '../protocol/messages';

export type { Member, RoomId, RoomInfo, TrackName };

/** What a member publishes. */
export interface PublishedStream {
  room: RoomId;
  user: string;
  track: TrackName;
  publication: Publication;
  streamId: string;
  relayedAs: string | null;
}

/** How a stream travelled at one moment. */
export interface Sample {
  /** Unix milliseconds. */
  at: number;
  bitRateBps: number;
  /** 0 to 1. */
  loss: number | null;
  rttMs: number | null;
  viewers: number;
  viewerLoss: number | null;
}

export interface Measure {
  streamId: string;
  user: string | null;
  relayedAs: string | null;
  width: number | null;
  height: number | null;
  samples: Sample[];
}

/** One request to the app's back end. */
export interface Delivery {
  id: number;
  at: number;
  event: string;
  subject: string;
  isDelivered: boolean;
  reason: string | null;
  status: number | null;
  tookMs: number;
}

export interface ServerInfo {
  version: string;
  isOpen: boolean;
  givesTokens: boolean;
  relayMode: 'automatic' | 'named';
}

/** The server said no, or nothing. `code` is its word for why; `offline` where no answer came. */
export class RestError extends Error {
  override readonly name = 'RestError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

interface Page<T> {
  items: T[];
  next?: string;
}

/** The operator's side of the REST interface. */
export class Rest {
  constructor(
    /** Empty on a server without apps. */
    readonly token: string,
    /** Which app is looked at; empty where there is one. */
    readonly app: string,
    private readonly send: typeof fetch = (...request) => fetch(...request),
  ) {}

  server(): Promise<ServerInfo> {
    return this.#ask('GET', '/api/server');
  }

  rooms(): Promise<RoomInfo[]> {
    return this.#pages('/api/v1/rooms');
  }

  members(room: RoomId): Promise<Member[]> {
    return this.#pages(`/api/v1/rooms/${inPath(room)}/members`);
  }

  streams(): Promise<PublishedStream[]> {
    return this.#pages('/api/v1/streams');
  }

  async measures(after: number): Promise<Measure[]> {
    return (await this.#ask<Page<Measure>>('GET', `/api/v1/measures?after=${after}`)).items;
  }

  async deliveries(): Promise<Delivery[]> {
    return (await this.#ask<Page<Delivery>>('GET', '/api/v1/deliveries?limit=100')).items;
  }

  /** Ends a room for everybody. */
  dismiss(room: RoomId): Promise<void> {
    return this.#ask('DELETE', `/api/v1/rooms/${inPath(room)}`);
  }

  /** Removes a user, and keeps the user out for `banSeconds`. */
  remove(room: RoomId, user: string, banSeconds: number): Promise<void> {
    const body = { users: [user], ...(banSeconds > 0 && { banSeconds }) };
    return this.#ask('POST', `/api/v1/rooms/${inPath(room)}/removals`, body);
  }

  /** Takes a stream's public addresses away. */
  stopRelay({ room, user, track }: PublishedStream): Promise<void> {
    return this.#ask('DELETE', `/api/v1/rooms/${inPath(room)}/members/${encodeURIComponent(user)}/relays/${track}`);
  }

  async #pages<T>(path: string): Promise<T[]> {
    const all: T[] = [];
    let after: string | undefined;
    // What is beyond would be no page that people read.
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = new URLSearchParams({ limit: '100', ...(after !== undefined && { after }) });
      const { items, next } = await this.#ask<Page<T>>('GET', `${path}?${query.toString()}`);
      all.push(...items);
      if (next === undefined) break;
      after = next;
    }
    return all;
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = {};
    if (this.token !== '') headers['Authorization'] = `Bearer ${this.token}`;
    if (this.app !== '') headers['Weblive-App'] = this.app;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const init: RequestInit = { method, headers, cache: 'no-store' };
    if (body !== undefined) init.body = JSON.stringify(body);
    let response: Response;
    try {
      response = await this.send(path, init);
    } catch {
      throw new RestError(0, 'offline', 'The server does not answer. It is asked again.');
    }
    const text = await response.text();
    if (!response.ok) throw refusal(response.status, text);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}

/** A room as it is written in paths: a name that looks like a number says that it is a name. */
export function inPath(room: RoomId): string {
  if (typeof room === 'number') return String(room);
  return encodeURIComponent(/^(\d+$|name:)/.test(room) ? `name:${room}` : room);
}

function refusal(status: number, text: string): RestError {
  try {
    const { code, detail } = JSON.parse(text) as { code?: unknown; detail?: unknown };
    if (typeof code === 'string' && typeof detail === 'string') return new RestError(status, code, detail);
  } catch {
    // Not of the server itself: of a proxy before it.
  }
  return new RestError(status, 'unknown', `The server answered with status ${status}.`);
}

const MAX_PAGES = 10;
