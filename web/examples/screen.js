import { createPusher, EVENT } from '../sdk/weblive.mjs';
import { log, me, onClick } from './page.js';

// The screen is a user of its own; pages that were written for TWebLive name it after the one of the camera.
const userID = `screen-${me.userId}`;
const pusher = createPusher({ userID, screenCapture: true });
// The browser's own bar has ended the sharing: the push has ended with it.
pusher.on(EVENT.RTC_SCREEN_CAPTURE_STOPPED, () => log('no longer shared'));

onClick('start', async () => {
  // The browser asks what to share. `systemAudio` sends its sound in place of the microphone.
  await pusher.setRenderView({ elementID: 'preview', screenProfile: '1080p', systemAudio: true, objectFit: 'contain' });
  await pusher.startPush(`room://sdkappid=${me.sdkAppId}&roomid=${me.roomId}&userid=${userID}&usersig=${me.userSig}`);
  log('live, also at', pusher.getLiveStreamURL());
});

onClick('stop', () => pusher.stopPush());
