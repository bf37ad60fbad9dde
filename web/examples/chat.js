import { createIM, EVENT } from '../sdk/weblive.mjs';
import { log, me, onClick, onSend } from './page.js';

// 1. Make the page's chat, and listen before the login.
const im = createIM({ SDKAppID: me.sdkAppId });
im.on(EVENT.IM_TEXT_MESSAGE_RECEIVED, ({ data }) => data.forEach(({ nick, from, payload }) => log(`${nick || from}: ${payload.text}`)));
im.on(EVENT.IM_REMOTE_USER_JOIN, ({ data }) => data.forEach(({ payload }) => log(payload.userIDList.join(', '), 'came')));
im.on(EVENT.IM_KICKED_OUT, ({ data }) => log('logged out:', data));

// 2. Log in, and enter the room; the first one makes it.
onClick('enter', async () => {
  await im.login({ userID: me.userId, userSig: me.userSig });
  await im.createRoom({ roomID: me.roomId, name: 'Chat' }).catch(({ code, message }) => {
    if (code !== 10021 && code !== 10025) throw new Error(message); // It is there already: go on.
  });
  await im.enterRoom(me.roomId);
  log('entered');
});

// 3. Say something. One's own words do not come back.
onSend('form', async (text) => {
  const { data } = await im.sendTextMessage({ roomID: me.roomId, text });
  log(`${me.userId}: ${data.message.payload.text}`);
});

onClick('leave', () => im.exitRoom(me.roomId));
