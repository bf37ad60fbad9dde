import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { PublishOptions } from '../rtc/publication';
import { type CameraProfileName, devices, LocalStream, type MediaKind, type PlayOptions } from '../streams';
import type { LiveCore } from './core';
import { DeviceError, DeviceStatus, MirrorType, VideoQuality } from './enums';
import { badArgument, LiveError, toLiveError } from './error';
import { Publishing } from './publishing';
import { Cell, type Store } from './store';
import type { DeviceInfo } from './types';

/** Tracks of the page's own in place of camera and microphone. */
export interface CustomSource {
  audioTrack?: MediaStreamTrack;
  videoTrack?: MediaStreamTrack;
}

/**
 * Camera, microphone and screen. What is open is published while one may publish: as a host, or seated. Who loses the
 * seat loses both, and the devices are closed.
 */
export class DeviceState {
  readonly #main: Publishing;
  readonly #aux: Publishing;
  #local = new LocalStream({});
  #screen: LocalStream | null = null;
  #test: LocalStream | null = null;
  #isCustom: Record<MediaKind, boolean> = { audio: false, video: false };
  readonly #locked = { microphone: false, camera: false };
  #preview: { view: string | HTMLElement; options: PlayOptions; isMirrored: boolean } | null = null;
  #levelTimer: ReturnType<typeof setInterval> | undefined;
  #profile: CameraProfileName = '480p_2';
  readonly #chosen: Partial<Record<'microphone' | 'camera', string>> = {};

  readonly #microphoneStatus = new Cell<DeviceStatus>(DeviceStatus.Off);
  readonly #cameraStatus = new Cell<DeviceStatus>(DeviceStatus.Off);
  readonly #screenStatus = new Cell<DeviceStatus>(DeviceStatus.Off);
  readonly #isAudioMuted = new Cell<boolean>(false);
  readonly #microphoneError = new Cell<DeviceError>(DeviceError.NoError);
  readonly #cameraError = new Cell<DeviceError>(DeviceError.NoError);
  readonly #screenError = new Cell<DeviceError>(DeviceError.NoError);
  readonly #lists = { microphone: new Cell<DeviceInfo[]>([]), camera: new Cell<DeviceInfo[]>([]), speaker: new Cell<DeviceInfo[]>([]) };
  readonly #current = { microphone: new Cell<DeviceInfo | null>(null), camera: new Cell<DeviceInfo | null>(null), speaker: new Cell<DeviceInfo | null>(null) };
  readonly #captureVolume = new Cell<number>(100);
  readonly #outputVolume = new Cell<number>(100);
  readonly #level = new Cell<number>(0, (isWanted) => this.#watchLevel(isWanted));
  readonly #micVolume = new Cell<number>(0, (isWanted) => this.#watchLevel(isWanted));
  readonly #isTesting = new Cell<boolean>(false);
  readonly #mirror = new Cell<MirrorType>(MirrorType.Auto);
  readonly #isFront = new Cell<boolean>(true);
  readonly #videoTrack = new Cell<MediaStreamTrack | null>(null);

  constructor(core: LiveCore) {
    this.#main = new Publishing(core, 'main');
    this.#aux = new Publishing(core, 'aux');
    this.#adopt(this.#local);
    core.on('entered', ({ media }) => {
      media.on('role', (role) => role === 'audience' && void this.#closeAll());
    });
    core.on('left', () => void this.#closeAll());
    devices.on('change', () => void this.#listAll());
    devices.on('allowed', () => void this.#listAll());
  }

  /** Whether the microphone is open; muted or not. */
  get microphoneStatus(): Store<DeviceStatus> { return this.#microphoneStatus; }
  get microphoneLastError(): Store<DeviceError> { return this.#microphoneError; }
  get microphoneList(): Store<DeviceInfo[]> { return this.#lists.microphone; }
  get currentMicrophone(): Store<DeviceInfo | null> { return this.#current.microphone; }
  /** Whether the open microphone is muted, by oneself or by a host. */
  get isLocalAudioMuted(): Store<boolean> { return this.#isAudioMuted; }
  /** Loudness of what is sent: 100 is as captured. */
  get captureVolume(): Store<number> { return this.#captureVolume; }
  /** How loud the microphone is now, 0 to 100; measured while somebody subscribes. */
  get currentMicVolume(): Store<number> { return this.#micVolume; }
  /** The same from 0 to 1. */
  get localMicrophoneLevel(): Store<number> { return this.#level; }
  get cameraStatus(): Store<DeviceStatus> { return this.#cameraStatus; }
  get cameraLastError(): Store<DeviceError> { return this.#cameraError; }
  get cameraList(): Store<DeviceInfo[]> { return this.#lists.camera; }
  get currentCamera(): Store<DeviceInfo | null> { return this.#current.camera; }
  /** Whether the camera is the one that looks at the user. */
  get isFrontCamera(): Store<boolean> { return this.#isFront; }
  get localMirrorType(): Store<MirrorType> { return this.#mirror; }
  /** The picture that is sent, or would be. */
  get localVideoTrack(): Store<MediaStreamTrack | null> { return this.#videoTrack; }
  get isCameraTesting(): Store<boolean> { return this.#isTesting; }
  get speakerList(): Store<DeviceInfo[]> { return this.#lists.speaker; }
  get currentSpeaker(): Store<DeviceInfo | null> { return this.#current.speaker; }
  /** Loudness of what is played, 0 to 100. */
  get outputVolume(): Store<number> { return this.#outputVolume; }
  get screenStatus(): Store<DeviceStatus> { return this.#screenStatus; }
  get screenLastError(): Store<DeviceError> { return this.#screenError; }

  /** @internal Camera and microphone as one stream, for showing it. */
  get local(): LocalStream { return this.#local; }
  /** @internal The shared screen. */
  get screen(): LocalStream | null { return this.#screen; }
  /** @internal What is published. */
  get publishing(): { main: Publishing; aux: Publishing } { return { main: this.#main, aux: this.#aux }; }

  /** How camera and microphone are published from the next time on: a stream id of one's own, a codec. */
  readonly setPublishOptions = (options: PublishOptions): void => void (this.#main.options = options);

  /** Opens the microphone; published as soon as one may. Rejects while a host keeps it closed, and where there is none. */
  readonly openLocalMicrophone = async (): Promise<void> => {
    this.#mustBeFree('microphone');
    await this.#open('audio');
    await this.#mute(false);
  };

  /** Closes the microphone: nothing hears any more. */
  readonly closeLocalMicrophone = (): Promise<void> => this.#shut('audio');

  /** Opens the camera; published as soon as one may. Rejects while a host keeps it closed, and where there is none. */
  readonly openLocalCamera = async (params: { isFront?: boolean } | boolean = {}): Promise<void> => {
    this.#mustBeFree('camera');
    const isFront = typeof params === 'boolean' ? params : params.isFront;
    if (isFront !== undefined) this.#isFront.set(isFront);
    await this.#open('video');
  };

  /** Closes the camera: its light goes out. */
  readonly closeLocalCamera = (): Promise<void> => this.#shut('video');

  /** Sends silence; the microphone stays open. */
  readonly muteLocalAudio = (): Promise<void> => this.#mute(true);

  /** Sends sound again; opens the microphone where it is not. Rejects while a host keeps it closed. */
  readonly unmuteLocalAudio = (): Promise<void> => this.openLocalMicrophone();

  readonly getMicrophoneList = (): Promise<DeviceInfo[]> => this.#list('microphone');
  readonly getCameraList = (): Promise<DeviceInfo[]> => this.#list('camera');
  readonly getSpeakerList = (): Promise<DeviceInfo[]> => this.#list('speaker');

  /** Uses another microphone, at once where it is open. */
  readonly setCurrentMicrophone = (params: { deviceId: string } | string): Promise<void> => this.#choose('microphone', 'audio', params);

  /** Uses another camera, at once where it is open. */
  readonly setCurrentCamera = (params: { deviceId: string } | string): Promise<void> => this.#choose('camera', 'video', params);

  /** Plays on another loudspeaker. */
  readonly setCurrentSpeaker = async (params: { deviceId: string } | string): Promise<void> => {
    const deviceId = idOf(params);
    if (!devices.canChooseSpeaker) throw new LiveError(new WebliveError('unsupported', 'setCurrentSpeaker: this browser chooses the speaker itself', false));
    await this.#list('speaker');
    this.#current.speaker.set(this.#lists.speaker.value.find((device) => device.deviceId === deviceId) ?? { deviceId, deviceName: '' });
  };

  /** Changes between the camera that looks at the user and the one that looks away. */
  readonly switchCamera = async (): Promise<void> => {
    const cameras = await this.#list('camera');
    const at = cameras.findIndex(({ deviceId }) => deviceId === this.#current.camera.value?.deviceId);
    const next = cameras[(at + 1) % Math.max(1, cameras.length)];
    if (next) await this.setCurrentCamera(next);
    this.#isFront.set(!this.#isFront.value);
    await this.#reflect();
  };

  /** Loudness of what is sent: 0 to 100 and above, 100 as captured. */
  readonly setCaptureVolume = async (params: number | { volume: number }): Promise<void> => {
    const volume = volumeOf(params);
    await this.#local.setCaptureVolume(volume / 100).catch((thrown: unknown) => { throw toLiveError(thrown, 'setCaptureVolume'); });
    this.#captureVolume.set(volume);
  };

  /** Loudness of what is played: 0 to 100. */
  readonly setOutputVolume = async (params: number | { volume: number }): Promise<void> => {
    this.#outputVolume.set(Math.min(100, volumeOf(params)));
  };

  /** The camera's profile by its name, such as `720p`. */
  readonly setVideoProfile = async (profile: CameraProfileName): Promise<void> => {
    this.#profile = profile;
    await this.#local.setVideoProfile(profile);
  };

  /** The camera's profile by its size. */
  readonly updateVideoQuality = (params: VideoQuality | { quality: VideoQuality }): Promise<void> => {
    const quality = typeof params === 'object' ? params.quality : params;
    const profile = QUALITIES[quality];
    if (!profile) return Promise.reject(badArgument(`updateVideoQuality: ${String(quality)}: allowed are 1 to 4`));
    return this.setVideoProfile(profile);
  };

  /** Whether one's own picture is shown as in a mirror. */
  readonly switchMirror = async (params: MirrorType | { mirrorType: MirrorType }): Promise<void> => {
    this.#mirror.set(typeof params === 'object' ? params.mirrorType : params);
    await this.#reflect();
  };

  /** @internal How one's own picture is shown. */
  get isMirrored(): boolean {
    if (this.#mirror.value !== MirrorType.Auto) return this.#mirror.value === MirrorType.Enable;
    return !this.#isCustom.video && this.#isFront.value;
  }

  /** Shows the camera in an element, without publishing it; to be ended by {@link stopCameraTest}. */
  readonly startCameraTest = async ({ view }: { view: string | HTMLElement }): Promise<void> => {
    await this.stopCameraTest();
    const cameraId = this.#chosen.camera;
    const test = new LocalStream({ video: true, ...(cameraId !== undefined && { cameraId }) });
    this.#test = test;
    try {
      await test.setVideoProfile(this.#profile);
      await test.start();
      if (this.#test !== test) return;
      this.#isTesting.set(true);
      await test.play(view, { mirror: this.isMirrored });
    } catch (thrown) {
      if (this.#test === test) await this.stopCameraTest();
      throw this.#failed('video', thrown, 'startCameraTest');
    }
  };

  readonly stopCameraTest = async (): Promise<void> => {
    this.#test?.close();
    this.#test = null;
    this.#isTesting.set(false);
  };

  /** Shows in an element what is sent, or would be: it follows the camera as it opens and closes. */
  readonly startPreview = async ({ view, ...options }: { view: string | HTMLElement } & PlayOptions): Promise<void> => {
    const { isMirrored } = this;
    this.#preview = { view, options, isMirrored };
    await this.#local.play(view, { mirror: isMirrored, ...options }).catch((thrown: unknown) => { throw toLiveError(thrown, 'startPreview'); });
  };

  readonly stopPreview = async (): Promise<void> => {
    this.#preview = null;
    this.#local.stop();
  };

  /** Sends tracks of the page's own in place of camera and microphone; they stay the page's and are never stopped here. */
  readonly setCustomSource = async ({ audioTrack, videoTrack }: CustomSource): Promise<void> => {
    for (const [kind, track] of [['audio', audioTrack], ['video', videoTrack]] as const) {
      if (!track) continue;
      await this.#local.shut(kind);
      this.#isCustom[kind] = true;
      await this.#local.replaceTrack(track);
    }
    this.#show();
  };

  /** Ends {@link setCustomSource}: the devices are closed then. */
  readonly clearCustomSource = async (): Promise<void> => {
    for (const kind of ['audio', 'video'] as const) if (this.#isCustom[kind]) await this.#shut(kind);
  };

  /** Lets the user choose a screen, and publishes it beside the camera as soon as one may. */
  readonly startScreenShare = async (params: { screenAudio?: boolean } = {}): Promise<void> => {
    if (this.#screen) return;
    const screen = new LocalStream({ screen: true, screenAudio: params.screenAudio ?? false });
    this.#screen = screen;
    screen.on('screenStopped', () => void this.stopScreenShare());
    try {
      await screen.start();
    } catch (thrown) {
      if (this.#screen === screen) this.#screen = null;
      screen.close();
      this.#screenError.set(deviceError(thrown));
      throw toLiveError(thrown, 'startScreenShare');
    }
    if (this.#screen !== screen) return screen.close();
    this.#screenError.set(DeviceError.NoError);
    this.#screenStatus.set(DeviceStatus.On);
    this.#aux.stream = screen;
  };

  readonly stopScreenShare = async (): Promise<void> => {
    const screen = this.#screen;
    if (!screen) return;
    this.#screen = null;
    this.#aux.stream = null;
    await this.#aux.settled();
    screen.close();
    this.#screenStatus.set(DeviceStatus.Off);
  };

  /** @internal A host has closed a device, or has lifted the lock: nothing is turned on by that. */
  setLock(device: 'microphone' | 'camera', isLocked: boolean): void {
    if (this.#locked[device] === isLocked) return;
    this.#locked[device] = isLocked;
    if (!isLocked) return;
    const done = device === 'camera' ? this.#shut('video') : this.#mute(true);
    done.catch((error: WebliveError) => log.warn('live', error.message));
  }

  #adopt(local: LocalStream): void {
    local.on('track', () => this.#show());
    local.on('recovered', ({ kind, deviceId }) => {
      this.#setCurrent(kind, deviceId);
      this.#errorOf(kind === 'camera' ? 'video' : 'audio').set(DeviceError.NoError);
    });
    local.on('error', (error) => {
      if (error.type !== 'device' && error.type !== 'permission') return;
      // Which of them is told by the track that has ended.
      for (const kind of ['audio', 'video'] as const) if (trackOf(local, kind)?.readyState === 'ended') this.#errorOf(kind).set(deviceError(error));
    });
    this.#main.stream = local;
  }

  async #open(kind: MediaKind): Promise<void> {
    const before = trackOf(this.#local, kind);
    if (before && before.readyState === 'live') return;
    try {
      await this.#local.start();
      if (before) await this.#local.shut(kind);
      await this.#local.open(kind);
    } catch (thrown) {
      throw this.#failed(kind, thrown, kind === 'audio' ? 'openLocalMicrophone' : 'openLocalCamera');
    }
    this.#errorOf(kind).set(DeviceError.NoError);
    this.#setCurrent(kind === 'audio' ? 'microphone' : 'camera', this.#local.deviceId(kind));
    void this.#listAll();
    await this.#main.settled();
  }

  async #shut(kind: MediaKind): Promise<void> {
    this.#isCustom[kind] = false;
    await this.#local.shut(kind);
    await this.#main.settled();
  }

  /** The seat is lost, or the room is left. */
  async #closeAll(): Promise<void> {
    const done = await Promise.allSettled([this.closeLocalMicrophone(), this.closeLocalCamera(), this.stopScreenShare()]);
    for (const result of done) if (result.status === 'rejected') log.warn('live', String(result.reason));
  }

  async #mute(audio: boolean): Promise<void> {
    if (this.#local.muted.audio === audio) return;
    await this.#local.mute({ audio });
    this.#show();
  }

  #show(): void {
    const { audioTrack, videoTrack, muted } = this.#local;
    this.#microphoneStatus.set(audioTrack ? DeviceStatus.On : DeviceStatus.Off);
    this.#cameraStatus.set(videoTrack ? DeviceStatus.On : DeviceStatus.Off);
    this.#isAudioMuted.set(muted.audio);
    this.#videoTrack.set(videoTrack);
    this.#reflect().catch((error: WebliveError) => log.warn('live', error.message));
  }

  /** A camera is shown as in a mirror, and what takes its place is not. */
  async #reflect(): Promise<void> {
    const shown = this.#preview;
    if (shown && shown.isMirrored !== this.isMirrored) await this.startPreview({ view: shown.view, ...shown.options });
  }

  #mustBeFree(device: 'microphone' | 'camera'): void {
    if (!this.#locked[device]) return;
    throw new LiveError(new WebliveError('refused', `a host has closed your ${device}; ask a host to open it`, false, { reason: 'deviceLocked' }), NO_PERMISSION);
  }

  async #list(kind: 'microphone' | 'camera' | 'speaker'): Promise<DeviceInfo[]> {
    try {
      const found = (await devices.list(kind)).map(({ deviceId, label }) => ({ deviceId, deviceName: label }));
      this.#lists[kind].set(found);
      return found;
    } catch (thrown) {
      throw toLiveError(thrown, `listing ${kind}s`);
    }
  }

  async #listAll(): Promise<void> {
    for (const kind of ['microphone', 'camera', 'speaker'] as const) {
      if (this.#lists[kind].value.length === 0 && kind === 'speaker') continue;
      await this.#list(kind).catch((error: LiveError) => log.debug('live', error.message));
    }
    for (const kind of ['microphone', 'camera'] as const) if (this.#current[kind].value) this.#setCurrent(kind, this.#current[kind].value.deviceId);
  }

  async #choose(device: 'microphone' | 'camera', kind: MediaKind, params: { deviceId: string } | string): Promise<void> {
    const deviceId = idOf(params);
    try {
      await this.#local.switchDevice(kind, deviceId);
    } catch (thrown) {
      throw this.#failed(kind, thrown, kind === 'audio' ? 'setCurrentMicrophone' : 'setCurrentCamera');
    }
    this.#chosen[device] = deviceId;
    this.#setCurrent(device, deviceId);
  }

  #setCurrent(device: 'microphone' | 'camera', deviceId: string | undefined): void {
    const cell = this.#current[device];
    if (deviceId === undefined) return;
    const deviceName = this.#lists[device].value.find((one) => one.deviceId === deviceId)?.deviceName ?? '';
    if (cell.value?.deviceId !== deviceId || cell.value.deviceName !== deviceName) cell.set({ deviceId, deviceName });
  }

  #errorOf(kind: MediaKind): Cell<DeviceError> {
    return kind === 'audio' ? this.#microphoneError : this.#cameraError;
  }

  #failed(kind: MediaKind, thrown: unknown, doing: string): LiveError {
    this.#errorOf(kind).set(deviceError(thrown));
    return toLiveError(thrown, doing);
  }

  #watchLevel(_isWanted: boolean): void {
    const isWanted = this.#level.isWanted || this.#micVolume.isWanted;
    if (isWanted === (this.#levelTimer !== undefined)) return;
    clearInterval(this.#levelTimer);
    this.#levelTimer = isWanted ? setInterval(() => this.#measure(), LEVEL_INTERVAL) : undefined;
  }

  #measure(): void {
    const level = this.#local.muted.audio ? 0 : this.#local.level();
    this.#level.set(level);
    this.#micVolume.set(Math.round(level * 100));
  }
}

const trackOf = (local: LocalStream, kind: MediaKind) => (kind === 'audio' ? local.audioTrack : local.videoTrack);

function idOf(params: { deviceId: string } | string): string {
  const deviceId = typeof params === 'string' ? params : params.deviceId;
  if (typeof deviceId !== 'string' || deviceId === '') throw badArgument('deviceId: allowed is the id of a device from the list');
  return deviceId;
}

function volumeOf(params: number | { volume: number }): number {
  const volume = typeof params === 'number' ? params : params.volume;
  if (!Number.isFinite(volume) || volume < 0) throw badArgument(`volume ${volume}: allowed is 0 to 100`);
  return volume;
}

function deviceError(thrown: unknown): DeviceError {
  const error = toWebliveError(thrown, 'device');
  if (error.type === 'permission') return DeviceError.NoSystemPermission;
  if (error.type === 'unsupported') return DeviceError.NotSupportCapture;
  if (error.type !== 'device') return DeviceError.UnknownError;
  return (error.cause as DOMException | undefined)?.name === 'NotReadableError' ? DeviceError.OccupiedError : DeviceError.NoDeviceDetected;
}

const QUALITIES: Record<number, CameraProfileName> = { 1: '360p', 2: '480p', 3: '720p', 4: '1080p' };

/** The documented code of what only a host can change. */
const NO_PERMISSION = 100_006;

/** Milliseconds between two looks at how loud the microphone is. */
const LEVEL_INTERVAL = 100;
