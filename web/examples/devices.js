import TRTC from '../sdk/trtc.mjs';
import { log, me, onClick } from './page.js';

const fill = (id, devices) => document.getElementById(id).replaceChildren(...devices.map(({ label, deviceId }) => new Option(label || 'unnamed', deviceId)));
let stream;

onClick('start', async () => {
  stream?.close();
  stream = TRTC.createStream({ userId: me.userId, audio: true, video: true });
  await stream.setVideoProfile('720p');
  await stream.initialize();
  await stream.play('preview', { mirror: true });
  // Devices have names once the user has allowed one.
  fill('camera', await TRTC.getCameras());
  fill('microphone', await TRTC.getMicrophones());
  // A device that is pulled out is replaced by another one by itself.
  stream.on('device-auto-recovered', ({ cameraId, microphoneId }) => log('went on with', cameraId ?? '', microphoneId ?? ''));
  log('this browser:', (await TRTC.checkSystemRequirements()).detail);
});
onClick('stop', () => stream?.close());

document.getElementById('camera').onchange = ({ target }) => stream.switchDevice('video', target.value);
document.getElementById('microphone').onchange = ({ target }) => stream.switchDevice('audio', target.value);
setInterval(() => (document.getElementById('level').value = stream?.hasAudio() ? stream.getAudioLevel() : 0), 100);
