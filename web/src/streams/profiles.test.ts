import { describe, expect, it } from 'vitest';
import { AUDIO_PROFILES, audioProfile, CAMERA_PROFILES, cameraProfile, SCREEN_PROFILES, screenProfile } from './profiles';

const row = ({ width, height, frameRate, bitrateBps }: { width: number; height: number; frameRate: number; bitrateBps: number }) => [width, height, frameRate, bitrateBps / 1000];

describe('profiles', () => {
  it('are those of the table, for the camera', () => {
    expect(Object.fromEntries(Object.entries(CAMERA_PROFILES).map(([name, profile]) => [name, row(profile)]))).toEqual({
      '120p': [160, 120, 15, 200], '120p_2': [160, 120, 15, 100], '180p': [320, 180, 15, 350], '180p_2': [320, 180, 15, 150],
      '240p': [320, 240, 15, 400], '240p_2': [320, 240, 15, 200], '360p': [640, 360, 15, 800], '360p_2': [640, 360, 15, 400],
      '480p': [640, 480, 15, 900], '480p_2': [640, 480, 15, 500], '720p': [1280, 720, 15, 1500], '720p_2': [1280, 720, 30, 2500],
      '1080p': [1920, 1080, 15, 2000], '1080p_2': [1920, 1080, 30, 4000], '1440p': [2560, 1440, 30, 4860], '4K': [3840, 2160, 30, 9000],
    });
  });

  it('are those of the table, for the screen and the microphone', () => {
    expect(Object.fromEntries(Object.entries(SCREEN_PROFILES).map(([name, profile]) => [name, row(profile)]))).toEqual({
      '480p': [640, 480, 5, 900], '480p_2': [640, 480, 30, 1000], '720p': [1280, 720, 5, 1200], '720p_2': [1280, 720, 30, 3000],
      '1080p': [1920, 1080, 5, 1600], '1080p_2': [1920, 1080, 30, 4000],
    });
    expect(Object.entries(AUDIO_PROFILES).map(([name, { channelCount, bitrateBps, sampleRate }]) => [name, channelCount, bitrateBps, sampleRate])).toEqual([
      ['standard', 1, 40_000, 48_000], ['standard-stereo', 2, 64_000, 48_000], ['high', 1, 128_000, 48_000], ['high-stereo', 2, 192_000, 48_000],
    ]);
  });

  it('fall back to the defaults for names that are not in the table, inherited ones too', () => {
    for (const name of ['huge', 'constructor', '']) {
      expect(cameraProfile(name)).toBe(CAMERA_PROFILES['480p_2']);
      expect(screenProfile(name)).toBe(SCREEN_PROFILES['1080p']);
      expect(audioProfile(name)).toBe(AUDIO_PROFILES.standard);
    }
    const own = { width: 10, height: 10, frameRate: 1, bitrateBps: 1 };
    expect(cameraProfile(own)).toBe(own);
  });
});
