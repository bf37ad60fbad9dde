import { LinePlayer, linesOf } from '../sdk/weblive.mjs';
import { log, me, onClick, onSend } from './page.js';

let player;
onSend('form', (stream) => {
  player?.stop();
  // The best line first: WebRTC, then FLV, then HLS. A line may also be a room, or an address elsewhere.
  player = new LinePlayer({ container: document.getElementById('view'), lines: linesOf(stream, { token: me.userSig }) });
  player.on('line', ({ line, reason }) => log('now over', line.kind, `(${reason})`));
  player.on('lineError', ({ line, error }) => log(line.kind, 'failed:', error.message));
  player.on('state', (state) => log(state));
  player.on('picture', ({ afterMs }) => log(`first picture after ${Math.round(afterMs)} ms`));
  player.on('error', ({ message, fatal }) => log(fatal ? 'over:' : 'tries again:', message));
  player.start();
});

for (const index of [0, 1, 2]) onClick(`line${index}`, () => player?.choose(index));
onClick('best', () => player?.choose(null));
onClick('stop', () => player?.stop());

document.getElementById('stream').value = new URLSearchParams(location.search).get('stream') ?? '';
