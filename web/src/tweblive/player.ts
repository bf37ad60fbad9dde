import { WebliveError } from '../errors';
import { log } from '../log';
import { LinePlayer, RoomPlayer, type Line, type LinePlayerOptions, type LinePlayerState, type RoomStream, type RoomView } from '../players';
import { RoomMedia } from '../rtc/room-media';
import { sessions, type Lease } from '../signal/pool';
import type { PlaybackStats } from '../stats';
import type { RtcError } from '../trtc';
import { CDN_WORDING, cdnCode } from './cdn-errors';
import { isCdnUrl, parseCdnUrl } from './cdn-url';
import { EVENT } from './constants';
import { Handlers } from './handlers';
import { Overlay } from './overlay';
import { elementOf, type Place } from './place';
import { isRoomUrl, parseRoomUrl, type RoomAddress } from './room-url';

/** What {@link Player.setCustomConfig} takes. Members of another type are ignored. */
export interface CustomConfig {
  /** Begin by itself. Default true; else {@link Player.resumeVideo} begins. */
  autoplay?: boolean;
  /** The address of a picture that is shown until there is one of the broadcast. */
  poster?: string;
  /** Texts for people by the code of an error. */
  wording?: Record<string | number, string>;
  /** Pixels. */
  width?: number;
  height?: number;
}

/** What `PLAYER_ERROR` carries of a CDN player. */
export interface CdnErrorDetail {
  /** One of the documented codes. */
  code: number;
  /** What people are told: the page's own wording where it has one. */
  message: string;
  /** What has happened. */
  cause: WebliveError;
}

/** What a Player needs of what lies below. */
export interface PlayerParts {
  /** Turns what was thrown into an error with one of the documented codes. */
  toRtcError(thrown: unknown, doing: string): RtcError;
  openLines?: (options: LinePlayerOptions) => LinePlayer;
  acquire?: typeof sessions.acquire;
}

type Kind = 'room' | 'cdn';

interface Playing {
  url: string;
  lines: LinePlayer;
  address: RoomAddress | null;
  hasPlayed: boolean;
  /** Ends what `startPlay` waits for. */
  settle: ((error: WebliveError | null) => void) | null;
  offs: (() => void)[];
}

/** Plays a room over WebRTC, or FLV and HLS of a CDN. */
export class Player extends Handlers {
  readonly #parts: PlayerParts;
  readonly #box = document.createElement('div');
  readonly #overlay = new Overlay(this.#box);
  #place: Place | null = null;
  #config: CustomConfig = {};
  #playing: Playing | null = null;
  #hasStarted = false;
  #volume = 100;
  #isMuted = false;
  #view: RoomView = {};
  /** The state that the page was told last. */
  #told: 'playing' | 'pause' | 'waiting' | null = null;

  /** @internal Made by `createPlayer`. */
  constructor(parts: PlayerParts) {
    super();
    this.#parts = parts;
    Object.assign(this.#box.style, { position: 'relative', width: '100%', height: '100%', overflow: 'hidden' });
  }

  /** Settings for FLV and HLS, before {@link startPlay}; what is absent stays as it was. */
  setCustomConfig(config: CustomConfig): void {
    for (const [name, type] of Object.entries(CONFIG_TYPES)) {
      const value: unknown = config?.[name as keyof CustomConfig];
      if (typeof value === type && value !== null) this.#config = { ...this.#config, [name]: value };
    }
  }

  /** The element that shows the picture, or its id; it need not be there before {@link startPlay}. While playing the picture moves there. */
  setRenderView(options: { elementID: Place }): void {
    const place = options?.elementID;
    if (!place) throw new WebliveError('argument', 'setRenderView: elementID is missing; allowed is an element or its id', false);
    this.#place = place;
    if (this.#playing) this.#attach();
  }

  /**
   * Plays an address: `room://…`, `https://flv=…&hls=…`, or that of a `.flv` or `.m3u8`. Several, best first, stand in
   * for each other. A room resolves when it was entered, and rejects where that is refused; the others resolve at once
   * and tell by events. Other schemes do nothing.
   */
  async startPlay(url: string | readonly string[]): Promise<void> {
    const urls = (typeof url === 'string' ? [url] : [...(url ?? [])]).map(String).filter((one) => isRoomUrl(one) || isCdnUrl(one));
    const [first] = urls;
    if (first === undefined) return;
    const key = JSON.stringify(urls);
    if (this.#playing?.url === key && this.#playing.lines.state !== 'failed') return;
    if (this.#place === null) throw new WebliveError('state', 'startPlay: call setRenderView first', false);
    this.#end();
    this.#attach();
    this.#hasStarted = true;
    const rooms = urls.filter(isRoomUrl).map(parseRoomUrl);
    const lines = urls.flatMap((one) => (isRoomUrl(one) ? [] : cdnLines(one)));
    if (rooms.length === 0 && lines.length === 0) return this.#onBadAddress(urls);
    await this.#begin(key, isRoomUrl(first) ? 'room' : 'cdn', rooms[0] ?? null, lines);
  }

  /** Whether it plays; undefined before the first {@link startPlay}. */
  isPlaying(): boolean | undefined {
    if (!this.#hasStarted) return undefined;
    const state = this.#playing?.lines.state;
    return state === 'playing' || state === 'stalled';
  }

  /** Holds the picture: of a room the picture alone, of FLV and HLS the sound too. */
  async pauseVideo(): Promise<void> {
    const room = this.#roomWith('Video');
    if (!room) return this.#playing?.lines.pause();
    room.hold({ video: true });
    this.#tell('pause');
  }

  async resumeVideo(): Promise<void> {
    const room = this.#roomWith('Video');
    if (room) {
      room.hold({ video: false });
      this.#tell('playing');
    } else if (this.#playing) {
      await this.#resume(this.#playing.lines);
    }
  }

  /** Silences it. */
  async pauseAudio(): Promise<void> {
    this.#mute(true);
  }

  async resumeAudio(): Promise<void> {
    this.#mute(false);
  }

  /** From 0 to 100; 100 for what is no number. */
  setPlayoutVolume(volume: number): void {
    this.#volume = typeof volume === 'number' && !Number.isNaN(volume) ? Math.min(100, Math.max(0, volume)) : 100;
    this.#playing?.lines.setVolume(this.#volume / 100);
  }

  /** Plays after `PLAYER_AUTOPLAY_NOT_ALLOWED`: call it from a click or a key press. */
  async resumePlay(): Promise<void> {
    if (this.#playing) await this.#resume(this.#playing.lines);
  }

  /** Ends playing: a room is left, and the element is empty again. {@link startPlay} starts anew. */
  async stopPlay(): Promise<void> {
    this.#end();
  }

  /** Addition of this library: shows another stream of the room, or all of them: `{layout: 'grid'}`, `{stream: {user, track}}`. */
  setRoomView(view: RoomView): void {
    this.#view = { ...this.#view, ...view };
    this.#room()?.show(this.#view);
  }

  /** Addition of this library: the streams of the room, oldest first. */
  getStreams(): Required<RoomStream>[] {
    return this.#room()?.streams ?? [];
  }

  /** Addition of this library: the lines that stand in for each other. */
  getLines(): { index: number; kind: Line['kind']; isShown: boolean }[] {
    const lines = this.#playing?.lines;
    return lines?.lines.map(({ kind }, index) => ({ index, kind, isShown: index === lines.index })) ?? [];
  }

  /** Addition of this library: plays a line by its index, and comes back to it; null lets their order decide. */
  setLine(index: number | null): void {
    this.#playing?.lines.choose(index);
  }

  /** Addition of this library: what is seen of the playback. */
  async getStats(): Promise<PlaybackStats | null> {
    return this.#playing?.lines.stats() ?? null;
  }

  async #begin(url: string, first: Kind, address: RoomAddress | null, cdn: Line[]): Promise<void> {
    const lines: Line[] = [...cdn];
    let media: RoomMedia | null = null;
    let lease: Lease | null = null;
    let roomOffs: (() => void)[] = [];
    if (address) {
      const { server, sdkAppId: app, userId: user, userSig, room, privateMapKey } = address;
      lease = (this.#parts.acquire ?? sessions.acquire.bind(sessions))({ server, app, user, ...(userSig && { userSig }) });
      media = new RoomMedia(lease.session, room);
      const line: Line = { kind: 'room', source: { media, ...(privateMapKey !== null && { enter: { privateMapKey } }) }, view: this.#view };
      lines.splice(first === 'room' ? 0 : lines.length, 0, line);
      roomOffs = this.#listenToRoom(media);
    }
    const options: LinePlayerOptions = { container: this.#box, lines, volume: this.#volume / 100, muted: this.#isMuted };
    const player = this.#parts.openLines?.(options) ?? new LinePlayer(options);
    const playing: Playing = { url, lines: player, address, hasPlayed: false, settle: null, offs: [] };
    this.#playing = playing;
    // The room is left while there is a session to say so, and the page is told that it was.
    const leave = () => void Promise.resolve(media?.leave()).then(() => lease?.release());
    playing.offs = [...this.#listenTo(playing), () => player.stop(), leave, ...roomOffs];
    this.#dress(first);
    this.#told = null;
    if (first === 'cdn' && this.#config.autoplay === false) return;
    await this.#start(playing, media);
  }

  /** Of a room one waits until it was entered, or refused. */
  async #start(playing: Playing, media: RoomMedia | null): Promise<void> {
    const { lines } = playing;
    if (!media || lines.lines[0]?.kind !== 'room') return lines.start();
    await new Promise<void>((resolve, reject) => {
      playing.settle = (error) => {
        off();
        playing.settle = null;
        if (error === null) return resolve();
        if (this.#playing === playing) this.#end();
        reject(this.#parts.toRtcError(error, 'startPlay'));
      };
      const off = media.on('state', ({ state }) => state === 'connected' && playing.settle?.(null));
      lines.start();
    });
  }

  async #resume(lines: LinePlayer): Promise<void> {
    if (lines.state === 'idle') lines.start();
    else if (!(await lines.resume())) log.debug('player', 'it cannot be resumed yet');
  }

  #listenTo(playing: Playing): (() => void)[] {
    const { lines } = playing;
    return [
      lines.on('state', (state) => this.#onState(playing, state)),
      lines.on('line', ({ index, line: { kind }, reason }) => {
        this.emit(EVENT.PLAYER_LINE_CHANGED, { index, kind, reason });
        if (kind === 'room') this.#tellStreams();
      }),
      lines.on('lineError', ({ line, error }) => {
        // With others beside it a room that is refused is just one line less.
        if (line.kind === 'room' && playing.settle) playing.settle(lines.lines.length > 1 && error.type !== 'removed' ? null : error);
      }),
      lines.on('error', (error) => this.#onError(playing, error)),
      lines.on('autoplayRefused', () => this.emit(EVENT.PLAYER_AUTOPLAY_NOT_ALLOWED)),
    ];
  }

  #listenToRoom(media: RoomMedia): (() => void)[] {
    return [
      media.on('state', ({ previous, state }) => this.emit(EVENT.RTC_CONNECTION_STATE_CHANGED, { prevState: RTC_STATES[previous], state: RTC_STATES[state] })),
      media.on('quality', (quality) => this.emit(EVENT.RTC_NETWORK_QUALITY, quality)),
      media.on('removed', ({ reason, message }) => this.emit(EVENT.RTC_CLIENT_BANNED, { reason, message })),
      media.on('publication', () => queueMicrotask(() => this.#room() && this.#tellStreams())),
    ];
  }

  #tellStreams(): void {
    this.emit(EVENT.PLAYER_STREAMS_CHANGED, this.getStreams());
  }

  #onState(playing: Playing, state: LinePlayerState): void {
    if (state === 'playing') {
      playing.hasPlayed = true;
      this.#overlay.hide();
      this.#tell('playing');
    } else if (state === 'paused') {
      this.#tell('pause');
    } else if (state === 'stalled' && playing.lines.line?.kind !== 'room') {
      this.#tell('waiting');
    }
  }

  #onError(playing: Playing, error: WebliveError): void {
    this.#told = null;
    const kind = playing.lines.line?.kind ?? playing.lines.lines[0]!.kind;
    // Who was removed was told so; an empty room is no error.
    if (kind === 'room') {
      if (playing.settle) playing.settle(error);
      else if (error.type !== 'not-live' && error.type !== 'removed') this.emit(EVENT.PLAYER_ERROR, this.#parts.toRtcError(error, 'play'));
      return;
    }
    this.#tellCdnError(cdnCode(error, kind, playing.hasPlayed), error);
  }

  #onBadAddress(urls: string[]): void {
    const isEmpty = urls.every((url) => parseCdnUrl(url) === 'empty');
    this.#dress('cdn');
    this.#tellCdnError(isEmpty ? 12 : 11, new WebliveError('argument', `startPlay: ${urls.join(', ')}`, false));
  }

  #tellCdnError(code: number, cause: WebliveError): void {
    const message = this.#config.wording?.[code] ?? CDN_WORDING[code] ?? cause.message;
    this.#overlay.say(message);
    this.emit(EVENT.PLAYER_ERROR, { code, message, cause } satisfies CdnErrorDetail);
  }

  #tell(what: 'playing' | 'pause' | 'waiting'): void {
    if (this.#told === what) return;
    this.#told = what;
    this.emit({ playing: EVENT.PLAYER_PLAYING, pause: EVENT.PLAYER_PAUSE, waiting: EVENT.PLAYER_WAITING }[what]);
  }

  #dress(kind: Kind): void {
    const { width, height, poster } = kind === 'cdn' ? this.#config : {};
    this.#box.style.width = width === undefined ? '100%' : `${width}px`;
    this.#box.style.height = height === undefined ? '100%' : `${height}px`;
    this.#overlay.show(poster ?? null);
  }

  #attach(): void {
    const element = elementOf(this.#place);
    if (this.#box.parentNode !== element) element.replaceChildren(this.#box);
  }

  #mute(isMuted: boolean): void {
    this.#roomWith('Audio');
    this.#isMuted = isMuted;
    this.#playing?.lines.setMuted(isMuted);
  }

  /** What plays the room, where a room is on the screen. */
  #room(): RoomPlayer | null {
    const playback = this.#playing?.lines.playback;
    return playback instanceof RoomPlayer ? playback : null;
  }

  /** The same; throws where a room is played, and nothing of that kind comes from it. */
  #roomWith(kind: 'Audio' | 'Video'): RoomPlayer | null {
    const room = this.#room();
    const lines = this.#playing?.lines;
    // Of a room that shows nothing yet there is nothing to hold either.
    const isRoom = room !== null || (lines?.index === null && lines.lines[0]?.kind === 'room');
    if (isRoom && !room?.has(kind === 'Audio' ? 'audio' : 'video')) throw new WebliveError('state', `No ${kind} Track!`, false);
    return room;
  }

  #end(): void {
    const playing = this.#playing;
    this.#overlay.hide();
    this.#box.remove();
    if (!playing) return;
    this.#playing = null;
    const settle = playing.settle;
    playing.settle = null;
    for (const off of playing.offs) off();
    this.#told = null;
    settle?.(new WebliveError('state', 'startPlay: stopped before it had begun', false));
  }
}

/** The lines of a CDN's address, FLV first since it has the lesser delay, unless the page has named HLS first. */
function cdnLines(url: string): Line[] {
  const address = parseCdnUrl(url);
  if (address === null || address === 'empty') return [];
  const lines: Line[] = [];
  if (address.flv) lines.push({ kind: 'flv', url: absolute(address.flv) });
  if (address.hls) lines.push({ kind: 'hls', url: absolute(address.hls) });
  return lines;
}

function absolute(url: string): string {
  return URL.canParse(url, location.href) ? new URL(url, location.href).href : url;
}

const CONFIG_TYPES: Record<keyof CustomConfig, string> = { autoplay: 'boolean', poster: 'string', wording: 'object', width: 'number', height: 'number' };

const RTC_STATES = { connecting: 'CONNECTING', connected: 'CONNECTED', reconnecting: 'RECONNECTING', closed: 'DISCONNECTED' } as const;
