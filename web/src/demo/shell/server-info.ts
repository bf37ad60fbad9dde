/** How a server lets people in. */
export interface ServerInfo {
  /** Anybody, under any name. */
  isOpen: boolean;
  /** The applications whose users it lets in. */
  apps: number[];
  /** It signs UserSigs itself: for development only. */
  hasDevTokens: boolean;
}

/** Asks the server. One that has nothing to say about itself is taken to be open: it refuses the login otherwise. */
export async function fetchServerInfo(origin: string): Promise<ServerInfo> {
  const response = await fetch(`${origin}/api/server`, { headers: { accept: 'application/json' } });
  if (!response.ok) return OPEN;
  const body: unknown = await response.json().catch(() => null);
  return readServerInfo(body);
}

export function readServerInfo(body: unknown): ServerInfo {
  if (typeof body !== 'object' || body === null) return OPEN;
  const { open, apps, devTokens } = body as Record<string, unknown>;
  const known = Array.isArray(apps) ? apps.map((app) => Number(typeof app === 'object' && app !== null ? (app as { id?: unknown }).id : app)).filter(Number.isSafeInteger) : [];
  return { isOpen: typeof open === 'boolean' ? open : known.length === 0, apps: known, hasDevTokens: devTokens === true };
}

const OPEN: ServerInfo = { isOpen: true, apps: [], hasDevTokens: false };
