import { ConnectionCode, liveContext } from '../sdk/live.mjs';
import { list, log, me, onClick } from './page.js';

const { coHost, device, liveList, login, seat } = liveContext();

onClick('start', async () => {
  await login.login(me);
  await liveList.createLive({ liveId: String(me.roomId), liveName: `Room of ${me.userId}` });
  await seat.startPlayStream({ view: 'stage' });
  await Promise.all([device.openLocalMicrophone(), device.openLocalCamera()]);
});

onClick('candidates', () => coHost.getCoHostCandidates(''));
coHost.candidates.subscribe((hosts) => list('others', hosts, ({ liveId, userId }) => ({
  text: `${userId} in ${liveId}`,
  Ask: async () => {
    const codes = await coHost.requestHostConnection({ liveId, timeout: 30 });
    log(codes.get(liveId) === ConnectionCode.Success ? 'asked' : `refused with ${codes.get(liveId)}`);
  },
})));

// The other side.
coHost.subscribeEvent('onCoHostRequestReceived', async ({ inviter }) => {
  log('asked by', inviter.userId, '- accepted');
  await coHost.acceptHostConnection({ liveId: inviter.liveId });
});
coHost.subscribeEvent('onCoHostRequestTimeout', () => log('nobody has answered'));
coHost.connected.subscribe((hosts) => list('connected', hosts, ({ liveId, userId }) => ({
  text: `${userId} in ${liveId}`,
  'Mute here': userId !== me.userId && (() => coHost.muteRemoteHostAudio(liveId, true)),
})));
onClick('exit', () => coHost.exitHostConnection());
