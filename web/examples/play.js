import { createPlayer, EVENT } from '../sdk/weblive.mjs';
import { log, me, onClick } from './page.js';

const player = createPlayer();
player.setRenderView({ elementID: 'view' });
player.on(EVENT.PLAYER_PLAYING, () => log('playing'));
player.on(EVENT.PLAYER_STREAMS_CHANGED, ({ data }) => log('in the room:', data.map(({ user, track }) => `${user} ${track}`).join(', ') || 'nobody'));
player.on(EVENT.PLAYER_ERROR, ({ data }) => log('failed:', data.message));
// A browser that wants a click before it plays sound gets one.
player.on(EVENT.PLAYER_AUTOPLAY_NOT_ALLOWED, () => {
  log('click anywhere to hear it');
  addEventListener('click', () => player.resumePlay(), { once: true });
});

onClick('start', async () => {
  await player.startPlay(`room://sdkappid=${me.sdkAppId}&roomid=${me.roomId}&userid=${me.userId}&usersig=${me.userSig}`);
  log('in the room; whoever publishes there is shown');
});
// One stream is shown, the newest; or all of a room with guests.
onClick('all', () => player.setRoomView({ layout: 'grid' }));
onClick('stop', () => player.stopPlay());
