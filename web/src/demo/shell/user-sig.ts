/** Whom a UserSig is for, by its own words; the server is the one who checks it. */
export interface UserSigContent {
  sdkAppId: number;
  userId: string;
}

/** Reads a UserSig (TLSSigAPIv2): JSON, deflated, in base64 of another alphabet. Null for what is none. */
export async function readUserSig(text: string): Promise<UserSigContent | null> {
  if (!/^[A-Za-z0-9*_-]{40,4096}$/.test(text)) return null;
  try {
    const base64 = text.replace(/\*/g, '+').replace(/-/g, '/').replace(/_/g, '=');
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const json = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).text();
    const content = JSON.parse(json) as Record<string, unknown>;
    const { 'TLS.sdkappid': app, 'TLS.identifier': user } = content;
    const sdkAppId = Number(app);
    return typeof user === 'string' && user !== '' && Number.isSafeInteger(sdkAppId) ? { sdkAppId, userId: user } : null;
  } catch {
    return null;
  }
}
