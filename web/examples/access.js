// Who comes, for the examples: a server in open development mode takes anybody; one with `dev.tokens` signs a UserSig; for
// any other one the page's own back end signs it. `?user=…&sig=…&app=…&room=…` in the address is taken as it is.
async function access() {
  const given = new URLSearchParams(location.search);
  const userID = given.get('user') || `guest-${Math.random().toString(36).slice(2, 8)}`;
  const roomID = Number(given.get('room')) || 1000;
  if (given.has('sig')) return { sdkAppID: Number(given.get('app')), userID, userSig: given.get('sig'), roomID };
  const server = await (await fetch('/api/server')).json();
  if (!server.givesTokens) return { sdkAppID: 1400000000, userID, userSig: 'none', roomID };
  const asked = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ userId: userID, sdkAppId: server.apps[0].id }) };
  const { sdkAppId, userSig } = await (await fetch('/api/dev/usersig', asked)).json();
  return { sdkAppID: sdkAppId, userID, userSig, roomID };
}

function log(...parts) {
  document.getElementById('log').append(`${parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' ')}\n`);
}

addEventListener('unhandledrejection', ({ reason }) => log('failed:', String(reason?.message ?? reason)));
