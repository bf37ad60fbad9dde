import { toWebliveError, WebliveError } from '../errors';
import { PublishMeter } from '../stats';
import { TestCard } from '../testcard';
import { WhipClient } from '../whip';
import { byId, setProblem, setState, setText } from './dom';
import { formatBitrate, formatSize, UNKNOWN } from './format';

/** The publishing half of the page. */
export class PublishPanel {
  readonly #whipOf: () => { whip: string; token?: string };
  readonly #onLive: () => void;
  readonly #onRefused: (error: WebliveError) => void;
  readonly #form = byId<HTMLFormElement>('publish-form');
  readonly #pill = byId('publish-state');
  #client: WhipClient | null = null;
  #card: TestCard | null = null;
  #stream: MediaStream | null = null;
  #preview: HTMLElement | null = null;
  #meter = new PublishMeter();
  /** Which start is the current one: an older one that is still under way must touch nothing. */
  #run = 0;
  #isActive = false;

  /**
   * `whipOf` gives the address, and the token for it, at the time of starting; `onLive` runs when the connection
   * stands, `onRefused` when it ends by an error.
   */
  constructor(whipOf: () => { whip: string; token?: string }, onLive: () => void, onRefused: (error: WebliveError) => void) {
    this.#whipOf = whipOf;
    this.#onLive = onLive;
    this.#onRefused = onRefused;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#isActive) void this.stop();
      else void this.start();
    });
    if (!window.isSecureContext) this.#withoutCamera();
    // A page that is left says good-bye; the session would otherwise end by timeout.
    window.addEventListener('pagehide', () => void this.#client?.close());
  }

  /** Opens the chosen source and publishes it. */
  async start(): Promise<void> {
    this.#run += 1;
    const run = this.#run;
    this.#isActive = true;
    setProblem(byId('publish-problem'), null);
    setState(this.#pill, 'wait', 'Opening the source');
    this.#lock(true);
    this.#show(true);
    try {
      const stream = await this.#open(() => run === this.#run);
      if (run !== this.#run) return;
      this.#stream = stream;
      const { whip, ...access } = this.#whipOf();
      const client = new WhipClient(whip, stream, { ...access, maxVideoBps: 2_500_000, degradationPreference: 'maintain-resolution' });
      this.#client = client;
      this.#meter = new PublishMeter();
      client.on('state', (state) => {
        if (client !== this.#client) return;
        if (state === 'connecting') setState(this.#pill, 'wait', 'Connecting');
        else if (state === 'connected') setState(this.#pill, 'good', 'Live');
        else if (state === 'reconnecting') setState(this.#pill, 'wait', 'Reconnecting');
        else if (state === 'closed') this.#ended(null);
      });
      client.on('error', (error) => client === this.#client && this.#ended(error));
      await client.start();
      if (run === this.#run) this.#onLive();
    } catch (thrown) {
      if (run === this.#run) this.#ended(toWebliveError(thrown, 'cannot publish'));
    }
  }

  /** Ends publishing. */
  async stop(): Promise<void> {
    const client = this.#client;
    this.#close();
    setState(this.#pill, 'idle', 'Not publishing');
    await client?.close();
  }

  /** Reads and shows the figures; called by the page's clock. */
  async refresh(): Promise<void> {
    const peer = this.#client?.peer;
    if (!peer) return;
    const stats = await this.#meter.read(peer);
    if (peer !== this.#client?.peer) return;
    const rate = stats.framesPerSecond === null ? '' : ` · ${Math.round(stats.framesPerSecond)} fps`;
    this.#figure('size', formatSize(stats.width, stats.height) + (stats.width ? rate : ''));
    this.#figure('video', formatBitrate(stats.videoBps));
    this.#figure('audio', formatBitrate(stats.audioBps));
    this.#figure('codec', stats.codec ?? UNKNOWN);
  }

  /** Opens the chosen source; ends it again if it is not wanted any more when it comes. */
  async #open(isWanted: () => boolean): Promise<MediaStream> {
    const source = new FormData(this.#form).get('source') ?? this.#form.querySelector<HTMLInputElement>('[name=source]:checked')?.value;
    if (source === 'camera') {
      const stream = await openCamera();
      if (!isWanted()) {
        for (const track of stream.getTracks()) track.stop();
        return stream;
      }
      const video = document.createElement('video');
      video.muted = true;
      video.playsInline = true;
      video.srcObject = stream;
      video.setAttribute('aria-label', 'Your camera');
      this.#place(video);
      void video.play().catch(() => undefined);
      return stream;
    }
    const card = new TestCard({ title: byId<HTMLInputElement>('stream-id').value });
    this.#card = card;
    card.canvas.setAttribute('role', 'img');
    card.canvas.setAttribute('aria-label', 'Test card with colour bars and a clock');
    this.#place(card.canvas);
    return card.start();
  }

  #place(element: HTMLElement): void {
    this.#preview = element;
    byId('preview').append(element);
    byId('preview').querySelector<HTMLElement>('.blank')!.hidden = true;
  }

  #ended(error: WebliveError | null): void {
    this.#close();
    setState(this.#pill, error ? 'bad' : 'idle', error ? 'Stopped by an error' : 'Ended by the server');
    if (!error) return;
    setProblem(byId('publish-problem'), error.message);
    this.#onRefused(error);
  }

  #close(): void {
    this.#run += 1;
    this.#isActive = false;
    this.#client = null;
    this.#show();
    this.#card?.stop();
    this.#card = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#preview?.remove();
    this.#preview = null;
    byId('preview').querySelector<HTMLElement>('.blank')!.hidden = false;
    for (const name of ['size', 'video', 'audio', 'codec']) this.#figure(name, UNKNOWN);
    this.#lock(false);
  }

  #show(isActive = false): void {
    const button = byId('publish-toggle');
    setText(button, isActive ? 'Stop publishing' : 'Start publishing');
    button.classList.toggle('stop', isActive);
  }

  #lock(isLocked: boolean): void {
    byId<HTMLInputElement>('stream-id').readOnly = isLocked;
    this.#form.querySelector('fieldset')!.disabled = isLocked;
  }

  #figure(name: string, text: string): void {
    setText(byId('publish-figures').querySelector<HTMLElement>(`[data-figure=${name}]`)!, text);
  }

  #withoutCamera(): void {
    const camera = this.#form.querySelector<HTMLInputElement>('[value=camera]')!;
    camera.disabled = true;
    camera.parentElement!.title = 'Browsers give the camera to https pages only';
    setText(byId('preview-text'), 'The camera needs https (see --tls-self-signed). The test card works here.');
  }
}

async function openCamera(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
      audio: true,
    });
  } catch (thrown) {
    const name = thrown instanceof DOMException ? thrown.name : '';
    const reason =
      name === 'NotAllowedError' ? 'camera and microphone were not allowed'
      : name === 'NotFoundError' ? 'no camera or microphone was found'
      : name === 'NotReadableError' ? 'camera or microphone is in use by another program'
      : String(thrown);
    throw new WebliveError('permission', `Cannot open the source: ${reason}.`, true);
  }
}
