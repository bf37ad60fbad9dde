// The keys: UserSig comes from your back end; a server in open development mode does not look at it.
const query = new URLSearchParams(location.search);
const SDKAppID = Number(query.get('app') || 1400000000);
const userID = query.get('user') || (sessionStorage.user ??= `user-${Math.random().toString(36).slice(2, 7)}`);
const userSig = query.get('sig') || 'none';
const roomID = Number(query.get('room') || 1012);
const at = (id) => document.getElementById(id);
const say = (text) => at('messages').append(Object.assign(document.createElement('li'), { textContent: text }));

const pusher = TWebLive.createPusher({ userID });
const player = TWebLive.createPlayer();
const im = TWebLive.createIM({ SDKAppID });

at('push').onclick = async () => {
  await pusher.setRenderView({ elementID: 'pusherView', audio: true, video: '720p' });
  await pusher.startPush(`room://sdkappid=${SDKAppID}&roomid=${roomID}&userid=${userID}&usersig=${userSig}&livedomainname=${location.host}`);
  say(`live at ${pusher.getLiveStreamURL()}`);
};

player.setRenderView({ elementID: 'playerView' });
player.on(TWebLive.EVENT.PLAYER_PLAYING, () => say('playing'));
player.on(TWebLive.EVENT.PLAYER_AUTOPLAY_NOT_ALLOWED, () => document.addEventListener('click', () => player.resumePlay(), { once: true }));
at('play').onclick = () => player.startPlay(`room://sdkappid=${SDKAppID}&roomid=${roomID}&userid=${userID}_viewer&usersig=${userSig}`);

at('stop').onclick = async () => {
  player.stopPlay();
  await im.stopPush({ roomID, postscript: 'See you' }).catch(() => undefined);
  await pusher.stopPush();
};

im.on(TWebLive.EVENT.IM_TEXT_MESSAGE_RECEIVED, (event) => event.data.forEach((message) => say(`${message.from}: ${message.payload.text}`)));
im.on(TWebLive.EVENT.IM_PUSH_STOPPED, (event) => say(`over: ${event.data}`));
im.on(TWebLive.EVENT.IM_READY, () => im.createRoom({ roomID, name: 'TWebLive' }).catch(() => undefined).then(() => im.enterRoom(roomID)));

at('form').onsubmit = async (event) => {
  event.preventDefault();
  await im.sendTextMessage({ roomID, text: at('text').value });
  say(`${userID}: ${at('text').value}`);
  at('form').reset();
};

im.login({ userID, userSig }).catch(({ code, message }) => say(`no chat: ${message} (${code})`));
