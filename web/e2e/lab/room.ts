import { preferVideoCodec, type VideoCodec } from '../../src/index';
import { ClockReader, TestCard, type TestCardOptions } from '../../src/testcard';
import type { ErrorBody, Publication, Published, RequestName, Results, RoomId, TrackKind } from '../../src/protocol/messages';
import { trickle } from '../../src/rtc/trickle';
import { Recorder, type Recording } from './recorder';
import { type Fields, Refused, Signal, type Who } from './signal';

/** A test card, and how it is sent. */
export interface SendingPlan extends TestCardOptions {
  /** The one codec that is offered. Default H.264. */
  codec?: VideoCodec;
  /** The card is half covered with noise, which takes an encoder all the bits that it may have. */
  isNoisy?: boolean;
  /** The layers of the picture, the least first. Default one. */
  layers?: (RTCRtpEncodingParameters & { scalabilityMode?: string })[];
}

/** What is sent of one layer. */
export interface SentLayer {
  rid: string;
  codec: string;
  width: number;
  frames: number;
  bytes: number;
  /** As the encoder has it, such as `L1T3`. */
  scalabilityMode: string;
}

/** What is seen of one stream that a page receives. */
export interface Reception {
  /** The public stream id. */
  stream: string;
  /** Whether its tracks are still in the peer connection. */
  isLive: boolean;
  framesDecoded: number;
  framesDropped: number;
  freezes: number;
  /** How often the decoder had to ask for a key frame. */
  plis: number;
  codec: string;
  width: number;
  height: number;
  /** Frames that were looked at in vain. */
  unreadable: number;
  /** Frames whose painted clock was read. */
  readings: number;
  /** The longest time between two of them since the last {@link RoomClient.forgetGaps}, in milliseconds. */
  longestGap: number;
  audioEnergy: number;
  /** Samples of sound that were played, and of those the ones that the decoder made up. */
  audioSamples: number;
  audioConcealed: number;
}

/** A request's end, as it crosses from the page to the test. */
export type Outcome<T> = { result: T } | { refused: ErrorBody };

/** A page in rooms: the protocol and the browser's own means, nothing else. */
export class RoomClient {
  readonly signal: Signal;
  readonly #senders = new Map<string, RTCPeerConnection>();
  readonly #cards = new Map<string, { card: TestCard; stream: MediaStream }>();
  readonly #views = new Map<string, View>();
  readonly #recorders = new Map<string, Recorder>();
  #receiver: RTCPeerConnection | null = null;
  #offers: Promise<void> = Promise.resolve();
  #config: RTCConfiguration = { bundlePolicy: 'max-bundle' };
  /** Everything that went wrong outside of a request. */
  readonly errors: string[] = [];

  constructor(url: string) {
    this.signal = new Signal(url);
    this.signal.onevent = (event) => {
      // One after the other: an answer belongs to the last offer.
      if (event.event === 'offer') this.#offers = this.#offers.then(() => this.#answer(event.revision, event.sdp)).catch(this.#note);
      else if (event.event === 'receiverClosed') this.#closeReceiver();
    };
  }

  async login(who: Who): Promise<Outcome<Results['login']>> {
    return outcome(async () => {
      const session = await this.signal.login(who);
      this.#config = { ...this.#config, iceServers: session.iceServers };
      return session;
    });
  }

  ask<T extends RequestName>(type: T, fields: Fields<T>): Promise<Outcome<Results[T]>> {
    return outcome(() => this.signal.request(type, fields));
  }

  resume(): Promise<Outcome<Results['resume']>> {
    return outcome(() => this.signal.resume());
  }

  /** Publishes a test card. */
  async publish(room: RoomId, track: TrackKind, plan: SendingPlan): Promise<Outcome<Published>> {
    const { codec = 'h264', layers, isNoisy = false, ...card } = plan;
    const key = keyOf(room, track);
    const stream = await this.#card(key, card, isNoisy);
    const peer = new RTCPeerConnection(this.#config);
    for (const media of stream.getTracks()) {
      const isLayered = media.kind === 'video' && layers !== undefined;
      const transceiver = peer.addTransceiver(media, { direction: 'sendonly', streams: [stream], ...(isLayered && { sendEncodings: layers }) });
      if (media.kind === 'video') preferVideoCodec(transceiver, codec, true);
      if (isLayered) await transceiver.sender.setParameters({ ...transceiver.sender.getParameters(), degradationPreference: 'maintain-resolution' });
    }
    const offer = await peer.createOffer();
    const publication: Publication = {
      hasAudio: stream.getAudioTracks().length > 0, hasVideo: stream.getVideoTracks().length > 0, hasSmall: (layers?.length ?? 1) > 1, audioMuted: false, videoMuted: false,
    };
    const published = await this.ask('publish', { room, track, publication, offer: offer.sdp ?? '' });
    if ('refused' in published) {
      peer.close();
      return published;
    }
    const { answer, etag } = published.result;
    this.#senders.get(key)?.close();
    this.#senders.set(key, peer);
    trickle(peer, (fragment) => this.signal.request('patchPublisher', { room, track, fragment, ifMatch: etag }));
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: 'answer', sdp: answer });
    return published;
  }

  /** Silences the card, or lets it sound again; the room is told. */
  async muteSound(room: RoomId, track: TrackKind, isMuted: boolean): Promise<void> {
    for (const media of this.#cards.get(keyOf(room, track))?.stream.getAudioTracks() ?? []) media.enabled = !isMuted;
    await this.signal.request('muteTrack', { room, track, audio: isMuted });
  }

  /** State of a publishing peer connection, and the frames that it has encoded. */
  async sent(room: RoomId, track: TrackKind): Promise<{ state: string; frames: number }> {
    const peer = this.#senders.get(keyOf(room, track));
    let frames = 0;
    (await peer?.getStats())?.forEach((entry) => {
      if (entry.type === 'outbound-rtp' && entry.kind === 'video') frames = entry.framesEncoded ?? 0;
    });
    return { state: peer?.connectionState ?? 'none', frames };
  }

  /** The layers of a picture that is sent, the least first. */
  async sentLayers(room: RoomId, track: TrackKind): Promise<SentLayer[]> {
    const layers: SentLayer[] = [];
    const report = await this.#senders.get(keyOf(room, track))?.getStats();
    report?.forEach((entry) => {
      if (entry.type !== 'outbound-rtp' || entry.kind !== 'video') return;
      layers.push({
        rid: entry.rid ?? '', codec: report.get(entry.codecId)?.mimeType ?? '', width: entry.frameWidth ?? 0, frames: entry.framesEncoded ?? 0,
        bytes: entry.bytesSent ?? 0, scalabilityMode: entry.scalabilityMode ?? '',
      });
    });
    return layers.sort((a, b) => a.width - b.width);
  }

  /** Asks for another picture of a track, and waits until it is shown; gives the milliseconds from the request on. */
  async choose(wanted: Fields<'subscribe'>, stream: string, width: number, patience: number): Promise<number> {
    const begin = performance.now();
    const shown = this.#views.get(stream)!.becomes(width, patience);
    await this.signal.request('subscribe', wanted);
    return (await shown) - begin;
  }

  /** Begins to note how a stream is received; {@link recording} gives what was noted. */
  record(stream: string): void {
    const view = this.#views.get(stream)!;
    this.#recorders.get(stream)?.stop();
    this.#recorders.set(stream, new Recorder(view.video, view.reader, async () => {
      const report = await this.#receiver?.getStats();
      const entries = [...(report?.values() ?? [])] as RTCInboundRtpStreamStats[];
      return entries.find((entry) => entry.type === 'inbound-rtp' && view.stream.getVideoTracks().some(({ id }) => id === entry.trackIdentifier));
    }));
  }

  recording(stream: string): Recording {
    return this.#recorders.get(stream)!.recording;
  }

  /** All streams that were ever received, by their public ids. */
  async received(): Promise<Record<string, Reception>> {
    const seen: Record<string, Reception> = {};
    for (const [stream, view] of this.#views) seen[stream] = view.reception(stream);
    const report = await this.#receiver?.getStats();
    report?.forEach((entry) => {
      if (entry.type !== 'inbound-rtp') return;
      const view = [...this.#views].find(([, view]) => view.stream.getTracks().some((track) => track.id === entry.trackIdentifier));
      const reception = view && seen[view[0]];
      if (!reception) return;
      if (entry.kind === 'audio') {
        Object.assign(reception, {
          audioEnergy: entry.totalAudioEnergy ?? 0, audioSamples: entry.totalSamplesReceived ?? 0, audioConcealed: entry.concealedSamples ?? 0,
        });
      } else {
        Object.assign(reception, {
          framesDecoded: entry.framesDecoded ?? 0, framesDropped: entry.framesDropped ?? 0, freezes: entry.freezeCount ?? 0, plis: entry.pliCount ?? 0,
          codec: report.get(entry.codecId)?.mimeType ?? '', width: entry.frameWidth ?? 0, height: entry.frameHeight ?? 0,
        });
      }
    });
    return seen;
  }

  /** Begins to measure {@link Reception.longestGap} anew. */
  forgetGaps(): void {
    for (const view of this.#views.values()) view.forgetGap();
  }

  readonly #note = (error: unknown) => void this.errors.push(String(error));

  async #card(key: string, options: TestCardOptions, isNoisy: boolean): Promise<MediaStream> {
    const known = this.#cards.get(key);
    if (known) return known.stream;
    const card = new TestCard(options);
    const stream = await card.start();
    if (isNoisy) addNoise(card.canvas, options.frameRate ?? 30);
    document.body.append(card.canvas);
    this.#cards.set(key, { card, stream });
    return stream;
  }

  async #answer(revision: number, sdp: string): Promise<void> {
    // The first offer is always that of a new peer connection.
    if (revision === 1 || !this.#receiver) this.#openReceiver();
    const peer = this.#receiver!;
    await peer.setRemoteDescription({ type: 'offer', sdp });
    const answer = await peer.createAnswer();
    await peer.setLocalDescription(answer);
    await this.signal.request('answer', { revision, sdp: answer.sdp ?? '' });
  }

  #openReceiver(): void {
    this.#closeReceiver();
    const peer = new RTCPeerConnection(this.#config);
    this.#receiver = peer;
    trickle(peer, (fragment) => this.signal.request('receiverTrickle', { fragment }));
    peer.ontrack = ({ track, streams: [stream] }) => {
      if (!stream) return this.#note(`a ${track.kind} track without a stream`);
      const view = this.#views.get(stream.id);
      if (view?.stream === stream) return;
      view?.close();
      this.#views.set(stream.id, new View(stream));
    };
  }

  #closeReceiver(): void {
    this.#receiver?.close();
    this.#receiver = null;
    for (const view of this.#views.values()) view.close();
  }
}

/** A received stream on the page. */
class View {
  readonly #figure = document.createElement('figure');
  readonly reader: ClockReader;
  readonly video = document.createElement('video');
  #readAt: number | null = null;
  #longestGap = 0;

  constructor(readonly stream: MediaStream) {
    const video = this.video;
    video.width = 320;
    video.autoplay = true;
    video.playsInline = true;
    video.srcObject = stream;
    const caption = document.createElement('figcaption');
    caption.textContent = stream.id;
    this.#figure.append(video, caption);
    document.body.append(this.#figure);
    this.reader = new ClockReader(video);
    this.reader.on('reading', () => {
      this.#longestGap = this.#gap();
      this.#readAt = performance.now();
    });
    this.reader.start();
  }

  reception(stream: string): Reception {
    return {
      stream, isLive: this.stream.getTracks().some((track) => track.readyState === 'live' && !track.muted), framesDecoded: 0, framesDropped: 0, freezes: 0,
      plis: 0, codec: '', width: 0, height: 0, unreadable: this.reader.unreadable, readings: this.reader.frames - this.reader.unreadable, longestGap: this.#gap(), audioEnergy: 0,
      audioSamples: 0, audioConcealed: 0,
    };
  }

  /** Waits until a frame of that width is read; gives when it is shown, in milliseconds of `performance.now()`. */
  becomes(width: number, patience: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`waited ${patience} ms for a width of ${width}; it is ${this.video.videoWidth}`));
      }, patience);
      const stop = this.reader.on('reading', ({ shownAt }) => {
        if (this.video.videoWidth !== width) return;
        clearTimeout(timer);
        stop();
        resolve(shownAt);
      });
    });
  }

  forgetGap(): void {
    this.#longestGap = 0;
    this.#readAt = performance.now();
  }

  close(): void {
    this.reader.stop();
    this.#figure.remove();
  }

  /** The longest gap, the one that lasts still included. */
  #gap(): number {
    return Math.max(this.#longestGap, this.#readAt === null ? 0 : performance.now() - this.#readAt);
  }
}

/** Paints noise over the upper part of a test card, above its clock. */
function addNoise(canvas: HTMLCanvasElement, frameRate: number): void {
  const tile = new OffscreenCanvas(TILE, TILE);
  const painter = tile.getContext('2d')!;
  const image = painter.createImageData(TILE, TILE);
  for (let i = 0; i < image.data.length; i += 4) image.data.set([0, 0, 0, Math.random() * 96], i);
  painter.putImageData(image, 0, 0);
  const context = canvas.getContext('2d')!;
  setInterval(() => {
    const [left, top] = [Math.random() * TILE, Math.random() * TILE];
    for (let x = -left; x < canvas.width; x += TILE) for (let y = -top; y < canvas.height * 0.7 - TILE; y += TILE) context.drawImage(tile, x, y);
  }, 1_000 / frameRate);
}

const TILE = 128;

const keyOf = (room: RoomId, track: TrackKind) => JSON.stringify([room, track]);

async function outcome<T>(ask: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { result: await ask() };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.body };
    throw error;
  }
}

declare global {
  interface Window {
    RoomClient: typeof RoomClient;
    room: RoomClient;
  }
}

window.RoomClient = RoomClient;
