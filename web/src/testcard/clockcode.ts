/**
 * The millisecond clock as cells of black and white: 40 bits of time and 8 bits of checksum, in two rows
 * of 24 cells. Pure functions; painting and reading pixels is done elsewhere.
 */

/** Cells in a row. */
export const COLUMNS = 24;

/** Rows of cells. */
export const ROWS = 2;

/** Where the cells lie, as fractions of the picture, so that any scaling keeps them readable. */
export const STRIP = { left: 0.04, top: 0.8, width: 0.92, height: 0.14 } as const;

/** The clock wraps after 2^40 ms, which is almost 35 years. */
export const CLOCK_MODULUS = 2 ** (COLUMNS * ROWS - 8);

/** The 48 cells for a time in milliseconds, most significant bit first; 1 is white. */
export function encodeClock(milliseconds: number): Uint8Array {
  const clock = Math.floor(milliseconds) % CLOCK_MODULUS;
  const bytes = [0, 0, 0, 0, 0];
  for (let i = 4, rest = clock; i >= 0; i -= 1, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  bytes.push(crc8(bytes));
  return Uint8Array.from(bytes.flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1)));
}

/** The time in milliseconds (modulo {@link CLOCK_MODULUS}), or null when the checksum does not fit. */
export function decodeClock(cells: ArrayLike<number>): number | null {
  if (cells.length !== COLUMNS * ROWS) return null;
  const bytes = Array.from({ length: 6 }, (_, byte) => {
    let value = 0;
    for (let bit = 0; bit < 8; bit += 1) value = value * 2 + (cells[byte * 8 + bit] ? 1 : 0);
    return value;
  });
  const time = bytes.slice(0, 5);
  if (crc8(time) !== bytes[5]) return null;
  return time.reduce((clock, byte) => clock * 256 + byte, 0);
}

/**
 * Reads the cells out of the brightness of the strip, scaled to `width` × `height` pixels (one value each).
 * Only the middle of a cell is looked at: its edges are blurred by compression and scaling.
 * Null when there is too little contrast for a painted clock.
 */
export function readCells(luma: ArrayLike<number>, width: number, height: number): Uint8Array | null {
  const cellWidth = width / COLUMNS;
  const cellHeight = height / ROWS;
  const means = new Float64Array(COLUMNS * ROWS);
  for (let row = 0; row < ROWS; row += 1) {
    for (let column = 0; column < COLUMNS; column += 1) {
      let sum = 0;
      let count = 0;
      for (let y = Math.ceil((row + 0.3) * cellHeight); y < (row + 0.7) * cellHeight; y += 1) {
        for (let x = Math.ceil((column + 0.3) * cellWidth); x < (column + 0.7) * cellWidth; x += 1) {
          sum += luma[y * width + x] ?? 0;
          count += 1;
        }
      }
      means[row * COLUMNS + column] = count > 0 ? sum / count : 0;
    }
  }
  const low = Math.min(...means);
  const high = Math.max(...means);
  if (high - low < LEAST_CONTRAST) return null;
  return Uint8Array.from(means, (mean) => (mean > (low + high) / 2 ? 1 : 0));
}

/** `now - clock` in milliseconds with the wrap of the clock taken into account; may be negative. */
export function clockDifference(now: number, clock: number): number {
  const difference = (((now % CLOCK_MODULUS) - clock) % CLOCK_MODULUS + CLOCK_MODULUS) % CLOCK_MODULUS;
  return difference > CLOCK_MODULUS / 2 ? difference - CLOCK_MODULUS : difference;
}

/** CRC-8 with polynomial x^8+x^2+x+1, starting from 0xff so that an all-black strip does not pass. */
function crc8(bytes: readonly number[]): number {
  let crc = 0xff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
  }
  return crc;
}

/** Of 255. A strip of two brightnesses closer than this is a picture, not a clock. */
const LEAST_CONTRAST = 64;
