/** `1.52 Mbit/s`. */
export function bitRate(bps: number | null | undefined): string {
  if (bps === null || bps === undefined) return '–';
  if (bps >= 999_500) return `${(bps / 1e6).toFixed(bps >= 9.995e6 ? 1 : 2)} Mbit/s`;
  return `${Math.round(bps / 1000)} kbit/s`;
}

/** `0.2 %`, of a part from 0 to 1. */
export function percent(part: number | null | undefined): string {
  if (part === null || part === undefined) return '–';
  const value = part * 100;
  return `${value === 0 || value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function milliseconds(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? '–' : `${Math.round(ms)} ms`;
}

export function clock(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour12: false });
}

export function count(number: number): string {
  return number.toLocaleString();
}

/** What the server says is wrong, as a sentence of its own. */
export function sentence(text: string): string {
  const plain = text.replaceAll('`', '');
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}${/[.!?]$/.test(plain) ? '' : '.'}`;
}
