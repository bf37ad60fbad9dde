import { vi } from 'vitest';

/** A track of unit tests. */
export class FakeTrack extends EventTarget {
  enabled = true;
  muted = false;
  readyState: MediaStreamTrackState = 'live';
  contentHint = '';
  readonly wishes: MediaTrackConstraints[] = [];
  readonly id: string;

  constructor(
    readonly kind: 'audio' | 'video',
    readonly deviceId = '',
  ) {
    super();
    count += 1;
    this.id = `${kind}-${count}`;
  }

  stop(): void {
    this.readyState = 'ended';
  }

  getSettings(): MediaTrackSettings {
    return { deviceId: this.deviceId, width: 640, height: 480 };
  }

  applyConstraints(wish: MediaTrackConstraints): Promise<void> {
    this.wishes.push(wish);
    return Promise.resolve();
  }

  /** What the browser does when the device is gone or the user ends the sharing. */
  end(): void {
    this.readyState = 'ended';
    this.dispatchEvent(new Event('ended'));
  }

  /** As the browser's own type. */
  get real(): MediaStreamTrack {
    return this as unknown as MediaStreamTrack;
  }
}

/** A stream of unit tests. */
export class FakeStream {
  readonly #tracks: FakeTrack[];

  constructor(tracks: FakeTrack[] = []) {
    this.#tracks = [...tracks];
  }

  getTracks(): FakeTrack[] {
    return [...this.#tracks];
  }

  getAudioTracks(): FakeTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'audio');
  }

  getVideoTracks(): FakeTrack[] {
    return this.#tracks.filter(({ kind }) => kind === 'video');
  }

  addTrack(track: FakeTrack): void {
    if (!this.#tracks.includes(track)) this.#tracks.push(track);
  }

  removeTrack(track: FakeTrack): void {
    const at = this.#tracks.indexOf(track);
    if (at >= 0) this.#tracks.splice(at, 1);
  }
}

/** The devices of unit tests: two cameras, two microphones, a speaker and a screen. */
export class FakeDevices extends EventTarget {
  list: MediaDeviceInfo[] = [];
  /** Every wish so far. */
  readonly asked: MediaStreamConstraints[] = [];
  readonly shared: DisplayMediaStreamOptions[] = [];
  readonly opened: FakeTrack[] = [];
  /** The next one to be opened is refused with a DOMException of this name. */
  refusal: { name: string; message: string } | null = null;
  readonly permissions = new FakePermissions();

  reset(): void {
    this.list = [device('videoinput', 'cam1'), device('videoinput', 'cam2'), device('audioinput', 'mic1'), device('audioinput', 'mic2'), device('audiooutput', 'speaker1')];
    for (const list of [this.asked, this.shared, this.opened]) list.length = 0;
    this.refusal = null;
  }

  enumerateDevices(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve([...this.list]);
  }

  getUserMedia(wish: MediaStreamConstraints): Promise<FakeStream> {
    this.asked.push(wish);
    return this.#open(() => {
      const kind = wish.video ? 'video' : 'audio';
      const wanted = (wish[kind] as MediaTrackConstraints).deviceId as { exact: string } | undefined;
      const there = this.list.filter((one) => one.kind === `${kind}input`);
      const found = wanted ? there.find(({ deviceId }) => deviceId === wanted.exact) : there[0];
      if (!found) throw new DOMException('Requested device not found', wanted ? 'OverconstrainedError' : 'NotFoundError');
      return [new FakeTrack(kind, found.deviceId)];
    });
  }

  getDisplayMedia(wish: DisplayMediaStreamOptions): Promise<FakeStream> {
    this.shared.push(wish);
    return this.#open(() => [new FakeTrack('video', 'screen'), ...(wish.audio ? [new FakeTrack('audio', 'screen')] : [])]);
  }

  /** Something was plugged in or out. */
  change(list: MediaDeviceInfo[]): void {
    this.list = list;
    this.dispatchEvent(new Event('devicechange'));
  }

  async #open(open: () => FakeTrack[]): Promise<FakeStream> {
    const { refusal } = this;
    this.refusal = null;
    if (refusal) throw new DOMException(refusal.message, refusal.name);
    const tracks = open();
    this.opened.push(...tracks);
    return new FakeStream(tracks);
  }
}

/** What the user has allowed, in a browser that knows the names of some kinds of device. */
export class FakePermissions {
  /** The kinds that can be asked about. */
  known: readonly string[] = ['camera', 'microphone'];
  readonly #asked = new Map<string, { state: PermissionState; onchange: (() => void) | null }>();

  query({ name }: { name: string }): Promise<{ state: PermissionState; onchange: (() => void) | null }> {
    if (!this.known.includes(name)) return Promise.reject(new TypeError(`'${name}' is not a valid value for enumeration PermissionName`));
    const status = this.#asked.get(name) ?? { state: 'prompt', onchange: null };
    this.#asked.set(name, status);
    return Promise.resolve(status);
  }

  /** The user decides. */
  set(name: string, state: PermissionState): void {
    const status = this.#asked.get(name);
    if (!status) return;
    status.state = state;
    status.onchange?.();
  }
}

/** Puts the fakes in place of what the browser has; `happy-dom` brings the elements. Undone by `vi.unstubAllGlobals()`. */
export function installFakes(): FakeDevices {
  // The page's devices are listened to once, by whoever is first.
  const fakes = (installed ??= new FakeDevices());
  fakes.reset();
  vi.stubGlobal('MediaStream', FakeStream);
  Object.defineProperty(globalThis.navigator, 'mediaDevices', { value: fakes, configurable: true });
  Object.defineProperty(globalThis.navigator, 'permissions', { value: fakes.permissions, configurable: true });
  if (typeof HTMLMediaElement !== 'undefined') {
    Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', { value: null, writable: true, configurable: true });
  }
  return fakes;
}

export function device(kind: MediaDeviceKind, deviceId: string): MediaDeviceInfo {
  return { kind, deviceId, label: deviceId, groupId: '', toJSON: () => ({}) };
}

let installed: FakeDevices | null = null;

let count = 0;
