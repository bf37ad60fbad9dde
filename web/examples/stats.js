import { createClient, createStream } from '../sdk/weblive.mjs';
import { log, me, onClick } from './page.js';

const client = createClient({ mode: 'rtc', sdkAppId: me.sdkAppId, userId: me.userId, userSig: me.userSig });
const local = createStream({ userId: me.userId, audio: true, video: true });
let timer;

client.on('stream-subscribed', ({ stream }) => stream.play('remote'));
// From 1, the best, to 6, lost; 0 is not known.
client.on('network-quality', ({ uplinkNetworkQuality, downlinkNetworkQuality }) => log('network:', { uplinkNetworkQuality, downlinkNetworkQuality }));

onClick('join', async () => {
  await client.join({ roomId: me.roomId });
  await local.initialize();
  await local.play('local');
  await client.publish(local);
  timer = setInterval(async () => {
    const [transport, sent, received] = await Promise.all([client.getTransportStats(), client.getLocalVideoStats(), client.getRemoteVideoStats('main')]);
    document.getElementById('figures').textContent = JSON.stringify({ transport, sent, received }, null, 2);
  }, 1000);
});

onClick('leave', async () => {
  clearInterval(timer);
  await client.leave();
  local.close();
});
