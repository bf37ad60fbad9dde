import { errorFromResponse, toWebliveError } from 'weblive';

/** How a server lets people in. */
export interface ServerInfo {
  /** Anybody, under any name. */
  isOpen: boolean;
  /** The applications whose users it lets in. */
  apps: number[];
  /** It signs UserSigs itself: for development only. */
  hasDevTokens: boolean;
  /** It keeps pictures: for posters and for the chat. */
  takesImages: boolean;
}

/** Asks the server. */
export async function fetchServerInfo(origin: string): Promise<ServerInfo> {
  let response: Response;
  try {
    response = await fetch(`${origin}/api/server`, { headers: { accept: 'application/json' } });
  } catch (thrown) {
    throw toWebliveError(thrown, 'asking the server');
  }
  // An older one does not tell: the login will.
  if (response.status === 404) return readServerInfo(null);
  if (!response.ok) throw await errorFromResponse(response, 'asking the server');
  return readServerInfo(await response.json());
}

/** Reads the server's answer; one that says nothing of itself is taken to be open, and refuses the login otherwise. */
export function readServerInfo(body: unknown): ServerInfo {
  const { isOpen, apps, givesTokens, takesImages } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const ids = Array.isArray(apps) ? apps.map((app: unknown) => (typeof app === 'object' && app !== null && 'id' in app ? Number(app.id) : NaN)) : [];
  return { isOpen: isOpen !== false, apps: ids.filter(Number.isSafeInteger), hasDevTokens: givesTokens === true, takesImages: takesImages !== false };
}

/** Has the server sign a UserSig, where it does that: for development only. */
export async function fetchDevToken(origin: string, userId: string, sdkAppId: number): Promise<string> {
  let response: Response;
  try {
    response = await fetch(`${origin}/api/dev/usersig`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ userId, ...(sdkAppId > 0 && { sdkAppId }) }),
    });
  } catch (thrown) {
    throw toWebliveError(thrown, 'asking for a UserSig');
  }
  if (!response.ok) throw await errorFromResponse(response, 'asking for a UserSig');
  const { userSig } = (await response.json()) as { userSig?: unknown };
  return typeof userSig === 'string' ? userSig : '';
}
