import { toWebliveError } from '../errors';
import { mediaDevices } from './devices';
import type { AudioProfile, ContentHint, VideoProfile } from './profiles';

/** Opens a camera. Rejects with {@link WebliveError} `permission`, `device` or `unsupported`. */
export async function openCamera(profile: VideoProfile, id?: string, facingMode?: 'user' | 'environment'): Promise<MediaStreamTrack> {
  const video = {
    ...pictureConstraints(profile),
    ...(id !== undefined && id !== '' ? { deviceId: { exact: id } } : facingMode !== undefined && { facingMode: { ideal: facingMode } }),
  };
  const [track] = (await capture('camera', (from) => from.getUserMedia({ video }))).getVideoTracks();
  return track!;
}

/** Opens a microphone. Rejects like {@link openCamera}. */
export async function openMicrophone(profile: AudioProfile, id?: string): Promise<MediaStreamTrack> {
  const audio = { ...soundConstraints(profile), ...(id !== undefined && id !== '' && { deviceId: { exact: id } }) };
  const [track] = (await capture('microphone', (from) => from.getUserMedia({ audio }))).getAudioTracks();
  return track!;
}

/** Has the user choose a screen, window or tab; `withSound` asks for its sound too, which may not come. */
export async function openScreen(profile: VideoProfile, hint: ContentHint, withSound: boolean): Promise<MediaStream> {
  const audio = withSound && { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await capture('screen', (from) => from.getDisplayMedia({ video: pictureConstraints(profile), audio }));
  for (const track of stream.getVideoTracks()) track.contentHint = hint;
  return stream;
}

/** What a track is asked for so that it fits a profile. */
export function pictureConstraints({ width, height, frameRate }: VideoProfile): MediaTrackConstraints {
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate } };
}

/** Likewise for sound. Music must not be taken for noise, so stereo is left as it is. */
export function soundConstraints({ sampleRate, channelCount }: AudioProfile): MediaTrackConstraints {
  const isSpeech = channelCount === 1;
  return {
    sampleRate: { ideal: sampleRate }, channelCount: { ideal: channelCount },
    echoCancellation: true, noiseSuppression: isSpeech, autoGainControl: isSpeech,
  };
}

async function capture(what: string, open: (from: MediaDevices) => Promise<MediaStream>): Promise<MediaStream> {
  try {
    return await open(mediaDevices());
  } catch (thrown) {
    throw toWebliveError(thrown, what);
  }
}
