import { type AudioProfile, type ContentHint, LocalStream as Below, type MediaKind, type PlayOptions, type VideoProfile } from '../streams';
import { checkStreamConfig } from './checks';
import { badOperation, badParameter, toRtcError } from './rtc-error';
import { Stream } from './stream';
import type { StreamConfig, VideoProfileConfig } from './types';

/** Camera, microphone, screen, or tracks of one's own. Made by `createStream`. */
export class LocalStream extends Stream {
  /** @internal */
  readonly below: Below;
  readonly #config: StreamConfig;

  /** @internal */
  constructor(config: StreamConfig) {
    super();
    checkStreamConfig(config);
    this.#config = config;
    const { audio, video, screen, screenAudio, audioSource, videoSource, microphoneId, cameraId, facingMode } = config;
    this.below = new Below({
      audio: Boolean(audio), video: Boolean(video), screen: Boolean(screen), screenAudio: Boolean(screenAudio),
      ...(audioSource && { audioTrack: audioSource }), ...(videoSource && { videoTrack: videoSource }),
      ...(microphoneId && { microphoneId }), ...(cameraId && { cameraId }), ...(facingMode && { facingMode }),
    });
    this.listen();
    this.below.on('screenStopped', () => this.emit('screen-sharing-stopped', undefined));
    this.below.on('recovered', ({ kind }) => {
      const isCamera = kind === 'camera';
      this.emit('device-auto-recovered', {
        isCamera, isMicrophone: !isCamera, cameraId: this.below.deviceId('video'), microphoneId: this.below.deviceId('audio'),
      });
    });
  }

  getUserId(): string {
    return this.#config.userId ?? '';
  }

  /** Opens the devices. Rejects with `INITIALIZE_FAILED` or `DEVICE_NOT_FOUND`, whose `name` is the browser's word for it. */
  initialize(): Promise<void> {
    return this.#do('initialize', () => this.below.start());
  }

  hasAudio(): boolean {
    return this.below.audioTrack !== null;
  }

  hasVideo(): boolean {
    return this.below.videoTrack !== null;
  }

  /** `standard`, `standard-stereo`, `high`, `high-stereo`, or a profile with `bitrate` in kbit/s. */
  setAudioProfile(profile: string | { sampleRate: number; channelCount: 1 | 2; bitrate: number }): Promise<void> {
    return this.#do('setAudioProfile', () => this.below.setAudioProfile(typeof profile === 'string' ? profile : audioOf(profile)));
  }

  /** A name of the table of profiles, or a profile with `bitrate` in kbit/s. */
  setVideoProfile(profile: string | VideoProfileConfig): Promise<void> {
    return this.#do('setVideoProfile', () => this.below.setVideoProfile(typeof profile === 'string' ? profile : videoOf('setVideoProfile', profile)));
  }

  /** Likewise, of a shared screen. */
  setScreenProfile(profile: string | VideoProfileConfig): Promise<void> {
    return this.#do('setScreenProfile', () => this.below.setScreenProfile(typeof profile === 'string' ? profile : videoOf('setScreenProfile', profile)));
  }

  /** What the picture is mostly like. */
  setVideoContentHint(hint: ContentHint): Promise<void> {
    return this.#do('setVideoContentHint', async () => {
      if (!HINTS.includes(hint)) throw badParameter(`setVideoContentHint: ${JSON.stringify(hint)}; allowed are ${HINTS.join(', ')}`);
      await this.below.setContentHint(hint);
    });
  }

  /** Uses another microphone (`audio`) or camera (`video`). */
  switchDevice(type: MediaKind, deviceId: string): Promise<void> {
    return this.#do('switchDevice', async () => {
      if (type !== 'audio' && type !== 'video') throw badParameter(`switchDevice: ${JSON.stringify(type)}; allowed are 'audio' and 'video'`);
      if (typeof deviceId !== 'string' || deviceId === '') throw badParameter('switchDevice: the device has no id');
      if (!this.below.isStarted) throw badOperation('switchDevice: call initialize first');
      await this.below.switchDevice(type, deviceId);
    });
  }

  /** Adds a track of a kind that there is none of. Viewers get it at once. */
  addTrack(track: MediaStreamTrack): Promise<void> {
    return this.#do('addTrack', () => this.below.addTrack(mustBeTrack('addTrack', track)));
  }

  /** Takes a track out; it is not stopped. */
  removeTrack(track: MediaStreamTrack): Promise<void> {
    return this.#do('removeTrack', () => this.below.removeTrack(mustBeTrack('removeTrack', track)));
  }

  /** Puts a track in place of the one of its kind, which is not stopped. */
  replaceTrack(track: MediaStreamTrack): Promise<void> {
    return this.#do('replaceTrack', () => this.below.replaceTrack(mustBeTrack('replaceTrack', track)));
  }

  /** Loudness of what is sent: 100 as captured, 0 silence, more is louder. */
  setAudioCaptureVolume(volume: number): Promise<void> {
    return this.#do('setAudioCaptureVolume', () => this.below.setCaptureVolume(Number(volume) / 100));
  }

  /** Stops it, and the devices that it has opened. */
  close(): void {
    this.below.close();
  }

  protected override playDefaults(): PlayOptions {
    return this.#config.mirror === undefined ? {} : { mirror: this.#config.mirror };
  }

  protected override mute(kind: MediaKind, isMuted: boolean): boolean {
    if (!(kind === 'audio' ? this.hasAudio() : this.hasVideo())) return false;
    void this.below.mute({ [kind]: isMuted });
    return true;
  }

  async #do(doing: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (thrown) {
      throw toRtcError(thrown, doing);
    }
  }
}

const HINTS: readonly string[] = ['motion', 'detail', 'text'];

function videoOf(doing: string, { width, height, frameRate, bitrate }: VideoProfileConfig): VideoProfile {
  for (const [name, value] of Object.entries({ width, height, frameRate, bitrate })) {
    if (!Number.isFinite(value) || value <= 0) throw badParameter(`${doing}: ${name} ${String(value)}; allowed is a number above 0`);
  }
  return { width, height, frameRate, bitrateBps: bitrate * 1000 };
}

function audioOf({ sampleRate, channelCount, bitrate }: { sampleRate: number; channelCount: 1 | 2; bitrate: number }): AudioProfile {
  if (!Number.isFinite(bitrate) || bitrate <= 0) throw badParameter(`setAudioProfile: bitrate ${String(bitrate)}; allowed is a number above 0`);
  return { sampleRate, channelCount, bitrateBps: bitrate * 1000 };
}

function mustBeTrack(doing: string, track: MediaStreamTrack): MediaStreamTrack {
  if (track?.kind === 'audio' || track?.kind === 'video') return track;
  throw badParameter(`${doing}: this is no track`);
}
