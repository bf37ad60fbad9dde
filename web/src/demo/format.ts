/** What is shown where nothing is known. */
export const UNKNOWN = '–';

/** `1.9 Mbit/s`, `64 kbit/s`. */
export function formatBitrate(bps: number | null): string {
  if (bps === null || !Number.isFinite(bps)) return UNKNOWN;
  return bps >= 999_500 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

/** A delay as number and unit: milliseconds below a second, else seconds. */
export function formatDelay(milliseconds: number | null): [figure: string, unit: string] {
  if (milliseconds === null || !Number.isFinite(milliseconds)) return [UNKNOWN, ''];
  if (milliseconds < 999.5) return [String(Math.round(milliseconds)), 'ms'];
  return [(milliseconds / 1000).toFixed(milliseconds < 9_950 ? 2 : 1), 's'];
}

/** `1280×720`. */
export function formatSize(width: number | null, height: number | null): string {
  return width && height ? `${width}×${height}` : UNKNOWN;
}

/** `3 (0.2 %)`: dropped frames and their share of all. */
export function formatDropped(dropped: number, total: number): string {
  if (total === 0) return UNKNOWN;
  return dropped === 0 ? '0' : `${dropped} (${((dropped / total) * 100).toFixed(1)} %)`;
}

/** `4:05`, `1:02:03`: seconds as hours, minutes and seconds. */
export function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `950`, `1.2k`, `3.4M`. */
export function formatCount(count: number): string {
  if (count < 1000) return String(count);
  return count < 999_950 ? `${(count / 1000).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`;
}

/** `950 kB`, `3.4 MB`, `1.20 GB`: bytes in units of a thousand. */
export function formatBytes(bytes: number): string {
  if (bytes < 999_500) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 999_950_000 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
