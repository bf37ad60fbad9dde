import { AvSync, ClockReader, TestCard } from '../../src/testcard';
import {
  FlvPlayer, HlsPlayer, WebliveError, WebRtcPlayer, WhipClient,
  type Player, type PlayerState, type PlaybackStats, type SessionState, type VideoCodec,
} from '../../src/index';
import { FragmentsPlayer } from './fragments';
import { OpusHlsPlayer } from './opus-hls';
import { PlainHlsPlayer } from './plain-hls';
import { Steadiness, type Steady } from './steadiness';

/** What to publish. */
export interface PublishPlan {
  whip: string;
  width?: number;
  height?: number;
  frameRate?: number;
  audio?: boolean;
  video?: boolean;
  codec?: VideoCodec;
}

/** An error as it crosses from the page to the test. */
export interface PlainError {
  type: string;
  message: string;
  status: number | null;
  problem: { type?: string; title?: string; detail?: string } | null;
}

/** What is seen of one playback. */
export interface Observation {
  state: PlayerState;
  states: PlayerState[];
  errors: PlainError[];
  stats: PlaybackStats;
  currentTime: number;
  /** Median time to glass of the last two seconds, in milliseconds. */
  delay: number | null;
  readings: number;
  unreadable: number;
  /** The painted clock of the last frame that was read. */
  clock: number | null;
  /** Highest audio level since the last look, 0 to 1. */
  level: number;
  /** How late the sound is, in milliseconds. */
  avOffset: number | null;
  totalAudioEnergy: number;
}

const PLAYERS = { webrtc: WebRtcPlayer, flv: FlvPlayer, hls: HlsPlayer, 'plain-hls': PlainHlsPlayer, 'opus-hls': OpusHlsPlayer, fragments: FragmentsPlayer };

/** The SDK's players, hls.js without its low-latency mode, and with sound from a playlist of its own; endless fMP4. */
export type LabPlayer = keyof typeof PLAYERS;

/** Publishes and plays for the tests; everything it uses is what pages use. */
class Lab {
  #card: TestCard | null = null;
  #whip: WhipClient | null = null;
  readonly publishStates: SessionState[] = [];
  #player: Player | null = null;
  #states: PlayerState[] = [];
  #errors: PlainError[] = [];
  #reader: ClockReader | null = null;
  #steadiness: Steadiness | null = null;
  #sync: AvSync | null = null;
  #audio: AudioContext | null = null;
  #level = 0;
  #clock: number | null = null;
  #peer: RTCPeerConnection | null = null;

  async publish(plan: PublishPlan): Promise<void> {
    const { whip, codec, ...card } = plan;
    this.#card = new TestCard(card);
    document.body.append(this.#card.canvas);
    const stream = await this.#card.start();
    this.#whip = new WhipClient(whip, stream, {
      videoCodec: codec ?? 'h264',
      onlyVideoCodec: codec !== undefined,
      maxVideoBps: 2_500_000,
      degradationPreference: 'maintain-resolution',
    });
    this.#whip.on('state', (state) => this.publishStates.push(state));
    await this.#whip.start();
  }

  get publishState(): SessionState {
    return this.#whip?.state ?? 'idle';
  }

  get sessionUrl(): string | null {
    return this.#whip?.sessionUrl ?? null;
  }

  restartIce(): Promise<void> {
    return this.#whip?.restartIce() ?? Promise.resolve();
  }

  /** The user fragments of both sides, and the one that the transport sends with. */
  async userFragments(): Promise<{ local: string; remote: string; used: string }> {
    const peer = this.#whip?.peer;
    const of = (sdp?: string) => /a=ice-ufrag:(\S+)/.exec(sdp ?? '')?.[1] ?? '';
    let used = '';
    (await peer?.getStats())?.forEach((entry) => {
      if (entry.type === 'transport') used = entry.iceLocalUsernameFragment ?? '';
    });
    return { local: of(peer?.localDescription?.sdp), remote: of(peer?.remoteDescription?.sdp), used };
  }

  /** Size, bytes and packets of what is sent. */
  async sent(): Promise<{ width: number; bytes: number; codec: string }> {
    let sent = { width: 0, bytes: 0, codec: '' };
    const report = await this.#whip?.peer?.getStats();
    report?.forEach((entry) => {
      if (entry.type === 'outbound-rtp' && entry.kind === 'video') {
        sent = { width: entry.frameWidth ?? 0, bytes: entry.bytesSent ?? 0, codec: report.get(entry.codecId)?.mimeType ?? '' };
      }
    });
    return sent;
  }

  resize(width: number, height: number): void {
    this.#card?.resize(width, height);
  }

  async unpublish(): Promise<void> {
    await this.#whip?.close();
    this.#card?.stop();
  }

  play(kind: LabPlayer, url: string): void {
    const video = document.createElement('video');
    video.width = 640;
    video.height = 360;
    video.playsInline = true;
    document.body.append(video);
    const player = new PLAYERS[kind](url, video);
    this.#player = player;
    player.on('state', (state) => this.#states.push(state));
    player.on('error', (error) => this.#errors.push(plain(error)));
    player.start();
    this.#measure(video, kind === 'webrtc');
  }

  stop(): void {
    this.#player?.stop();
  }

  /** Begins to note each frame that is shown, anew if it did before. */
  watch(): void {
    this.#steadiness?.stop();
    this.#steadiness = new Steadiness(document.querySelector('video')!, this.#reader!);
  }

  watched(): Steady {
    return this.#steadiness!.seen();
  }

  /** Two peer connections in this page: the floor of every delay. */
  async loopback(width: number, height: number): Promise<void> {
    this.#card = new TestCard({ width, height });
    const stream = await this.#card.start();
    const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
    from.onicecandidate = ({ candidate }) => void to.addIceCandidate(candidate ?? undefined);
    to.onicecandidate = ({ candidate }) => void from.addIceCandidate(candidate ?? undefined);
    const video = document.createElement('video');
    document.body.append(this.#card.canvas, video);
    const received = new MediaStream();
    to.ontrack = ({ track }) => received.addTrack(track);
    for (const track of stream.getTracks()) from.addTrack(track, stream);
    await from.setLocalDescription();
    await to.setRemoteDescription(from.localDescription!);
    await to.setLocalDescription();
    await from.setRemoteDescription(to.localDescription!);
    video.srcObject = received;
    this.#peer = to;
    await video.play();
    this.#measure(video, true);
  }

  async observe(): Promise<Observation> {
    const level = this.#level;
    this.#level = 0;
    const video = document.querySelector('video');
    return {
      state: this.#player?.state ?? 'idle',
      states: this.#states,
      errors: this.#errors,
      stats: (await this.#player?.stats()) ?? ({} as PlaybackStats),
      currentTime: video?.currentTime ?? 0,
      delay: this.#reader?.delay() ?? null,
      readings: (this.#reader?.frames ?? 0) - (this.#reader?.unreadable ?? 0),
      unreadable: this.#reader?.unreadable ?? 0,
      clock: this.#clock,
      level,
      avOffset: this.#sync?.offset() ?? null,
      totalAudioEnergy: await this.#energy(),
    };
  }

  #measure(video: HTMLVideoElement, isWebRtc: boolean): void {
    const reader = new ClockReader(video);
    this.#reader = reader;
    reader.on('reading', ({ clock }) => (this.#clock = clock));
    reader.start();
    const audio = new AudioContext({ latencyHint: 'interactive' });
    this.#audio = audio;
    void audio.resume();
    const listen = (source: AudioNode) => {
      this.#sync = new AvSync(audio, source, reader);
      setInterval(() => (this.#level = Math.max(this.#level, this.#sync?.level ?? 0)), 20);
    };
    if (isWebRtc) {
      // A remote stream sounds through its element; WebAudio gets a copy once the track is there.
      const timer = setInterval(() => {
        const stream = video.srcObject;
        if (!(stream instanceof MediaStream) || stream.getAudioTracks().length === 0) return;
        clearInterval(timer);
        listen(audio.createMediaStreamSource(stream));
      }, 50);
    } else {
      const source = audio.createMediaElementSource(video);
      source.connect(audio.destination);
      listen(source);
    }
  }

  async #energy(): Promise<number> {
    const peer = this.#peer ?? (this.#player instanceof WebRtcPlayer ? this.#player.peer : null);
    let energy = 0;
    (await peer?.getStats())?.forEach((entry) => {
      if (entry.type === 'inbound-rtp' && entry.kind === 'audio') energy = entry.totalAudioEnergy ?? 0;
    });
    return energy;
  }

  get audioState(): string {
    return this.#audio?.state ?? 'none';
  }
}

function plain(error: WebliveError): PlainError {
  return { type: error.type, message: error.message, status: error.status, problem: error.problem };
}

declare global {
  interface Window {
    lab: Lab;
  }
}

window.lab = new Lab();
