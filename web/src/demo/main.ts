import { addressesOf, randomStreamId, STREAM_ID } from '../addresses';
import type { WebliveError } from '../errors';
import { FlvPlayer } from '../players/flv';
import { HlsPlayer } from '../players/hls';
import { WebRtcPlayer } from '../players/webrtc';
import { Access, readAccess } from './access';
import { AddressList } from './address-list';
import { byId, copyText, setText } from './dom';
import { PlayerCard } from './player-card';
import { PublishPanel } from './publish-panel';

const given = readAccess(new URL(location.href));
// A token stays neither in the address bar nor in the history.
if (given.clean.href !== location.href) history.replaceState(null, '', given.clean);
const asked = given.clean.searchParams.get('id');
const isShared = asked !== null && STREAM_ID.test(asked);
const field = byId<HTMLInputElement>('stream-id');
field.value = isShared ? asked : randomStreamId('demo');
/** What the field last held that can be an id: players try again while somebody types. */
let streamId = field.value;
const access = new Access(byId<HTMLDetailsElement>('access'), byId<HTMLInputElement>('token'), given, streamId);

const announce = (text: string) => setText(byId('announce'), text);
const addresses = () => access.sign(streamId, addressesOf(streamId));
const askAgain = (error: WebliveError) => error.status === 401 && access.ask();
const template = byId<HTMLTemplateElement>('card');
const cards = [
  new PlayerCard(template, {
    title: 'WebRTC',
    subtitle: 'The least delay, for guests who talk back',
    open: (video) => {
      const player = new WebRtcPlayer(addresses().whep, video, access.options);
      player.on('error', askAgain);
      return player;
    },
  }),
  new PlayerCard(template, {
    title: 'HTTP-FLV',
    subtitle: 'One endless response, below a second',
    open: (video) => new FlvPlayer(addresses().flv, video),
  }),
  new PlayerCard(template, {
    title: 'HLS',
    subtitle: 'Segments of 2 s, for any CDN and phone',
    open: (video) => new HlsPlayer(addresses().hls, video),
  }),
];
for (const card of cards) byId('cards').append(card.element);

const list = new AddressList(byId('addresses'), announce);
const publish = new PublishPanel(
  () => ({ whip: addresses().whip, ...access.options }),
  () => playAll(),
  askAgain,
);

function playAll(): void {
  for (const card of cards) if (!card.isWanted) card.play();
}

function onStreamId(): void {
  if (!field.reportValidity() || !STREAM_ID.test(field.value)) return;
  streamId = field.value;
  list.show(addresses());
  for (const card of cards) if (card.isWanted) card.play();
}

field.addEventListener('change', onStreamId);
field.addEventListener('input', () => {
  if (!STREAM_ID.test(field.value)) return;
  streamId = field.value;
  list.show(addresses());
});
// A page that is left ends its sessions; the server would find out by a timeout.
window.addEventListener('pagehide', () => {
  for (const card of cards) card.stop();
});
byId('play-all').addEventListener('click', playAll);
byId('share').addEventListener('click', async (event) => {
  const button = event.currentTarget as HTMLButtonElement;
  const link = new URL(`?id=${encodeURIComponent(streamId)}`, location.origin + location.pathname).href;
  const done = await copyText(link);
  if (!done) history.replaceState(null, '', link);
  setText(button, done ? 'Copied' : 'Link is in the address bar');
  announce(done ? 'Watch link copied' : 'The watch link is in the address bar');
  setTimeout(() => setText(button, 'Copy watch link'), 1_500);
});

onStreamId();
if (isShared) {
  // Who follows a link wants to watch; publishing is one scroll away.
  byId('watch').parentElement?.prepend(byId('watch'));
  playAll();
}

let isRefreshing = false;
setInterval(async () => {
  if (isRefreshing) return;
  isRefreshing = true;
  try {
    await Promise.all([publish.refresh(), ...cards.map((card) => card.refresh())]);
  } finally {
    isRefreshing = false;
  }
}, 500);
