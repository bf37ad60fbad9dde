import type Hls from 'hls.js/light';
import { onBeforeUnmount, reactive, type Ref } from 'vue';
import { addressesOfRecording, type RecordingName } from './addresses';

/** Why a recording is not shown. */
export type Trouble = 'missing' | 'early' | 'unsigned' | 'expired' | 'refused' | 'busy' | 'network' | 'media';

/** How the files are played, and why not. */
interface Source {
  phase: 'looking' | 'ready' | 'failed';
  trouble: Trouble | null;
  /** What plays: segments by hls.js, segments by the browser, or the one file. */
  way: 'hls' | 'native' | 'mp4' | null;
  /** The one file's size in bytes; null where there is none, or none yet. */
  mp4Bytes: number | null;
}

/** Opens a recording in a video element: its playlist, or the one file where that does not play. */
export function useRecordingSource(name: RecordingName, video: Readonly<Ref<HTMLVideoElement | null>>) {
  const { playlist, mp4 } = addressesOfRecording(name);
  const source = reactive<Source>({ phase: 'looking', trouble: null, way: null, mp4Bytes: null });
  let engine: Hls | null = null;
  let recoveredAt = -Infinity;
  /** Counts the tries: what an older one finds out is of no use. */
  let tries = 0;
  let again: ReturnType<typeof setTimeout> | undefined;

  async function open(): Promise<void> {
    close();
    const mine = (tries += 1);
    Object.assign(source, { phase: 'looking', trouble: null, way: null });
    const [trouble, bytes] = await Promise.all([troubleOf(playlist), sizeOf(mp4)]);
    if (mine !== tries) return;
    source.mp4Bytes = bytes;
    if (trouble) return fail(trouble);
    const element = video.value;
    if (!element) return;
    const hasMediaSource = 'MediaSource' in globalThis || 'ManagedMediaSource' in globalThis;
    if (!hasMediaSource && element.canPlayType('application/vnd.apple.mpegurl')) return play('native', playlist);
    try {
      const { default: Engine } = await import('hls.js/light');
      if (mine !== tries) return;
      if (!Engine.isSupported()) return playFile();
      attach(Engine, element);
    } catch {
      // The engine could not be fetched; the file needs none.
      if (mine === tries) playFile();
    }
  }

  function attach(Engine: typeof Hls, element: HTMLVideoElement): void {
    const { Events, ErrorTypes } = Engine;
    const hls = new Engine({ enableWorker: false, maxBufferLength: 30, backBufferLength: 60 });
    engine = hls;
    source.way = 'hls';
    hls.on(Events.MANIFEST_PARSED, () => (source.phase = 'ready'));
    hls.on(Events.ERROR, (_, { fatal, type }) => {
      if (!fatal || engine !== hls) return;
      if (type === ErrorTypes.MEDIA_ERROR && performance.now() - recoveredAt > RECOVERY) {
        recoveredAt = performance.now();
        return hls.recoverMediaError();
      }
      if (type !== ErrorTypes.NETWORK_ERROR) return playFile();
      void lost(playlist);
    });
    hls.attachMedia(element);
    hls.loadSource(new URL(playlist, location.href).href);
  }

  /** The one file in place of the segments, from the same place on. */
  function playFile(): void {
    if (source.mp4Bytes === null || source.way === 'mp4') return fail('media');
    play('mp4', mp4);
  }

  function play(way: 'native' | 'mp4', address: string): void {
    const element = video.value;
    if (!element) return;
    const { currentTime, paused } = element;
    release();
    source.way = way;
    element.src = address;
    element.onloadedmetadata = () => {
      source.phase = 'ready';
      if (currentTime > 0) element.currentTime = currentTime;
      if (!paused) void element.play().catch(() => undefined);
    };
    element.onerror = () => {
      if (element.error?.code === MediaError.MEDIA_ERR_NETWORK) return void lost(address);
      if (way === 'native') return playFile();
      fail('media');
    };
  }

  /** What played does no more: the server says why. */
  async function lost(address: string): Promise<void> {
    const mine = tries;
    const trouble = await troubleOf(address);
    if (mine === tries) fail(trouble ?? 'network');
  }

  function fail(trouble: Trouble): void {
    release();
    Object.assign(source, { phase: 'failed', trouble });
    // It comes by itself.
    if (trouble === 'early') again = setTimeout(open, SOON);
  }

  function release(): void {
    engine?.destroy();
    engine = null;
    const element = video.value;
    if (!element) return;
    element.onerror = element.onloadedmetadata = null;
    element.removeAttribute('src');
    element.load();
  }

  function close(): void {
    clearTimeout(again);
    tries += 1;
    release();
  }

  onBeforeUnmount(close);
  return { source, open };
}

/** Why an address gives nothing; null if it does. */
async function troubleOf(address: string): Promise<Trouble | null> {
  try {
    // Of a file one byte says as much as all of them. The playlist is read to its end: it is what plays next, out of the
    // browser's cache.
    const response = await fetch(address, address.includes('.mp4') ? { headers: { range: 'bytes=0-0' } } : {});
    if (response.ok) return await response.text().then(() => null);
    const { code } = (await response.json().catch(() => ({}))) as { code?: string };
    return troubleNamed(code ?? '', response.status);
  } catch {
    return 'network';
  }
}

/** What a problem of the server means to people. */
export function troubleNamed(code: string, status: number): Trouble {
  if (code === 'recording-not-ready') return 'early';
  if (code === 'address-expired') return 'expired';
  if (code.startsWith('address-')) return 'unsigned';
  if (status === 404) return 'missing';
  if (status === 403) return 'refused';
  if (status === 429 || status === 503) return 'busy';
  return 'network';
}

/** The size of a file, if it is there. */
async function sizeOf(address: string): Promise<number | null> {
  try {
    const { ok, headers } = await fetch(address, { method: 'HEAD' });
    const bytes = Number(headers.get('content-length') ?? NaN);
    return ok && Number.isFinite(bytes) ? bytes : null;
  } catch {
    return null;
  }
}

/** Milliseconds after which a recording that goes on is looked for again. */
const SOON = 10_000;

/** Milliseconds in which a decoder that gives up is begun anew once. */
const RECOVERY = 10_000;
