import { liveContext } from '../sdk/live.mjs';
import { list, log, me, onClick } from './page.js';

const { audience, coGuest, device, liveList, login, seat } = liveContext();
const openDevices = () => Promise.all([device.openLocalMicrophone(), device.openLocalCamera()]);

onClick('enter', async () => {
  const liveId = String(me.roomId);
  await login.login(me);
  await liveList.joinLive({ liveId }).catch(() => liveList.createLive({ liveId, liveName: 'Guests', maxSeatCount: 4 }));
  // All who sit, as a grid that follows the size of the element.
  await seat.startPlayStream({ view: 'stage' });
  if (liveList.currentLive.value.liveOwner.userId === me.userId) await openDevices();
});

// Guests: a seat is not media yet. Who gets one opens the devices; they are closed with the seat.
onClick('apply', () => coGuest.applyForSeat({ timeout: 60 }));
onClick('stand', () => coGuest.disConnect());
coGuest.subscribeEvent('onGuestApplicationResponded', ({ isAccept }) => (isAccept ? openDevices() : log('the host has refused')));
coGuest.subscribeEvent('onGuestApplicationNoResponse', () => log('nobody has answered'));
coGuest.subscribeEvent('onKickedOffSeat', () => log('taken off the seat'));
coGuest.subscribeEvent('onHostInvitationReceived', async ({ hostUser }) => {
  log('invited by', hostUser.userId);
  await coGuest.acceptInvitation({ inviterId: hostUser.userId });
  await openDevices();
});

// The host.
coGuest.applicants.subscribe((users) => list('applicants', users, ({ userId }) => ({
  text: userId,
  Accept: () => coGuest.acceptApplication({ userId }),
  Refuse: () => coGuest.rejectApplication({ userId }),
})));
seat.seatList.subscribe((seats) => list('seated', seats.filter(({ userInfo }) => userInfo), ({ index, isAudioLocked, userInfo: { userId } }) => ({
  text: `${index}: ${userId}`,
  Mute: !isAudioLocked && (() => seat.closeRemoteMicrophone({ userId })),
  Unlock: isAudioLocked && (() => seat.openRemoteMicrophone({ userId })),
  'Off the seat': () => seat.kickUserOutOfSeat({ userId }),
})));
audience.audienceList.subscribe((people) => list('audience', people, ({ userId }) => ({
  text: userId,
  Invite: () => coGuest.inviteToSeat({ userId, seatIndex: -1, timeout: 60 }),
})));
onClick('end', () => liveList.endLive());
