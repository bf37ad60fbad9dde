import { preferVideoCodec, type VideoCodec } from '../codecs';
import { log } from '../log';
import type { Picture, Publication as Contents, Published, RoomId, TrackKind } from '../protocol/messages';
import { restartedAnswer, writeFragment } from '../sdpfrag';
import type { Session } from '../signal/session';
import { inStereo } from '../stereo';
import { Blank } from './blank';
import { type PublicationStats, publicationStats } from './stats';
import { trickle } from './trickle';

/** A small picture that is sent beside the large one. */
export interface SmallPicture {
  width: number;
  height: number;
  bitrateBps: number;
  framesPerSecond: number;
}

/** How something is published. */
export interface PublishOptions {
  /** A stream id of one's own for the relay's addresses: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  streamId?: string;
  /**
   * The codec to send, in browsers that have it. H.264 (the default) plays everywhere by FLV and HLS, H.265, VP9 and
   * AV1 where players take them, and VP8 not at all; browsers without H.264 in WebRTC receive VP8.
   */
  videoCodec?: VideoCodec;
  /** Upper bounds in bits per second. */
  maxVideoBps?: number;
  maxAudioBps?: number;
  /** Send sound in two channels. */
  stereo?: boolean;
  /** Is called with the sender of the picture before it is offered; also with that of each later peer connection. */
  onSender?: (sender: RTCRtpSender) => void;
  /** Send a small picture too; left out where the track has less than 480x270 pixels. */
  small?: SmallPicture | null;
  /** What gives way when bandwidth or CPU is short. */
  degradationPreference?: RTCDegradationPreference;
}

/** The tracks that are sent. */
export interface SentTracks {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
}

/** One peer connection that sends a publication. It is used once: what is lost for good gets another one. */
export class SendingPeer {
  readonly peer: RTCPeerConnection;
  #answer = '';
  #etag: string | null = null;
  #blank: Blank | null = null;
  /** The large picture was stopped here: what the page itself has stopped stays so. */
  #hasStopped = false;
  /** Parameters are changed one after the other: each change begins with what the one before has left. */
  #changes: Promise<void> = Promise.resolve();
  /** It has stood once. */
  hasConnected = false;
  /** An offer or an ICE restart waits for the server's answer. */
  isAsking = false;

  /** `onstate` hears of each state of the connection. */
  constructor(
    readonly session: Session,
    readonly of: { room: RoomId; track: TrackKind },
    onstate: () => void,
  ) {
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: session.iceServers });
    this.peer.addEventListener('connectionstatechange', onstate);
  }

  /** Offers; resolves when the server has answered and ICE has begun. */
  async publish(tracks: SentTracks, publication: Contents, options: PublishOptions): Promise<Published> {
    const { peer, session, of } = this;
    const { audio, video } = tracks;
    const stream = new MediaStream();
    // Both are offered always, so that a camera or microphone that comes later needs no new offer.
    peer.addTransceiver(audio ?? 'audio', { direction: 'sendonly', streams: [stream] });
    const transceiver = peer.addTransceiver(video ?? 'video', { direction: 'sendonly', streams: [stream], sendEncodings: encodings(video, options) });
    preferVideoCodec(transceiver, options.videoCodec ?? 'h264', false);
    options.onSender?.(transceiver.sender);
    this.isAsking = true;
    try {
      const offer = await peer.createOffer();
      const { streamId } = options;
      const published = await session.request('publish', {
        ...of, publication, offer: offer.sdp ?? '', ...(streamId !== undefined && { streamId }),
      });
      this.#answer = options.stereo === true ? inStereo(published.answer) : published.answer;
      this.#etag = published.etag;
      trickle(peer, (fragment) => session.request('patchPublisher', { ...of, fragment, ...(this.#etag !== null && { ifMatch: this.#etag }) }));
      await peer.setLocalDescription(offer);
      await peer.setRemoteDescription({ type: 'answer', sdp: this.#answer });
      return published;
    } finally {
      this.isAsking = false;
    }
  }

  /** What the picture is sent in, by its name in SDP, such as `H264`: browsers send the first codec of the answer. */
  get videoCodec(): string | null {
    const type = /^m=video \d+ \S+ (\d+)/m.exec(this.#answer)?.[1];
    return new RegExp(`^a=rtpmap:${type} ([^/]+)`, 'm').exec(this.#answer)?.[1] ?? null;
  }

  /** Restarts ICE; resolves when the server has answered. The request outlives a lost socket. */
  async restartIce(): Promise<void> {
    const { peer, session, of } = this;
    this.isAsking = true;
    try {
      peer.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: session.iceServers });
      const offer = await peer.createOffer({ iceRestart: true });
      await peer.setLocalDescription(offer);
      const fragment = writeFragment(offer.sdp ?? '', [], false);
      const patched = await session.request('patchPublisher', { ...of, fragment, ifMatch: '*' }, { timeout: RESTART_TIMEOUT });
      this.#etag = patched.etag;
      this.#answer = restartedAnswer(this.#answer, patched.fragment ?? '');
      await peer.setRemoteDescription({ type: 'answer', sdp: this.#answer });
    } finally {
      this.isAsking = false;
    }
  }

  /** Sends another track from now on; in place of a picture that was sent last, and has ended, a black one. */
  async replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null, last?: MediaStreamTrack | null): Promise<void> {
    const sender = this.#sender(kind);
    if (!sender || kind === 'audio') return sender?.replaceTrack(track);
    const before = this.#blank;
    if (!track && before) return;
    const like = sender.track ?? last;
    this.#blank = !track && like && Blank.isPossible ? new Blank(like) : null;
    await sender.replaceTrack(track ?? this.#blank?.track ?? null);
    before?.close();
  }

  /**
   * Sets the bounds of the encoders, and stops the large picture while the small one is all that is `wanted`. They are a
   * wish: a browser that refuses them still publishes.
   */
  bound(video: MediaStreamTrack | null, options: PublishOptions, wanted: Picture): Promise<void> {
    const change = this.#changes.then(() => this.#bound(video, options, wanted));
    this.#changes = change.catch(() => undefined);
    return change;
  }

  async #bound(video: MediaStreamTrack | null, { maxVideoBps, maxAudioBps, small, degradationPreference }: PublishOptions, wanted: Picture): Promise<void> {
    for (const kind of ['audio', 'video'] as const) {
      const sender = this.#sender(kind);
      const parameters = sender?.getParameters();
      if (!sender || !parameters) continue;
      const isVideo = kind === 'video';
      const bound = isVideo ? maxVideoBps : maxAudioBps;
      const large = parameters.encodings?.at(-1);
      if (large && bound !== undefined) large.maxBitrate = bound;
      const little = isVideo && small ? parameters.encodings?.find(({ rid }) => rid === SMALL) : undefined;
      if (little && small) little.scaleResolutionDownBy = scale(video, small);
      if (isVideo && degradationPreference !== undefined) parameters.degradationPreference = degradationPreference;
      const stops = little ? this.#activate(large!, wanted) : this.#hasStopped;
      try {
        await sender.setParameters(parameters);
        this.#hasStopped = stops;
      } catch (thrown) {
        log.debug('publisher', `bounds of ${kind} refused: ${String(thrown)}`);
      }
    }
  }

  /** Stops the large picture beside the small one, or sends it again; whether it is stopped here. */
  #activate(large: RTCRtpEncodingParameters, wanted: Picture): boolean {
    const isSent = large.active !== false;
    if (wanted === 'small' && isSent) large.active = false;
    else if (wanted === 'large' && this.#hasStopped) large.active = true;
    else return this.#hasStopped;
    return isSent;
  }

  async stats(): Promise<PublicationStats> {
    return publicationStats(await this.peer.getStats(), SMALL);
  }

  close(): void {
    this.#blank?.close();
    this.peer.close();
  }

  #sender(kind: 'audio' | 'video'): RTCRtpSender | undefined {
    return this.peer.getTransceivers()[kind === 'audio' ? 0 : 1]?.sender;
  }
}

function encodings(video: MediaStreamTrack | null, { small, maxVideoBps }: PublishOptions): RTCRtpEncodingParameters[] {
  const large: RTCRtpEncodingParameters = { ...(maxVideoBps !== undefined && { maxBitrate: maxVideoBps }) };
  if (!small) return [large];
  return [
    { rid: SMALL, scaleResolutionDownBy: scale(video, small), maxBitrate: small.bitrateBps, maxFramerate: small.framesPerSecond },
    { rid: LARGE, ...large },
  ];
}

function scale(video: MediaStreamTrack | null, small: SmallPicture): number {
  return Math.max(1, (video?.getSettings().height ?? 480) / small.height);
}

/** The rids of the two pictures (RFC 8851). */
const [SMALL, LARGE] = ['l', 'h'];

/** Milliseconds for the answer to an ICE restart: longer than a session can be resumed. */
const RESTART_TIMEOUT = 40_000;
