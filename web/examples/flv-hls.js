import { addressesOf, createPlayer, EVENT } from '../sdk/weblive.mjs';
import { log, onClick, onSend } from './page.js';

const player = createPlayer();
player.setRenderView({ elementID: 'view' });
// What people are told by the code of an error; other codes have a text of their own.
player.setCustomConfig({ wording: { 13: 'The broadcast has not begun, or it is over.' } });
player.on(EVENT.PLAYER_PLAYING, () => log('playing'));
player.on(EVENT.PLAYER_WAITING, () => log('waiting for data'));
player.on(EVENT.PLAYER_LINE_CHANGED, ({ data }) => log('over', data.kind));
player.on(EVENT.PLAYER_ERROR, ({ data }) => log('failed:', data.message, `(${data.code})`));

onSend('form', (stream) => {
  const { flv, hls } = addressesOf(stream);
  return player.startPlay(`https://flv=${encodeURIComponent(flv)}&hls=${encodeURIComponent(hls)}`);
});
onClick('stop', () => player.stopPlay());

document.getElementById('stream').value = new URLSearchParams(location.search).get('stream') ?? '';
