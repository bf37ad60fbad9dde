/** How a picture is captured and sent. */
export interface VideoProfile {
  /** Pixels. */
  width: number;
  height: number;
  /** Frames a second. */
  frameRate: number;
  /** Upper bound of the bit rate. */
  bitrateBps: number;
}

/** How sound is captured and sent. */
export interface AudioProfile {
  /** Samples a second. */
  sampleRate: number;
  channelCount: 1 | 2;
  /** Upper bound of the bit rate. */
  bitrateBps: number;
}

/** What a picture is mostly like: it decides whether sharpness or motion gives way. */
export type ContentHint = 'motion' | 'detail' | 'text';

/** Profiles of the camera by name. */
export const CAMERA_PROFILES = {
  '120p': video(160, 120, 15, 200),
  '120p_2': video(160, 120, 15, 100),
  '180p': video(320, 180, 15, 350),
  '180p_2': video(320, 180, 15, 150),
  '240p': video(320, 240, 15, 400),
  '240p_2': video(320, 240, 15, 200),
  '360p': video(640, 360, 15, 800),
  '360p_2': video(640, 360, 15, 400),
  '480p': video(640, 480, 15, 900),
  '480p_2': video(640, 480, 15, 500),
  '720p': video(1280, 720, 15, 1500),
  '720p_2': video(1280, 720, 30, 2500),
  '1080p': video(1920, 1080, 15, 2000),
  '1080p_2': video(1920, 1080, 30, 4000),
  '1440p': video(2560, 1440, 30, 4860),
  '4K': video(3840, 2160, 30, 9000),
} as const satisfies Record<string, VideoProfile>;

/** Profiles of a shared screen by name. */
export const SCREEN_PROFILES = {
  '480p': video(640, 480, 5, 900),
  '480p_2': video(640, 480, 30, 1000),
  '720p': video(1280, 720, 5, 1200),
  '720p_2': video(1280, 720, 30, 3000),
  '1080p': video(1920, 1080, 5, 1600),
  '1080p_2': video(1920, 1080, 30, 4000),
} as const satisfies Record<string, VideoProfile>;

/** Profiles of the microphone by name. */
export const AUDIO_PROFILES = {
  standard: audio(1, 40),
  'standard-stereo': audio(2, 64),
  high: audio(1, 128),
  'high-stereo': audio(2, 192),
} as const satisfies Record<string, AudioProfile>;

export type CameraProfileName = keyof typeof CAMERA_PROFILES;
export type ScreenProfileName = keyof typeof SCREEN_PROFILES;
export type AudioProfileName = keyof typeof AUDIO_PROFILES;

/** A profile of the camera; `480p_2` for a name that is not in the table. */
export function cameraProfile(of: CameraProfileName | VideoProfile | (string & {})): VideoProfile {
  return typeof of === 'string' ? lookUp<VideoProfile>(CAMERA_PROFILES, of, '480p_2') : of;
}

/** A profile of a shared screen; `1080p` for a name that is not in the table. */
export function screenProfile(of: ScreenProfileName | VideoProfile | (string & {})): VideoProfile {
  return typeof of === 'string' ? lookUp<VideoProfile>(SCREEN_PROFILES, of, '1080p') : of;
}

/** A profile of the microphone; `standard` for a name that is not in the table. */
export function audioProfile(of: AudioProfileName | AudioProfile | (string & {})): AudioProfile {
  return typeof of === 'string' ? lookUp<AudioProfile>(AUDIO_PROFILES, of, 'standard') : of;
}

function lookUp<P>(table: Record<string, P>, name: string, fallback: string): P {
  return (Object.hasOwn(table, name) ? table[name] : table[fallback])!;
}

function video(width: number, height: number, frameRate: number, kbps: number): VideoProfile {
  return { width, height, frameRate, bitrateBps: kbps * 1000 };
}

function audio(channelCount: 1 | 2, kbps: number): AudioProfile {
  return { sampleRate: 48_000, channelCount, bitrateBps: kbps * 1000 };
}
