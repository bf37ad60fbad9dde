import { createClient, createStream } from '../sdk/weblive.mjs';
import { log, me, onClick } from './page.js';

const client = createClient({ mode: 'rtc', sdkAppId: me.sdkAppId, userId: me.userId, userSig: me.userSig });
const local = createStream({ userId: me.userId, audio: true, video: true });

client.on('stream-added', ({ stream }) => client.subscribe(stream));
client.on('stream-subscribed', ({ stream }) => {
  const view = Object.assign(document.createElement('div'), { id: `view-${stream.getId()}`, className: 'view' });
  document.getElementById('views').append(view);
  stream.play(view);
});
client.on('stream-removed', ({ stream }) => document.getElementById(`view-${stream.getId()}`)?.remove());
for (const name of ['peer-join', 'peer-leave', 'mute-audio', 'unmute-audio']) client.on(name, ({ userId }) => log(name, userId));
client.on('error', (error) => log('lost:', error.message));

onClick('join', async () => {
  await client.join({ roomId: me.roomId });
  await local.initialize();
  await local.play('local');
  await client.publish(local);
  log('joined');
});
onClick('mute', () => void local.muteAudio());
onClick('unmute', () => void local.unmuteAudio());
onClick('leave', async () => {
  await client.leave();
  local.close();
});
