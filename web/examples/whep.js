import { addressesOf, WhepClient } from '../sdk/weblive.mjs';
import { log, me, onClick, onSend } from './page.js';

const video = document.getElementById('video');
let whep;

onSend('form', async (stream) => {
  await whep?.close();
  whep = new WhepClient(addressesOf(stream).whep, { token: me.userSig });
  whep.on('state', (state) => log(state));
  whep.on('error', ({ type, message }) => log(type, message));
  whep.on('track', () => {
    if (video.srcObject !== whep.stream) video.srcObject = whep.stream;
    video.play().catch(() => log('click the picture to play it'));
  });
  await whep.start();
});

onClick('stop', () => whep?.close());

document.getElementById('stream').value = new URLSearchParams(location.search).get('stream') ?? '';
