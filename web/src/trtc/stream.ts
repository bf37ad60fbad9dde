import { ErrorCode } from './codes';
import { Listeners } from './listeners';
import { badParameter, toRtcError } from './rtc-error';
import type { ClientConnectionState, StreamEventTypes } from './types';
import type { MediaKind, PlayableStream, PlayerChange, PlayOptions } from '../streams';

/** What local and remote streams have in common. */
export abstract class Stream {
  /** @internal */
  abstract readonly below: PlayableStream;
  readonly #listeners = new Listeners<StreamEventTypes>();
  #connection: ClientConnectionState = 'DISCONNECTED';

  /** Registers a handler; `context` becomes its `this`. */
  on<K extends keyof StreamEventTypes>(event: K, handler: (event: StreamEventTypes[K]) => void, context?: unknown): this {
    this.#listeners.on(event, handler, context);
    return this;
  }

  /** Removes a handler; all of them for `'*'`. */
  off<K extends keyof StreamEventTypes>(event: K | '*', handler?: (event: StreamEventTypes[K]) => void): this {
    this.#listeners.off(event, handler);
    return this;
  }

  /** Names the stream; part of the ids of its elements in the page. */
  getId(): string {
    return this.below.id;
  }

  /** Whose stream it is. */
  abstract getUserId(): string;
  abstract hasAudio(): boolean;
  abstract hasVideo(): boolean;
  abstract close(): void;

  /** Mutes or unmutes; false where there is nothing of the kind. */
  protected abstract mute(kind: MediaKind, isMuted: boolean): boolean;

  /** Mutes the sound: for everybody where the stream is one's own, else on this page. False where there is none. */
  muteAudio(): boolean {
    return this.mute('audio', true);
  }

  /** Makes the picture black: for everybody where the stream is one's own, else on this page. False where there is none. */
  muteVideo(): boolean {
    return this.mute('video', true);
  }

  /** Takes {@link muteAudio} back; false where there is no sound. */
  unmuteAudio(): boolean {
    return this.mute('audio', false);
  }

  /** Takes {@link muteVideo} back; false where there is no picture. */
  unmuteVideo(): boolean {
    return this.mute('video', false);
  }

  /**
   * Shows the stream in a container: an element or its id. Rejects with `PLAY_NOT_ALLOWED` where the browser wants a
   * click first; call {@link resume} from it.
   */
  async play(target: string | HTMLElement, options: PlayOptions = {}): Promise<void> {
    const isElement = typeof HTMLElement !== 'undefined' && target instanceof HTMLElement;
    if (!isElement && (typeof target !== 'string' || target === '')) throw badParameter('play: allowed is an element or the id of one');
    try {
      await this.below.play(target, { ...this.playDefaults(), ...known(options) });
    } catch (thrown) {
      throw toRtcError(thrown, 'play');
    }
  }

  /** Shows it no longer. */
  stop(): void {
    this.below.stop();
  }

  /** Goes on where the browser has refused or paused. */
  async resume(): Promise<void> {
    try {
      await this.below.resume();
    } catch (thrown) {
      throw toRtcError(thrown, 'resume');
    }
  }

  /** The speaker, by its id. */
  async setAudioOutput(deviceId: string): Promise<void> {
    try {
      await this.below.setSpeaker(deviceId);
    } catch (thrown) {
      throw toRtcError(thrown, 'setAudioOutput', { device: ErrorCode.DEVICE_NOT_FOUND });
    }
  }

  /** Loudness here, from 0 to 1. */
  setAudioVolume(volume: number): void {
    try {
      this.below.volume = Number(volume);
    } catch (thrown) {
      throw toRtcError(thrown, 'setAudioVolume');
    }
  }

  /** How loud it is at this moment, from 0 to 1. */
  getAudioLevel(): number {
    return this.below.level();
  }

  getAudioTrack(): MediaStreamTrack | null {
    return this.below.audioTrack;
  }

  getVideoTrack(): MediaStreamTrack | null {
    return this.below.videoTrack;
  }

  /** The picture of this moment as a PNG `data:` URL; null while none is shown. */
  getVideoFrame(): string | null {
    return this.below.frame();
  }

  /** @internal */
  emit<K extends keyof StreamEventTypes>(event: K, value: StreamEventTypes[K]): void {
    this.#listeners.emit(event, value);
  }

  /** @internal The peer connection of the stream has changed its state. */
  connection(state: ClientConnectionState): void {
    const prevState = this.#connection;
    if (prevState === state) return;
    this.#connection = state;
    this.emit('connection-state-changed', { prevState, state });
  }

  protected playDefaults(): PlayOptions {
    return {};
  }

  /** To be called once by the constructors. */
  protected listen(): void {
    this.below.on('player', (change) => this.emit('player-state-changed', playerState(change)));
    this.below.on('error', (error) => this.emit('error', toRtcError(error, 'stream', { device: ErrorCode.DEVICE_AUTO_RECOVER_FAILED })));
  }
}

function playerState({ kind, state, reason }: PlayerChange): StreamEventTypes['player-state-changed'] {
  return { type: kind, state: state.toUpperCase() as 'PLAYING' | 'PAUSED' | 'STOPPED', reason };
}

/** A page may pass members that are undefined, and others that are unknown. */
function known({ objectFit, mirror, muted }: PlayOptions): PlayOptions {
  return { ...(objectFit !== undefined && { objectFit }), ...(mirror !== undefined && { mirror }), ...(muted !== undefined && { muted }) };
}
