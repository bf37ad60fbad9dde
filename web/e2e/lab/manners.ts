import { LinePlayer, type LinePlayerState } from 'weblive';
import { LiveContext } from 'weblive/live';
import { ClockReader, TestCard } from 'weblive/testcard';
import TRTC, { type Client, type LocalStream, type RemoteStream, type RtcError } from 'weblive/trtc';
import TWebLive, { type Player } from 'weblive/tweblive';

/** What is seen of one picture. */
export interface Picture {
  /** Whose it is, where the page says so. */
  user: string;
  frames: number;
  /** The longest time between two frames since {@link Watching.forget}, the one that lasts still included; milliseconds. */
  longestGap: number;
  /** How long ago the shown frame was painted; null where no clock is painted. */
  delay: number | null;
  /** The mean colour, of 0 to 255 each. */
  colour: [red: number, green: number, blue: number];
  /** How red the reddest corner is, of 0 to 255. */
  corner: number;
  isPaused: boolean;
  isMuted: boolean;
  /** Seconds. */
  time: number;
  /** Seconds between what is played and the end of what has come, for FLV and HLS. */
  ahead: number;
  box: { left: number; top: number; width: number; height: number };
}

/** Looks at the video elements of the page. */
class Watching {
  readonly #seen = new Map<HTMLVideoElement, { frames: number; at: number; gap: number; reader: ClockReader; painted: number | null }>();
  readonly #canvas = new OffscreenCanvas(16, 16);

  constructor(readonly root: Element) {
    new MutationObserver(() => this.#find()).observe(root, { childList: true, subtree: true });
    this.#find();
  }

  pictures(): Picture[] {
    return [...this.root.querySelectorAll('video')].filter((video) => video.videoWidth > 0).map((video) => {
      const seen = this.#seen.get(video)!;
      const { left, top, width, height } = video.getBoundingClientRect();
      const { buffered, currentTime } = video;
      return {
        user: video.dataset['user'] ?? '', frames: seen.frames, longestGap: Math.max(seen.gap, performance.now() - seen.at),
        delay: seen.painted === null ? null : Date.now() - seen.painted, ...this.#colour(video), isPaused: video.paused, isMuted: video.muted,
        time: currentTime, ahead: buffered.length > 0 ? buffered.end(buffered.length - 1) - currentTime : 0, box: { left, top, width, height },
      };
    });
  }

  /** Begins to measure gaps anew. */
  forget(): void {
    for (const seen of this.#seen.values()) Object.assign(seen, { gap: 0, at: performance.now() });
  }

  #find(): void {
    for (const video of this.root.querySelectorAll('video')) if (!this.#seen.has(video)) this.#watch(video);
    for (const [video, { reader }] of this.#seen) {
      if (this.root.contains(video)) continue;
      reader.stop();
      this.#seen.delete(video);
    }
  }

  #watch(video: HTMLVideoElement): void {
    const reader = new ClockReader(video);
    const seen = { frames: 0, at: performance.now(), gap: 0, reader, painted: null as number | null };
    this.#seen.set(video, seen);
    reader.on('reading', ({ clock }) => (seen.painted = clock));
    reader.start();
    const next = () => void video.requestVideoFrameCallback((now) => {
      if (seen.frames > 0) seen.gap = Math.max(seen.gap, now - seen.at);
      seen.at = now;
      seen.frames += 1;
      next();
    });
    next();
  }

  #colour(video: HTMLVideoElement): Pick<Picture, 'colour' | 'corner'> {
    const context = this.#canvas.getContext('2d', { willReadFrequently: true })!;
    context.drawImage(video, 0, 0, 16, 16);
    const { data } = context.getImageData(0, 0, 16, 16);
    const mean = (offset: number) => data.filter((_, i) => i % 4 === offset).reduce((sum, value) => sum + value, 0) / 256;
    return { colour: [mean(0), mean(1), mean(2)], corner: Math.max(...[0, 15, 240, 255].map((pixel) => data[pixel * 4]!)) };
  }
}

/** Hears the loudest note on the left and on the right of a sound. */
class Hearing {
  readonly #context = new AudioContext();
  readonly #sides: AnalyserNode[];
  #loudest = [0, 0];

  constructor(sound: MediaStreamTrack) {
    const source = this.#context.createMediaStreamSource(new MediaStream([sound]));
    const splitter = this.#context.createChannelSplitter(2);
    source.connect(splitter);
    this.#sides = [0, 1].map((channel) => {
      const analyser = this.#context.createAnalyser();
      analyser.fftSize = 4096;
      splitter.connect(analyser, channel);
      return analyser;
    });
    setInterval(() => (this.#loudest = this.#loudest.map((level, i) => Math.max(level, this.#level(i)))), 50);
  }

  /** The loudest sample of each side since the last look. */
  levels(): number[] {
    const levels = this.#loudest;
    this.#loudest = [0, 0];
    return levels;
  }

  /** The frequency of the loudest note of each side, in hertz. */
  notes(): number[] {
    return this.#sides.map((analyser) => {
      const bins = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(bins);
      return (bins.indexOf(Math.max(...bins)) * this.#context.sampleRate) / analyser.fftSize;
    });
  }

  #level(side: number): number {
    const samples = new Float32Array(4096);
    this.#sides[side]!.getFloatTimeDomainData(samples);
    return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  }
}

/** Where a page is. */
export interface Whereabouts {
  server: string;
  user: string;
  room: number;
}

/** A page that publishes camera and microphone, or a painted picture with a note on the left and another one on the right. */
export class AnchorPage {
  readonly told: [name: string, data: unknown][] = [];
  client!: Client;
  stream!: LocalStream;

  async begin({ server, user, room }: Whereabouts, notes: [left: number, right: number] | null): Promise<void> {
    this.client = TRTC.createClient({ mode: 'live', sdkAppId: 0, userId: user, userSig: 'none', server, autoSubscribe: false });
    this.client.on('connection-state-changed', (change) => this.told.push(['connection-state-changed', change]));
    this.client.on('error', (error) => this.told.push(['error', error.getCode()]));
    await this.client.join({ roomId: room, role: 'anchor' });
    if (notes) {
      const card = new TestCard({ width: 320, height: 180, frameRate: 15, audio: false });
      document.body.append(card.canvas);
      const painted = await card.start();
      this.stream = TRTC.createStream({ userId: user, audioSource: chord(notes), videoSource: painted.getVideoTracks()[0]! });
      await this.stream.setAudioProfile('high-stereo');
    } else {
      this.stream = TRTC.createStream({ userId: user, audio: true, video: true });
      await this.stream.setVideoProfile('240p');
    }
    this.stream.on('device-auto-recovered', (data) => this.told.push(['device-auto-recovered', data]));
    this.stream.on('error', (error) => this.told.push(['stream error', error.getCode()]));
    await this.stream.initialize();
    await this.client.publish(this.stream);
  }

  /** Cameras by their ids as if they were not there: no test can pull a plug. */
  readonly #unplugged = new Set<string>();

  /** Lets the camera in use be gone. */
  unplug(): void {
    if (this.#unplugged.size === 0) this.#hide();
    this.#unplugged.add(this.device('video'));
    const track = this.stream.getVideoTrack()!;
    track.stop();
    track.dispatchEvent(new Event('ended'));
  }

  /** Plugs all cameras in again. */
  plug(): void {
    this.#unplugged.clear();
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  }

  #hide(): void {
    const { mediaDevices } = navigator;
    const [list, open] = [mediaDevices.enumerateDevices.bind(mediaDevices), mediaDevices.getUserMedia.bind(mediaDevices)];
    mediaDevices.enumerateDevices = async () => (await list()).filter(({ deviceId }) => !this.#unplugged.has(deviceId));
    mediaDevices.getUserMedia = async (wish = {}) => {
      const wanted = ((wish.video ?? {}) as { deviceId?: { exact?: string } }).deviceId?.exact;
      const cameras = (await mediaDevices.enumerateDevices()).filter(({ kind, label }) => kind === 'videoinput' && label !== 'fake_device_1');
      if (wish.video && (cameras.length === 0 || this.#unplugged.has(wanted ?? ''))) throw new DOMException('Requested device not found', 'NotFoundError');
      return open(wish);
    };
  }

  /** What was agreed with the server about what is published. */
  get agreed(): string {
    const peer = this.client.media?.publication('main')?.peer;
    return `${peer?.localDescription?.sdp}\n${peer?.remoteDescription?.sdp}`;
  }

  /** The device in use of a kind. */
  device(kind: 'audio' | 'video'): string {
    const track = kind === 'audio' ? this.stream.getAudioTrack() : this.stream.getVideoTrack();
    return track?.readyState === 'live' ? (track.getSettings().deviceId ?? '') : '';
  }

  /** The longest of some timers of 10 ms: those of a page that is neither seen nor heard are slow. */
  async timer(): Promise<number> {
    let longest = 0;
    for (let i = 0; i < 2; i += 1) {
      const since = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 10));
      longest = Math.max(longest, performance.now() - since);
    }
    return longest;
  }

  /** Takes another device than the one in use. */
  async switch(kind: 'audio' | 'video'): Promise<void> {
    const devices = kind === 'audio' ? await TRTC.getMicrophones() : await TRTC.getCameras();
    const other = devices.findLast(({ deviceId }) => deviceId !== this.device(kind) && deviceId !== 'default');
    if (!other) throw new Error(`one ${kind} device: ${JSON.stringify(devices)}`);
    await this.stream.switchDevice(kind, other.deviceId);
  }
}

/** A page of somebody who watches by TWebLive players, one for each address. */
export class WatchingPage {
  /** What the players have told, but for the quality of the network. */
  readonly told: [player: string, name: string, data: unknown][] = [];
  readonly players: Record<string, Player> = {};
  readonly #watching: Record<string, Watching> = {};
  readonly #hearings = new Map<string, Hearing>();

  /** Plays an address; the player and its place are known by `name`. */
  async begin(name: string, url: string): Promise<void> {
    this.#watching[name] = new Watching(element(name));
    const player = TWebLive.createPlayer();
    this.players[name] = player;
    for (const event of Object.values(TWebLive.EVENT)) {
      if (event === TWebLive.EVENT.RTC_NETWORK_QUALITY) continue;
      player.on(event, ({ data }: { data: unknown }) => this.told.push([name, event, wordOf(data)]));
    }
    player.setRenderView({ elementID: name });
    await player.startPlay(url);
  }

  pictures(name: string): Picture[] {
    return this.#watching[name]?.pictures() ?? [];
  }

  /** Begins to measure gaps anew. */
  forget(): void {
    for (const watching of Object.values(this.#watching)) watching.forget();
  }

  /** What is heard of somebody in a room. */
  hears(user: string): { levels: number[]; notes: number[] } {
    const video = document.querySelector<HTMLVideoElement>(`video[data-user="${user}"]`);
    const sound = (video?.srcObject as MediaStream | null)?.getAudioTracks()[0];
    if (!sound) return { levels: [0, 0], notes: [0, 0] };
    const hearing = this.#hearings.get(sound.id) ?? new Hearing(sound);
    this.#hearings.set(sound.id, hearing);
    return { levels: hearing.levels(), notes: hearing.notes() };
  }
}

/** A page that plays the best of several lines, and looks at each repaint whether there is a picture. */
export class LinesPage {
  readonly told: string[] = [];
  player!: LinePlayer;
  watching!: Watching;
  /** Repaints without any picture since the first one. */
  blanks = 0;
  #isShown = false;
  #front: { video: Element | null; frames: number; at: number; gap: number } = { video: null, frames: 0, at: performance.now(), gap: 0 };

  begin(stream: { webrtc: string; flv: string }): void {
    const container = element('lines');
    this.watching = new Watching(container);
    this.player = new LinePlayer({ container, lines: [{ kind: 'webrtc', url: stream.webrtc }, { kind: 'flv', url: stream.flv }] });
    this.player.on('state', (state: LinePlayerState) => this.told.push(state));
    this.player.on('line', ({ index, reason }) => this.told.push(`line ${index}: ${reason}`));
    this.player.on('autoplayRefused', () => this.told.push('refused'));
    this.player.start();
    const look = () => {
      const isPicture = this.#hasPicture(container);
      this.#isShown ||= isPicture;
      if (this.#isShown && !isPicture) this.blanks += 1;
      this.#measure();
      requestAnimationFrame(look);
    };
    look();
  }

  /** The longest time without a new frame of the line on the screen since {@link forget}, in milliseconds. */
  get longestGap(): number {
    return Math.max(this.#front.gap, performance.now() - this.#front.at);
  }

  /** Begins to measure gaps anew. */
  forget(): void {
    Object.assign(this.#front, { gap: 0, at: performance.now() });
  }

  /** Whether another frame is shown within a second. */
  async isMoving(): Promise<boolean> {
    const { frames } = this.#front;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return this.#front.frames > frames;
  }

  #measure(): void {
    const { video } = this.player;
    const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
    const front = this.#front;
    if (!video || (video === front.video && frames === front.frames)) return;
    const now = performance.now();
    this.#front = { video, frames, at: now, gap: Math.max(front.gap, now - front.at) };
  }

  /** Whether what lies in front has been painted: bright somewhere, as the test card always is. */
  #hasPicture(container: Element): boolean {
    const shown = [...container.querySelectorAll<HTMLElement>('video, canvas')].filter((one) => Number(getComputedStyle(one).opacity) === 1);
    return shown.some((one) => {
      const canvas = new OffscreenCanvas(8, 8);
      const context = canvas.getContext('2d')!;
      context.drawImage(one as HTMLVideoElement | HTMLCanvasElement, 0, 0, 8, 8);
      return context.getImageData(0, 0, 8, 8).data.some((value, i) => i % 4 !== 3 && value > 100);
    });
  }
}

/** What is seen of a page that nobody has clicked on. */
export interface UntouchedSeen {
  told: string[];
  hasBeenActive: boolean;
  dialog: { label: string; lang: string; focus: string; isModal: boolean } | null;
  /** Whether picture and sound of each face play; the sound of lines is part of the picture. */
  trtc: { picture: boolean; sound: boolean; level: number };
  lines: { picture: boolean; muted: boolean; state: string };
  seats: { picture: boolean; sound: boolean; isBlocked: boolean };
}

/** A page that nobody has clicked on: a client, a player of lines, and live seats. */
export class UntouchedPage {
  readonly told: string[] = [];
  readonly lines = new LinesPage();
  readonly live = new LiveContext();
  #remote: RemoteStream | null = null;

  async begin({ server, user, room }: Whereabouts, stream: { webrtc: string; flv: string }): Promise<void> {
    const client = TRTC.createClient({ mode: 'live', sdkAppId: 0, userId: `${user}-trtc`, userSig: 'none', server });
    client.on('stream-subscribed', ({ stream }) => {
      if (stream.getUserId() !== 'ben') return;
      this.#remote = stream;
      stream.on('error', (error) => this.told.push(`error ${error.getCode()}`));
      stream.play(element('trtc')).then(() => this.told.push('played'), (error: RtcError) => this.told.push(`not played ${error.getCode()}`));
    });
    await client.join({ roomId: room, role: 'audience' });
    this.lines.begin(stream);
    await this.live.login.login({ sdkAppId: 0, userId: `${user}-live`, userSig: '', server });
    await this.live.liveList.joinLive({ liveId: String(room) });
    this.live.seat.startPlayStream({ view: element('seats'), userId: 'ben' }).catch((error: Error) => this.told.push(`seats: ${error.name}`));
  }

  look(): UntouchedSeen {
    const dialog = document.querySelector('dialog');
    return {
      told: [...this.told, ...this.lines.told], hasBeenActive: navigator.userActivation.hasBeenActive,
      dialog: dialog && {
        label: document.getElementById(dialog.getAttribute('aria-labelledby') ?? '')?.textContent ?? '', lang: dialog.lang,
        focus: document.activeElement?.textContent ?? '', isModal: dialog.matches(':modal'),
      },
      trtc: { ...plays('trtc'), level: this.#remote?.getAudioLevel() ?? 0 },
      lines: { picture: plays('lines').picture, muted: this.lines.player?.video?.muted ?? false, state: this.lines.player?.state ?? 'idle' },
      seats: { ...plays('seats'), isBlocked: this.live.seat.isAutoplayBlocked.value },
    };
  }
}

/** Whether the elements of a place play, each as far as it is there. */
function plays(id: string): { picture: boolean; sound: boolean } {
  const isPlaying = (kind: string) => {
    const found = document.querySelector<HTMLMediaElement>(`#${id} ${kind}`);
    return found !== null && !found.paused && found.readyState >= 2 && (kind === 'video' || !found.muted);
  };
  return { picture: isPlaying('video'), sound: isPlaying('audio') };
}

/** The code or the state that an event tells. */
function wordOf(data: unknown): unknown {
  const { code, state, cause } = (data ?? {}) as { code?: unknown; state?: unknown; cause?: unknown };
  return cause instanceof Error ? `${String(code)}: ${cause.message}` : (code ?? state ?? null);
}

function element(id: string): HTMLElement {
  const made = document.createElement('div');
  made.id = id;
  Object.assign(made.style, { width: '320px', height: '240px', position: 'relative' });
  document.body.append(made);
  return made;
}

/** One note on the left, another one on the right. */
function chord(notes: [number, number]): MediaStreamTrack {
  const context = new AudioContext();
  const merger = context.createChannelMerger(2);
  notes.forEach((frequency, side) => {
    const oscillator = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0.3 });
    oscillator.connect(gain).connect(merger, 0, side);
    oscillator.start();
  });
  const out = context.createMediaStreamDestination();
  merger.connect(out);
  return out.stream.getAudioTracks()[0]!;
}

declare global {
  interface Window {
    AnchorPage: typeof AnchorPage;
    anchor: AnchorPage;
    WatchingPage: typeof WatchingPage;
    watching: WatchingPage;
    LinesPage: typeof LinesPage;
    lines: LinesPage;
    UntouchedPage: typeof UntouchedPage;
    untouched: UntouchedPage;
  }
}

Object.assign(window, { AnchorPage, WatchingPage, LinesPage, UntouchedPage });
