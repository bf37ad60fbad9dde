import { liveContext } from '../sdk/live.mjs';
import { list, log, me, onClick, onSend } from './page.js';

const { audience, barrage, liveList, login } = liveContext();
audience.audienceList.subscribe((people) => list('people', people, ({ userId }) => ({
  text: userId,
  Mute: () => audience.disableSendMessage({ userId, isDisable: true, seconds: 60 }),
  Unmute: () => audience.disableSendMessage({ userId, isDisable: false }),
  Remove: () => audience.kickUserOutOfRoom({ userId, banSeconds: 60, message: 'Come back in a minute' }),
  Appoint: () => audience.setAdministrator({ userId }),
})));
audience.subscribeEvent('onAudienceMessageDisabled', ({ audience: { userId }, isDisable }) => log(userId, isDisable ? 'is muted' : 'may speak'));
barrage.subscribeEvent('onBarrageReceived', ({ sender, textContent }) => log(`${sender.userId}: ${textContent}`));
liveList.subscribeEvent('onKickedOutOfLive', ({ message }) => log('removed:', message));

onClick('enter', async () => {
  const liveId = String(me.roomId);
  await login.login(me);
  await liveList.joinLive({ liveId }).catch(() => liveList.createLive({ liveId, liveName: 'Moderation' }));
  log(liveList.currentLive.value.liveOwner.userId === me.userId ? 'you are the host' : 'you are one of the audience');
});
onClick('muteAll', () => liveList.updateLiveInfo({ isMessageDisable: true }));
onClick('unmuteAll', () => liveList.updateLiveInfo({ isMessageDisable: false }));
// Who is muted is refused: -2381, or -2380 where all are.
onSend('form', async (text) => {
  await barrage.sendTextMessage({ text });
  log(`${me.userId}: ${text}`);
});
