import { createPusher, EVENT } from '../sdk/weblive.mjs';
import { log, me, onClick } from './page.js';

const pusher = createPusher({ userID: me.userId });
pusher.on(EVENT.RTC_CONNECTION_STATE_CHANGED, ({ data }) => log('connection:', data.state));
pusher.on(EVENT.RTC_CLIENT_ERROR, ({ data }) => log('lost:', data.message));

onClick('start', async () => {
  // Opens camera and microphone, and shows the picture without sound.
  await pusher.setRenderView({ elementID: 'preview', audio: true, video: '720p' });
  await pusher.startPush(`room://sdkappid=${me.sdkAppId}&roomid=${me.roomId}&userid=${me.userId}&usersig=${me.userSig}`);
  log('live, also at', pusher.getLiveStreamURL());
});

onClick('mute', () => pusher.stopMicrophone());
onClick('unmute', () => pusher.startMicrophone());
onClick('stop', () => pusher.stopPush());
