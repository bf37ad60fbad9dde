import { Emitter } from '../emitter';
import { WebliveError } from '../errors';
import { log } from '../log';

/** Kinds of devices. */
export type DeviceKind = 'camera' | 'microphone' | 'speaker';

/** Events of the page's devices. */
export interface DeviceEvents {
  /** Something was plugged in or out; ids of what is new and of what is gone. */
  change: { added: MediaDeviceInfo[]; removed: MediaDeviceInfo[] };
  /** The user has allowed a kind of device, in browsers that tell. */
  allowed: 'camera' | 'microphone';
}

/** The devices of this machine. Names are empty until the user has allowed one to be used. */
export class Devices extends Emitter<DeviceEvents> {
  #known: MediaDeviceInfo[] = [];
  #isWatching = false;

  /** Lists devices, of one kind or of all. Rejects with `unsupported` where the page may use none. */
  async list(kind?: DeviceKind): Promise<MediaDeviceInfo[]> {
    const all = await mediaDevices().enumerateDevices();
    this.#known = all;
    return kind === undefined ? all : all.filter((device) => device.kind === KINDS[kind]);
  }

  /** Whether sound can be sent to a chosen speaker. */
  get canChooseSpeaker(): boolean {
    return typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;
  }

  /** Calls `listener` as devices come and go; the returned function ends it. */
  override on<K extends keyof DeviceEvents>(event: K, listener: (value: DeviceEvents[K]) => void): () => void {
    this.#watch();
    return super.on(event, listener);
  }

  #watch(): void {
    const devices = globalThis.navigator?.mediaDevices;
    if (this.#isWatching || !devices?.addEventListener) return;
    this.#isWatching = true;
    void this.#look(false);
    devices.addEventListener('devicechange', () => void this.#look(true));
    for (const kind of ['camera', 'microphone'] as const) void this.#watchPermission(kind);
  }

  async #watchPermission(kind: 'camera' | 'microphone'): Promise<void> {
    try {
      const status = await navigator.permissions.query({ name: kind });
      status.onchange = () => status.state === 'granted' && this.emit('allowed', kind);
    } catch (thrown) {
      log.debug('devices', `this browser does not tell when a ${kind} is allowed`, thrown);
    }
  }

  async #look(isChange: boolean): Promise<void> {
    const before = this.#known;
    try {
      await this.list();
    } catch (thrown) {
      return log.warn('devices', 'the devices cannot be listed', thrown);
    }
    if (!isChange) return;
    const added = this.#known.filter((device) => !before.some((old) => isSame(old, device)));
    const removed = before.filter((device) => !this.#known.some((now) => isSame(now, device)));
    // Also with two empty lists: before the user has allowed anything all ids are empty.
    this.emit('change', { added, removed });
  }
}

/** The devices of this machine. */
export const devices = new Devices();

/** What captures; throws `unsupported` where the browser or an insecure page has none. */
export function mediaDevices(): MediaDevices {
  const found = globalThis.navigator?.mediaDevices;
  if (found) return found;
  throw new WebliveError('unsupported', 'no access to devices: this needs a current browser, and HTTPS or localhost', true);
}

/** Whether this browser can share a screen. */
export function canShareScreen(): boolean {
  return typeof globalThis.navigator?.mediaDevices?.getDisplayMedia === 'function';
}

const isSame = (a: MediaDeviceInfo, b: MediaDeviceInfo) => a.kind === b.kind && a.deviceId === b.deviceId;

const KINDS: Record<DeviceKind, MediaDeviceKind> = { camera: 'videoinput', microphone: 'audioinput', speaker: 'audiooutput' };
