import { liveContext } from '../sdk/live.mjs';
import { log, me, onClick } from './page.js';

const { gift, liveList, login } = liveContext();
gift.totalLikeCount.subscribe((total) => (document.getElementById('total').textContent = total));
gift.subscribeEvent('ON_RECEIVE_LIKES_MESSAGE', ({ sender }) => log(sender.userName || sender.userId, 'likes it'));

onClick('enter', async () => {
  const liveId = String(me.roomId);
  await login.login(me);
  // The first page makes the room.
  await liveList.joinLive({ liveId }).catch(() => liveList.createLive({ liveId, liveName: 'Likes' }));
  log('entered');
});

// Each click is a like; likes in a row go as one request.
document.getElementById('like').onclick = () => gift.sendLikes({ count: 1 }).catch(({ message }) => log(message));
