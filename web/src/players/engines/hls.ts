import Hls, { type ErrorData, type FragLoadedData, type Fragment } from 'hls.js/light';
import type { LatencyOptions } from '../latency';
import { ArrivalRate, chooseSize } from './sizes';

/** Without a target it is the distance that the playlist says. */
type HlsLatency = Omit<LatencyOptions, 'target'> & { target: number | undefined };

/** Who plays by the engine. */
export interface HlsListener {
  /** The broadcast was over before it was opened. */
  over(): void;
  /** All of the broadcast has been shown. */
  ended(): void;
  /** The engine begins anew after an error. */
  again(): void;
  /** It cannot go on, because of the network or else of the media. */
  failed(isNetwork: boolean, details: string, reason: string): void;
}

/**
 * hls.js as our player uses it, with ways around what it does wrong with parts. It is loaded by the pages that need
 * it, with hls.js, and so shares no code with the SDK: no errors, no log.
 */
export default class HlsEngine {
  /** `avc1.42e01f` and the like. */
  codec: string | null = null;
  readonly #hls: Hls;
  readonly #arrivals = new ArrivalRate();
  #bytes = 0;
  #seconds = 0;
  #recoveredAt = 0;
  /** Since when it plays without a stall or a jump; milliseconds. */
  #playsSince = Infinity;
  readonly #offs: (() => void)[] = [];
  #endTimer: ReturnType<typeof setInterval> | undefined;
  /** Where it was at the last look at the end. */
  #wasAt = -1;

  /** Whether the browser can play by it. */
  static isSupported(): boolean {
    return Hls.isSupported();
  }

  constructor(
    url: string,
    private readonly video: HTMLVideoElement,
    { target, max, rate }: HlsLatency,
    private readonly listener: HlsListener,
  ) {
    const { Events } = Hls;
    const hls = new Hls({
      // Fragmented MP4 needs next to no work, and a worker would have to be fetched first.
      enableWorker: false,
      // Without one as close to the end as the playlist says (PART-HOLD-BACK, HOLD-BACK).
      liveSyncDuration: target!,
      maxLiveSyncPlaybackRate: rate,
      // See #dropPast.
      backBufferLength: Infinity,
    });
    this.#hls = hls;
    // Beside a distance that the playlist says, hls.js takes no such setting at first.
    hls.config.liveMaxLatencyDuration = max;
    // What a refusal means is asked for at once.
    hls.config.manifestLoadPolicy.default.errorRetry = null;
    hls.on(Events.ERROR, (_, data) => this.#onError(data));
    // A playlist that has ended before it was opened is what the server still keeps of a broadcast that is over.
    hls.once(Events.LEVEL_LOADED, (_, { details }) => details.live || listener.over());
    this.#endTimer = setInterval(() => this.#seeEnd(), LOOK_FOR_END);
    hls.on(Events.FRAG_LOADED, (_, data) => {
      this.#count(data.frag.stats.total, data.frag.duration);
      this.#fit(data);
    });
    hls.on(Events.FRAG_PARSED, (_, { frag, part }) => part && this.#passEmpty(frag.sn, part.index));
    hls.on(Events.FRAG_BUFFERED, () => {
      this.#dropPast();
      this.#comeBack();
    });
    for (const event of ['waiting', 'seeking', 'pause']) this.#watch(event, () => (this.#playsSince = Infinity));
    this.#watch('playing', () => (this.#playsSince = performance.now()));
    hls.on(Events.BUFFER_CODECS, (_, tracks) => {
      const track = tracks.video ?? tracks.audiovideo ?? tracks.audio;
      const codecs = (track?.codec ?? track?.levelCodec ?? '').split(',');
      const codec = codecs.find((name) => !name.includes('mp4a')) ?? codecs[0];
      if (codec) this.codec = codec.trim();
    });
    hls.attachMedia(video);
    hls.loadSource(new URL(url, location.href).href);
  }

  /** Bits a second of the stream, about those of the last three segments. */
  get bitrate(): number | null {
    // Nothing by nothing is no number.
    return (this.#bytes * 8) / this.#seconds || null;
  }

  /** Seconds behind the live edge; 0 before that is known. */
  get latency(): number {
    return this.#hls.latency;
  }

  /** Where in the element's time a viewer should be. */
  get liveSyncPosition(): number | null {
    return this.#hls.liveSyncPosition;
  }

  destroy(): void {
    clearInterval(this.#endTimer);
    for (const off of this.#offs) off();
    this.#hls.destroy();
  }

  /**
   * hls.js knows of parts that come one after another only how fast the last one came, and cannot choose by that; and it
   * changes sizes in the midst of a segment, where what was shown cannot go on. With parts the size is chosen here.
   */
  #fit({ frag, part }: FragLoadedData): void {
    const hls = this.#hls;
    const details = hls.latestLevelDetails;
    if (!details?.partList || hls.levels.length < 2 || frag.sn === 'initSegment') return;
    const { stats, duration, end } = part ?? frag;
    const { loaded, loading } = stats;
    const isLast = !part || (frag.sn <= details.endSN && frag.end - end < LAST_SLIP);
    const { size, isAgain } = chooseSize({
      rate: this.#arrivals.add(loaded, Math.max(duration, details.partTarget), (loading.first - loading.start) / 1000, (loading.end - loading.first) / 1000),
      sizes: hls.levels.map(({ averageBitrate, bitrate }) => averageBitrate || bitrate),
      size: frag.level,
      bits: (loaded * 8) / duration,
      done: end - frag.start,
      rest: isLast ? 0 : Math.max(frag.start + details.targetduration - end, PART_SLIP),
      ahead: end - this.video.currentTime,
    });
    // Behind the request for the next part, which is made as soon as all have heard of this one.
    queueMicrotask(() => {
      // A playlist of which nothing is left that was known of it would be put anywhere.
      if (size !== hls.loadLevel) delete hls.levels[size]!.details;
      hls.loadLevel = size;
      if (!isAgain) return;
      frag.abortRequests();
      hls.trigger(Hls.Events.FRAG_LOAD_EMERGENCY_ABORTED, { frag, part, stats });
    });
  }

  /**
   * A part in which a picture only goes on to be shown has nothing in it: hls.js takes it for not loaded, and loads it
   * again and again, some hundred times a second. Of several parts that came together it tells of the last one.
   */
  #passEmpty(sn: Fragment['sn'], last: number): void {
    const parts = this.#hls.latestLevelDetails?.partList ?? [];
    for (const { fragment, index, start, end, loaded, stats, elementaryStreams } of parts) {
      if (fragment.sn !== sn || index > last || loaded || !stats.loading.end) continue;
      elementaryStreams.video = { startPTS: start, startDTS: start, endPTS: end, endDTS: end };
    }
  }

  /**
   * hls.js itself drops what is behind at any time. While a part is on its way it forgets with that which parts of the
   * segment it has, and stalls at the segment's end: it is told to between two parts.
   */
  #dropPast(): void {
    const { buffered, currentTime } = this.video;
    if (!buffered.length || currentTime - buffered.start(0) < 2 * BACK_BUFFER) return;
    const details = this.#hls.latestLevelDetails;
    const isMoreThere = details?.partList && details.partEnd - buffered.end(buffered.length - 1) > PART_SLIP;
    if (!isMoreThere) this.#hls.trigger(Hls.Events.BUFFER_FLUSHING, { startOffset: 0, endOffset: currentTime - BACK_BUFFER, type: null });
  }

  /**
   * After a stall hls.js may go on by whole segments, far behind, and catches up only where little is missing. What has
   * come by then is as far as the live edge: it plays on from there.
   */
  #comeBack(): void {
    const { latency, targetLatency, liveSyncPosition, latestLevelDetails: details } = this.#hls;
    const { buffered, currentTime } = this.video;
    if (!details?.partList || targetLatency === null || liveSyncPosition === null || !buffered.length) return;
    const isFar = latency > targetLatency + 2 * details.targetduration;
    const isThere = buffered.end(buffered.length - 1) > liveSyncPosition + PART_SLIP && liveSyncPosition > currentTime;
    if (isFar && isThere && performance.now() - this.#playsSince > STEADY) this.video.currentTime = liveSyncPosition;
  }

  /**
   * hls.js may take the last fraction of a broadcast for a hole, or fail to play it where the sound is longer than the
   * picture: then it never tells of the end.
   */
  #seeEnd(): void {
    const { currentTime, paused } = this.video;
    const details = this.#hls.latestLevelDetails;
    const stands = !paused && currentTime === this.#wasAt;
    this.#wasAt = currentTime;
    if (stands && details && !details.live && details.edge - currentTime < END_SLIP) this.listener.ended();
  }

  #watch(event: string, listener: () => void): void {
    this.video.addEventListener(event, listener);
    this.#offs.push(() => this.video.removeEventListener(event, listener));
  }

  #count(bytes: number, seconds: number): void {
    // A sliding mean over about the last three segments.
    this.#bytes = this.#bytes * 0.66 + bytes;
    this.#seconds = this.#seconds * 0.66 + seconds;
  }

  #onError({ fatal, details, type, error }: ErrorData): void {
    if (!fatal) return;
    // Stalled with enough in its buffer: the machine is too slow, which may pass. Of other errors two at once are a
    // stream that does not decode, two in an hour are not.
    if (details === 'bufferStalledError' || (type === 'mediaError' && Date.now() - this.#recoveredAt > RECOVERY)) {
      this.#recoveredAt = Date.now();
      this.#hls.recoverMediaError();
      this.listener.again();
    } else {
      this.listener.failed(type === 'networkError', details, error.message);
    }
  }
}

/** Milliseconds of playing after which it may be nearer to the live edge. */
const STEADY = 4_000;

/** Seconds that are kept behind what is shown, and twice that at most. */
const BACK_BUFFER = 15;

/** Seconds by which the end of what is buffered may fall short of the part that it is of. */
const PART_SLIP = 0.1;

/** Milliseconds between two looks at whether it stands before the end. */
const LOOK_FOR_END = 1_000;

/** Seconds before the end of a broadcast that may stay unseen. */
const END_SLIP = 0.5;

/** Seconds by which the end of a segment may fall short of that of its last part. */
const LAST_SLIP = 0.01;

/** Milliseconds in which a player begins anew at most once. */
const RECOVERY = 30_000;
