import { addressesOf, randomStreamId, WhipClient } from '../sdk/weblive.mjs';
import { log, me, onClick } from './page.js';

const id = new URLSearchParams(location.search).get('stream') ?? randomStreamId('example');
let whip;

onClick('start', async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720 } });
  document.getElementById('preview').srcObject = stream;
  // An open server does not look at the token.
  whip = new WhipClient(addressesOf(id).whip, stream, { token: me.userSig, maxVideoBps: 1_500_000 });
  whip.on('state', (state) => log(state));
  whip.on('error', ({ message, advice }) => log(message, advice));
  await whip.start();
  log('play it:', new URL(`whep.html?stream=${id}`, location.href).href, new URL(`lines.html?stream=${id}`, location.href).href);
});

onClick('stop', () => whip?.close());
