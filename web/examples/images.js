import { BarrageType, liveContext } from '../sdk/live.mjs';
import { log, me, onClick, onSend } from './page.js';

const { barrage, liveList, login } = liveContext();
// The list has one's own messages too.
barrage.messageList.subscribe((messages) => {
  const images = messages.filter(({ messageType }) => messageType === BarrageType.image);
  document.getElementById('images').replaceChildren(...images.map(({ image, sender }) => {
    // The original, then one of at most 720 and one of at most 198 pixels.
    const { url } = image.imageInfoArray[1];
    return Object.assign(new Image(), { src: url, alt: `Image of ${sender.userName || sender.userId}` });
  }));
});

onClick('enter', async () => {
  const liveId = String(me.roomId);
  await login.login(me);
  await liveList.joinLive({ liveId }).catch(() => liveList.createLive({ liveId, liveName: 'Images' }));
  log('entered');
});

onSend('form', (file) => barrage.sendImageMessage({ file, onProgress: (part) => (document.getElementById('progress').value = part) }));
