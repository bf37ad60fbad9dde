import { toWebliveError, WebliveError } from '../errors';
import { log } from '../log';
import type { LocalPublication, PublishOptions } from '../rtc/publication';
import { openCamera, openMicrophone, openScreen, pictureConstraints, soundConstraints } from './capture';
import { devices } from './devices';
import { Gain } from './levels';
import { PlayableStream } from './playable';
import {
  type AudioProfile, type AudioProfileName, audioProfile, type CameraProfileName, cameraProfile, type ContentHint, type ScreenProfileName, screenProfile,
  type VideoProfile,
} from './profiles';
import type { MediaKind, PlayOptions } from './view';

/** What a local stream is made of. */
export interface LocalStreamOptions {
  /** The microphone. */
  audio?: boolean;
  /** The camera. */
  video?: boolean;
  /** The screen, in place of the camera. */
  screen?: boolean;
  /** The screen's own sound, in place of the microphone. */
  screenAudio?: boolean;
  /** Tracks of one's own, in place of any device. They stay the caller's: nobody stops them here. */
  audioTrack?: MediaStreamTrack;
  videoTrack?: MediaStreamTrack;
  /** Devices of the {@link Devices} list; the system's choice when absent. */
  microphoneId?: string;
  cameraId?: string;
  /** The camera that looks at the user or away, where no id is given. */
  facingMode?: 'user' | 'environment';
}

/** What a publication has to be able to do so that a stream reaches it. */
export type TrackSink = Pick<LocalPublication, 'replaceTrack' | 'mute' | 'setBounds'>;

/** Bounds that a stream's profiles ask of its publication. */
export type SendBounds = Pick<PublishOptions, 'maxVideoBps' | 'maxAudioBps' | 'degradationPreference'>;

/**
 * Camera, microphone, screen or tracks of one's own. What changes here (a device, a track, a profile, mute) reaches
 * the publications that it {@link feed}s while they run.
 */
export class LocalStream extends PlayableStream {
  readonly #options: LocalStreamOptions;
  readonly #tracks: Record<MediaKind, MediaStreamTrack | null> = { audio: null, video: null };
  readonly #muted = { audio: false, video: false };
  readonly #sinks = new Set<TrackSink>();
  /** Tracks that were opened here, and are stopped here. */
  readonly #own = new WeakSet<MediaStreamTrack>();
  #camera: VideoProfile = cameraProfile('480p_2');
  #screen: VideoProfile = screenProfile('1080p');
  #sound: AudioProfile = audioProfile('standard');
  #hint: ContentHint | null = null;
  #gain: Gain | null = null;
  #factor = 1;
  #isStarted = false;
  #isClosed = false;
  /** One change after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  #offDevices: (() => void) | null = null;
  readonly #missing = new Set<MediaKind>();

  constructor(options: LocalStreamOptions, id?: string) {
    nextId += 1;
    super(id ?? `local_${nextId}`);
    this.#options = { ...options };
  }

  override get audioTrack(): MediaStreamTrack | null {
    return this.#tracks.audio;
  }

  override get videoTrack(): MediaStreamTrack | null {
    return this.#tracks.video;
  }

  /** Whether the picture is a shared screen. */
  get isScreen(): boolean {
    return this.#options.screen === true;
  }

  /** Whether {@link start} has succeeded. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Whether sound and picture are muted. */
  get muted(): Readonly<{ audio: boolean; video: boolean }> {
    return this.#muted;
  }

  /** The id of the camera or microphone in use; undefined where there is none. */
  deviceId(kind: MediaKind): string | undefined {
    const track = this.#tracks[kind];
    return track && this.#own.has(track) ? track.getSettings().deviceId : undefined;
  }

  /**
   * Opens the devices. The user is asked where that was not yet allowed. Rejects with `permission`, `device` or
   * `unsupported`; nothing is open then, and it may be tried again.
   */
  start(): Promise<void> {
    return this.#serially(async () => {
      if (this.#isStarted) return;
      const { audio, video, screen, screenAudio, audioTrack, videoTrack } = this.#options;
      const opened: MediaStreamTrack[] = [];
      try {
        if (screen && !videoTrack) {
          const shared = await openScreen(this.#screen, this.#hint ?? 'detail', screenAudio === true);
          opened.push(...shared.getTracks());
          if (screenAudio && shared.getAudioTracks().length === 0) log.warn('local', 'the user shares no sound');
        } else if (video && !videoTrack) {
          opened.push(await this.#open('video'));
        }
        if (audio && !audioTrack && !(screen && screenAudio)) opened.push(await this.#open('audio'));
      } catch (thrown) {
        for (const track of opened) track.stop();
        throw thrown;
      }
      if (this.#isClosed) {
        for (const track of opened) track.stop();
        throw new WebliveError('state', 'the stream was closed', false);
      }
      this.#isStarted = true;
      for (const track of opened) this.#own.add(track);
      for (const track of [...opened, audioTrack, videoTrack]) if (track) await this.#put(track.kind as MediaKind, track);
      const offs = [
        devices.on('change', () => KINDS.forEach((kind) => this.#lookFor(kind))),
        devices.on('allowed', (device) => this.#lookFor(device === 'camera' ? 'video' : 'audio')),
      ];
      this.#offDevices = () => offs.forEach((off) => off());
    });
  }

  /** The profile of the camera; at once where it runs. */
  async setVideoProfile(profile: CameraProfileName | VideoProfile | (string & {})): Promise<void> {
    this.#camera = cameraProfile(profile);
    if (!this.isScreen) await this.#reshape();
  }

  /** The profile of the shared screen; at once where it is shared. */
  async setScreenProfile(profile: ScreenProfileName | VideoProfile | (string & {})): Promise<void> {
    this.#screen = screenProfile(profile);
    if (this.isScreen) await this.#reshape();
  }

  /** The profile of the microphone; what can be changed while it runs is changed at once. */
  async setAudioProfile(profile: AudioProfileName | AudioProfile | (string & {})): Promise<void> {
    this.#sound = audioProfile(profile);
    const track = this.#tracks.audio;
    if (track && this.#own.has(track)) await track.applyConstraints(soundConstraints(this.#sound)).catch(logWish);
    await this.#bound();
  }

  /** What gives way when there is too little of bandwidth or CPU: sharpness or motion. */
  async setContentHint(hint: ContentHint): Promise<void> {
    this.#hint = hint;
    if (this.#tracks.video) this.#tracks.video.contentHint = hint;
    await this.#bound();
  }

  /** Uses another camera or microphone. Where that fails, the old one goes on. */
  switchDevice(kind: MediaKind, id: string): Promise<void> {
    return this.#serially(async () => {
      const before = this.#tracks[kind];
      this.#mustBeDevice(kind, before);
      const previous = this.#options[ID_OF[kind]];
      this.#options[ID_OF[kind]] = id;
      // What was started without this device, or is without it now, takes the new one when it is opened.
      if (!before) return;
      try {
        await this.#put(kind, await this.#replacement(kind, before));
      } catch (thrown) {
        if (previous === undefined) delete this.#options[ID_OF[kind]];
        else this.#options[ID_OF[kind]] = previous;
        throw thrown;
      }
    });
  }

  /** Opens the camera or microphone of a stream that was started without, closed it, or lost it. */
  open(kind: MediaKind): Promise<void> {
    return this.#serially(async () => {
      if (this.#tracks[kind]?.readyState === 'live') return;
      const track = await this.#open(kind);
      this.#own.add(track);
      await this.#put(kind, track);
    });
  }

  /** Takes a track out, and stops it where it was opened here: the camera's light goes out. */
  shut(kind: MediaKind): Promise<void> {
    return this.#serially(async () => {
      const track = this.#tracks[kind];
      await this.#put(kind, null);
      if (track && this.#own.has(track)) track.stop();
    });
  }

  /** Adds a track of one's own, of a kind that there is none of yet. */
  addTrack(track: MediaStreamTrack): Promise<void> {
    return this.#serially(async () => {
      const kind = track.kind as MediaKind;
      if (this.#tracks[kind]) throw new WebliveError('state', `addTrack: there is a track of kind ${kind} already; use replaceTrack`, false);
      await this.#put(kind, track);
    });
  }

  /** Takes a track out without stopping it. */
  removeTrack(track: MediaStreamTrack): Promise<void> {
    return this.#serially(async () => {
      const kind = track.kind as MediaKind;
      if (this.#tracks[kind] !== track) throw new WebliveError('argument', `removeTrack: this ${kind} track is not in the stream`, false);
      await this.#put(kind, null);
    });
  }

  /** Puts a track of one's own in place of the one of its kind; the old one is not stopped. */
  replaceTrack(track: MediaStreamTrack): Promise<void> {
    return this.#serially(() => this.#put(track.kind as MediaKind, track, false));
  }

  /** Mutes or unmutes what is given; the room is told. Resolves when it was, or could not be. */
  async mute(what: { audio?: boolean; video?: boolean }): Promise<void> {
    Object.assign(this.#muted, what);
    for (const kind of KINDS) this.#enable(kind);
    await Promise.all([...this.#sinks].map((sink) => sink.mute(what).catch((thrown: unknown) => log.warn('local', 'the room was not told of mute', thrown))));
  }

  /** Loudness of what is sent: 1 as captured, 0 silence, more is louder. */
  async setCaptureVolume(factor: number): Promise<void> {
    if (!Number.isFinite(factor) || factor < 0) throw new WebliveError('argument', `capture volume ${factor}: allowed is 0 or more`, false);
    this.#factor = factor;
    await this.#serially(async () => {
      if (this.#gain) this.#gain.factor = factor;
      else if (factor !== 1 && this.#tracks.audio) await this.#send('audio');
    });
  }

  /** What is sent of a kind: the track, or what the capture volume makes of it. */
  sent(kind: MediaKind): MediaStreamTrack | null {
    return kind === 'audio' && this.#gain ? this.#gain.track : this.#tracks[kind];
  }

  /** All that is sent. */
  get sentTracks(): MediaStreamTrack[] {
    return KINDS.map((kind) => this.sent(kind)).filter((track) => track !== null);
  }

  /** Whether the profile of the microphone has two channels. */
  get isStereo(): boolean {
    return this.#sound.channelCount === 2;
  }

  /** What the profiles ask of a publication. */
  get bounds(): SendBounds {
    const { bitrateBps } = this.isScreen ? this.#screen : this.#camera;
    const hint = this.#hint ?? (this.isScreen ? 'detail' : null);
    return {
      maxVideoBps: bitrateBps, maxAudioBps: this.#sound.bitrateBps,
      ...(hint && { degradationPreference: hint === 'motion' ? 'maintain-framerate' : 'maintain-resolution' }),
    };
  }

  /** Lets changes reach a publication from now on; the returned function ends that. */
  feed(sink: TrackSink): () => void {
    this.#sinks.add(sink);
    const { audio, video } = this.#muted;
    if (audio || video) sink.mute({ audio, video }).catch((thrown: unknown) => log.warn('local', 'the room was not told of mute', thrown));
    return () => void this.#sinks.delete(sink);
  }

  /** Stops what was opened here, for good. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#offDevices?.();
    this.#gain?.close();
    this.#gain = null;
    this.dispose();
    for (const kind of KINDS) {
      const track = this.#tracks[kind];
      this.#tracks[kind] = null;
      if (track && this.#own.has(track)) track.stop();
    }
    this.#sinks.clear();
  }

  protected override get defaults(): Required<PlayOptions> {
    const isCamera = !this.isScreen && this.#options.videoTrack === undefined && this.#options.facingMode !== 'environment';
    // One's own microphone is not to be heard from one's own speaker.
    return { objectFit: this.isScreen ? 'contain' : 'cover', mirror: isCamera, muted: true };
  }

  #serially<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(() => {
      if (this.#isClosed) throw new WebliveError('state', 'the stream was closed', false);
      return change();
    });
    this.#changes = done.catch(() => undefined);
    return done;
  }

  #open(kind: MediaKind): Promise<MediaStreamTrack> {
    const { microphoneId, cameraId, facingMode } = this.#options;
    return kind === 'audio' ? openMicrophone(this.#sound, microphoneId) : openCamera(this.#camera, cameraId, facingMode);
  }

  /** Opens the new device beside the old one; where the machine allows only one at a time, after it. */
  async #replacement(kind: MediaKind, before: MediaStreamTrack): Promise<MediaStreamTrack> {
    let track: MediaStreamTrack;
    try {
      track = await this.#open(kind);
    } catch (thrown) {
      if (((thrown as WebliveError).cause as DOMException | undefined)?.name !== 'NotReadableError' || !this.#own.has(before)) throw thrown;
      before.stop();
      track = await this.#open(kind);
    }
    this.#own.add(track);
    return track;
  }

  /** Takes a track in, shows it and sends it. A track that was opened here and is displaced is stopped, unless told otherwise. */
  async #put(kind: MediaKind, track: MediaStreamTrack | null, stopsOld = true): Promise<void> {
    const before = this.#tracks[kind];
    if (before === track) return;
    this.#tracks[kind] = track;
    this.#missing.delete(kind);
    if (track) {
      if (kind === 'video' && this.#hint) track.contentHint = this.#hint;
      this.#enable(kind);
      if (this.#own.has(track)) track.addEventListener('ended', () => this.#onEnded(kind, track), { once: true });
    }
    this.changed(kind);
    await this.#send(kind);
    if (before && track && stopsOld && this.#own.has(before)) before.stop();
  }

  async #send(kind: MediaKind): Promise<void> {
    if (kind === 'audio') {
      this.#gain?.close();
      const { audio } = this.#tracks;
      this.#gain = audio && this.#factor !== 1 ? new Gain(audio, this.#factor) : null;
    }
    await this.#feed(kind, this.sent(kind));
  }

  async #feed(kind: MediaKind, track: MediaStreamTrack | null): Promise<void> {
    await Promise.all([...this.#sinks].map((sink) => sink.replaceTrack(kind, track)));
  }

  #enable(kind: MediaKind): void {
    const track = this.#tracks[kind];
    if (track) track.enabled = !this.#muted[kind];
  }

  async #reshape(): Promise<void> {
    const track = this.#tracks.video;
    // A track that was given keeps the shape it has.
    if (track && this.#own.has(track)) await track.applyConstraints(pictureConstraints(this.isScreen ? this.#screen : this.#camera)).catch(logWish);
    await this.#bound();
  }

  async #bound(): Promise<void> {
    await Promise.all([...this.#sinks].map((sink) => sink.setBounds(this.bounds)));
  }

  #mustBeDevice(kind: MediaKind, track: MediaStreamTrack | null): void {
    if (kind === 'video' && this.isScreen) throw new WebliveError('state', 'switchDevice: the picture is a shared screen', false);
    if (track && !this.#own.has(track)) throw new WebliveError('state', `switchDevice: the ${kind} track is the page's own`, false);
  }

  /** The device has gone, or the user has stopped the sharing: a track that is stopped here says nothing. */
  #onEnded(kind: MediaKind, track: MediaStreamTrack): void {
    if (this.#isClosed || this.#tracks[kind] !== track) return;
    if (this.isScreen && (kind === 'video' || this.#options.screenAudio)) {
      if (kind === 'video') this.emit('screenStopped', undefined);
      return;
    }
    this.#missing.add(kind);
    void this.#recover(kind);
  }

  #lookFor(kind: MediaKind): void {
    if (this.#missing.has(kind)) void this.#recover(kind);
  }

  /** Takes the device that is wanted if it is there, else any other one. */
  #recover(kind: MediaKind): Promise<void> {
    const device = kind === 'audio' ? 'microphone' : 'camera';
    return this.#serially(async () => {
      if (!this.#missing.has(kind)) return;
      const listed = await devices.list(device);
      const wanted = this.#options[ID_OF[kind]];
      if (listed.length === 0) throw new WebliveError('device', `the ${device} was unplugged, and there is no other one`, false);
      // Without permission the list has no ids.
      if (wanted !== undefined && !listed.some(({ deviceId }) => deviceId === wanted || deviceId === '')) delete this.#options[ID_OF[kind]];
      const track = await this.#open(kind);
      this.#own.add(track);
      await this.#put(kind, track);
      this.emit('recovered', { kind: device, deviceId: track.getSettings().deviceId ?? '' });
    }).catch(async (thrown: unknown) => {
      if (this.#isClosed) return;
      // The others are told that there is none: a picture that stands still is a riddle.
      await this.#feed(kind, null).catch((error: unknown) => log.warn('local', `the room was not told that the ${device} is gone`, error));
      this.emit('error', toWebliveError(thrown, `recovering the ${device}`));
    });
  }
}

const KINDS = ['audio', 'video'] as const;

const ID_OF = { audio: 'microphoneId', video: 'cameraId' } as const;

/** A profile is a wish: a device that cannot fulfil it goes on as it is. */
const logWish = (thrown: unknown) => log.warn('local', 'the device does not take the profile', thrown);

let nextId = 0;
