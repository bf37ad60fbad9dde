import { ClockReader, TestCard } from 'weblive/testcard';
import type { WebliveError } from 'weblive';
import type { Picture, RoomId } from '../../src/protocol/messages';
import { type PublicationStats, type PublishOptions, type Reception, type ReceptionStats, RoomMedia } from '../../src/rtc';
import { type ConnectionState, Session } from '../../src/signal';

/** What is seen of a page that recovers. */
export interface RecoverySeen {
  session: ConnectionState;
  /** The states of the session, the room and what is published, as they came. */
  said: string[];
  errors: string[];
  /** Peer connections that were made so far. */
  peers: number;
  /** The painted clock of the last frame that was shown, in milliseconds since 1970. */
  clock: number;
  width: number;
  /** Bytes of sound that came so far. */
  soundBytes: number;
}

/** A page in a room's media that publishes or watches, on the SDK's own recovery. */
class RecoveringPage {
  readonly #said: string[] = [];
  readonly #errors: string[] = [];
  #session!: Session;
  #room!: RoomMedia;
  #clock = 0;
  #card: MediaStream | null = null;
  #reception: Reception | null = null;
  /** The times at which frames of the large picture had been sent. */
  readonly #sentAt: number[] = [];
  readonly #video = document.createElement('video');

  async enter(server: string, user: string, room: RoomId, isAnchor: boolean): Promise<void> {
    this.#session = new Session({ server, app: 0, user });
    this.#session.on('state', ({ state }) => this.#said.push(`session ${state}`));
    this.#session.on('closed', ({ reason }) => this.#said.push(`session over: ${reason}`));
    this.#room = new RoomMedia(this.#session, room);
    this.#room.on('state', ({ state }) => this.#said.push(`room ${state}`));
    this.#room.on('entered', () => this.#said.push('room entered'));
    this.#room.on('removed', ({ reason }) => this.#said.push(`room removed: ${reason}`));
    this.#room.on('error', this.#note);
    this.#room.on('receivingFailed', this.#note);
    this.#room.on('publication', ({ user, track, publication, previous }) => {
      this.#said.push(`${user} ${publication ? `${publication.hasAudio ? 'A' : '-'}${publication.hasVideo ? 'V' : '-'}` : 'ends'}`);
      if (publication && !previous) this.#watch(user, track).catch(this.#note);
    });
    this.#show();
    await this.#room.enter({ role: isAnchor ? 'anchor' : 'audience' });
  }

  /** Publishes a test card, or at first its sound alone. */
  async publish(width: number, height: number, options: PublishOptions = {}, isSoundAlone = false): Promise<void> {
    const card = new TestCard({ width, height, frameRate: 15 });
    document.body.append(card.canvas);
    const stream = await card.start();
    this.#card = stream;
    const tracks = isSoundAlone ? stream.getAudioTracks() : stream.getTracks();
    const publication = await this.#room.publish('main', tracks, { degradationPreference: 'maintain-resolution', ...options });
    publication.on('state', (state) => this.#said.push(`publication ${state}`));
    publication.on('error', this.#note);
  }

  /** Sends the card's picture, or no longer. */
  async sendPicture(isOn: boolean): Promise<void> {
    await this.#room.publication('main')?.replaceTrack('video', isOn ? this.#card!.getVideoTracks()[0]! : null);
  }

  /** Notes from now on when frames of the large picture are sent. */
  watchLarge(): void {
    let before = 0;
    setInterval(async () => {
      const sent = (await this.#room.publication('main')?.stats())?.video?.framesSent ?? 0;
      if (sent > before) this.#sentAt.push(Date.now());
      before = sent;
    }, 50);
  }

  /** The first and the last time since `begin` that frames of the large picture had been sent, in milliseconds since 1970. */
  largeSince(begin: number): [number | null, number | null] {
    const since = this.#sentAt.filter((at) => at > begin);
    return [since[0] ?? null, since.at(-1) ?? null];
  }

  /** Receives another picture of somebody; gives the time at which it was asked for. */
  async choose(user: string, picture: Picture): Promise<number> {
    const asked = Date.now();
    await this.#room.subscribe({ user, track: 'main' }, { audio: true, video: true, picture });
    return asked;
  }

  unpublish(): Promise<void> {
    return this.#room.unpublish('main');
  }

  async stats(): Promise<{ sent: PublicationStats | null; received: ReceptionStats | null }> {
    const sent = (await this.#room.publication('main')?.stats()) ?? null;
    return { sent, received: (await this.#reception?.stats()) ?? null };
  }

  async look(): Promise<RecoverySeen> {
    const stats = await this.#reception?.stats();
    return {
      session: this.#session.state, said: this.#said, errors: this.#errors, peers: peers.length,
      clock: this.#clock, width: this.#video.videoWidth, soundBytes: stats?.audio?.bytes ?? 0,
    };
  }

  async #watch(user: string, track: 'main' | 'aux'): Promise<void> {
    const reception = await this.#room.subscribe({ user, track }, { audio: true, video: true });
    this.#reception = reception;
    const show = () => {
      if (this.#video.srcObject !== reception.stream) this.#video.srcObject = reception.stream;
      this.#video.play().catch(this.#note);
    };
    reception.on('track', show);
    if (reception.stream.getTracks().length > 0) show();
  }

  #show(): void {
    document.body.append(this.#video);
    const reader = new ClockReader(this.#video);
    reader.on('reading', ({ clock }) => (this.#clock = clock));
    reader.start();
  }

  readonly #note = (error: WebliveError | DOMException) => void this.#errors.push(`${error.name} ${error.message}`);
}

/** All peer connections that the page makes. */
const peers: RTCPeerConnection[] = [];
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    peers.push(this);
  }
};

declare global {
  interface Window {
    RecoveringPage: typeof RecoveringPage;
    recovering: RecoveringPage;
  }
}

window.RecoveringPage = RecoveringPage;
