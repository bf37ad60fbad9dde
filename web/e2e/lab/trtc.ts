import type { VideoCodec } from 'weblive';
import { ClockReader, TestCard } from 'weblive/testcard';
import TRTC, { type Client, type ClientEvents, type LocalStream, type RemoteStream, RtcError } from 'weblive/trtc';

/** What is seen and heard of one remote stream. */
export interface Seen {
  userId: string;
  type: 'main' | 'auxiliary';
  frames: number;
  /** Frames whose painted clock was read. */
  readings: number;
  width: number;
  level: number;
}

/** What is sent. */
export interface CallPlan {
  /** The test card in place of the camera. */
  paints: boolean;
  /** Its tone in place of the microphone. Default as `paints`. */
  sounds?: boolean;
  videoCodec?: VideoCodec;
}

/** A call as pages of the media client's interface write it. */
export class Call {
  readonly events: [name: string, data: unknown][] = [];
  readonly streamEvents: [name: string, data: unknown][] = [];
  readonly #levels = new Map<RemoteStream, number>();
  readonly #readers = new Map<RemoteStream, ClockReader>();
  client!: Client;
  local!: LocalStream;
  screen!: LocalStream;
  card: TestCard | null = null;

  /** The vendor's basic call: a client, its handlers, join, a stream, publish. */
  async start(server: string, userId: string, roomId: number, { paints, sounds = paints, videoCodec = 'h264' }: CallPlan): Promise<void> {
    const client = TRTC.createClient({ mode: 'rtc', sdkAppId: 1400000000, userId, userSig: 'none', server, enableSEI: true, videoCodec });
    this.client = client;
    this.#listen(client);
    client.on('stream-added', ({ stream }) => {
      stream.on('error', (error) => this.events.push(['stream-error', `${idOf(stream)} ${error.getCode()} ${error.message}`]));
    });
    client.on('stream-subscribed', ({ stream }) => {
      const box = document.createElement('div');
      box.style.width = '320px';
      box.style.height = '240px';
      document.body.append(box);
      stream.play(box).catch((error: RtcError) => this.events.push(['play', error.message]));
      const video = box.querySelector('video');
      if (!video) return;
      const reader = new ClockReader(video);
      reader.start();
      this.#readers.set(stream, reader);
    });
    client.on('stream-removed', ({ stream }) => stream.stop());
    await client.join({ roomId });
    if (paints) {
      this.card = new TestCard({ width: 480, height: 270, frameRate: 15, audio: sounds });
      const painted = await this.card.start();
      await client.enableSmallStream();
      const [audioSource] = painted.getAudioTracks();
      this.local = TRTC.createStream({ userId, ...(audioSource ? { audioSource } : { audio: true }), videoSource: painted.getVideoTracks()[0]! });
    } else {
      this.local = TRTC.createStream({ userId, audio: true, video: true });
      await this.local.setVideoProfile('240p');
    }
    for (const name of ['player-state-changed', 'screen-sharing-stopped', 'connection-state-changed', 'device-auto-recovered', 'error'] as const) {
      this.local.on(name, (data: unknown) => this.streamEvents.push([name, data]));
    }
    await this.local.initialize();
    const own = document.createElement('div');
    own.id = 'local_stream';
    own.style.width = own.style.height = '160px';
    document.body.append(own);
    await this.local.play('local_stream');
    await client.publish(this.local);
    setInterval(() => this.#hear(), 50);
  }

  /** Shares a screen beside the camera. */
  async share(): Promise<void> {
    this.screen = TRTC.createStream({ userId: 'me', screen: true });
    await this.screen.setScreenProfile('480p');
    await this.screen.initialize();
    await this.client.publish(this.screen, { isAuxiliary: true });
  }

  /** Shows a canvas beside the camera, for browsers that have no screen to share. */
  async shareCanvas(): Promise<void> {
    const card = new TestCard({ width: 320, height: 180, frameRate: 10, audio: false });
    document.body.append(card.canvas);
    this.screen = TRTC.createStream({ userId: 'me', videoSource: (await card.start()).getVideoTracks()[0]! });
    await this.screen.initialize();
    await this.client.publish(this.screen, { isAuxiliary: true });
  }

  /** The loudest that each user was since {@link listen}, as the client tells it: 0 to 100. */
  readonly loudest: Record<string, number> = {};

  listen(): void {
    this.client.on('audio-volume', ({ result }) => {
      for (const { userId, audioVolume } of result) this.loudest[userId] = Math.max(this.loudest[userId] ?? 0, audioVolume);
    });
    this.client.enableAudioVolumeEvaluation(100);
  }

  /** Receives the large or the small picture of somebody. */
  async choose(userId: string, type: 'big' | 'small'): Promise<void> {
    for (const stream of this.#streams) if (stream.getUserId() === userId) await this.client.setRemoteVideoStreamType(stream, type);
  }

  /** Takes another device of a kind; gives the ids in use before and after. */
  async switch(type: 'audio' | 'video'): Promise<[string | undefined, string | undefined]> {
    const track = () => (type === 'audio' ? this.local.getAudioTrack() : this.local.getVideoTrack())?.getSettings().deviceId;
    const before = track();
    const list = await (type === 'audio' ? TRTC.getMicrophones() : TRTC.getCameras());
    const other = list.find(({ deviceId }) => deviceId !== before && deviceId !== 'default');
    if (!other) throw new Error(`no other device of kind ${type}: ${JSON.stringify(list)}`);
    await this.local.switchDevice(type, other.deviceId);
    return [before, track()];
  }

  async seen(): Promise<Seen[]> {
    const stats = { main: await this.client.getRemoteVideoStats('main'), auxiliary: await this.client.getRemoteVideoStats('auxiliary') };
    return [...this.#streams].map((stream) => {
      const video = stats[stream.getType()][stream.getUserId()];
      const reader = this.#readers.get(stream);
      return {
        userId: stream.getUserId(), type: stream.getType(), frames: video?.framesDecoded ?? 0, width: video?.frameWidth ?? 0,
        readings: reader ? reader.frames - reader.unreadable : 0, level: this.#levels.get(stream) ?? 0,
      };
    });
  }

  /** The loudest moments of each user's microphone since the last look; nothing of those that were not heard since. */
  levels(): Record<string, number> {
    const levels = [...this.#levels].filter(([stream]) => stream.getType() === 'main').map(([stream, level]) => [stream.getUserId(), level] as const);
    this.#levels.clear();
    return Object.fromEntries(levels);
  }

  readonly #streams = new Set<RemoteStream>();

  #hear(): void {
    for (const stream of this.#streams) this.#levels.set(stream, Math.max(this.#levels.get(stream) ?? 0, stream.getAudioLevel()));
  }

  #listen(client: Client): void {
    client.on('sei-message', ({ data, ...rest }) => this.events.push(['sei-message', { ...rest, text: new TextDecoder().decode(data) }]));
    for (const name of EVENTS) {
      client.on(name, (event: ClientEvents[typeof name]) => {
        if (name === 'stream-subscribed') this.#streams.add((event as ClientEvents['stream-subscribed']).stream);
        if (name === 'stream-removed') this.#streams.delete((event as ClientEvents['stream-removed']).stream);
        this.events.push([name, name === 'error' ? (event as RtcError).message : 'stream' in event ? idOf(event.stream) : event]);
      });
    }
  }
}

const idOf = (stream: RemoteStream) => `${stream.getUserId()}/${stream.getType()}`;

const EVENTS = [
  'stream-added', 'stream-removed', 'stream-subscribed', 'stream-updated', 'peer-join', 'peer-leave', 'mute-audio', 'unmute-audio', 'mute-video', 'unmute-video',
  'client-banned', 'connection-state-changed', 'error',
] as const;

declare global {
  interface Window {
    TRTC: typeof TRTC;
    Call: typeof Call;
    call: Call;
  }
}

window.TRTC = TRTC;
window.Call = Call;
