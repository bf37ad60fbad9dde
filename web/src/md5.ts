/**
 * MD5 (RFC 1321) of a text's UTF-8 bytes, in hexadecimal. It names streams, which other servers and pages do in the
 * same way; it protects nothing.
 */
export function md5(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const words = new Uint32Array((((bytes.length + 8) >> 6) + 1) * 16);
  bytes.forEach((byte, i) => (words[i >> 2]! |= byte << ((i % 4) * 8)));
  words[bytes.length >> 2]! |= 0x80 << ((bytes.length % 4) * 8);
  words[words.length - 2] = bytes.length * 8;
  words[words.length - 1] = Math.floor(bytes.length / 2 ** 29);
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  for (let block = 0; block < words.length; block += 16) step(state, words.subarray(block, block + 16));
  return [...new Uint8Array(Uint32Array.from(state, toLittleEndian).buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function step(state: Uint32Array, words: Uint32Array): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  for (let i = 0; i < 64; i += 1) {
    const round = i >> 4;
    const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round]!;
    const at = [i, 5 * i + 1, 3 * i + 5, 7 * i][round]! % 16;
    // The table of RFC 1321, section 3.4.
    const sum = (a + mixed + Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))) + words[at]!) >>> 0;
    const shift = SHIFTS[round]![i % 4]!;
    [a, d, c, b] = [d, c, b, (b + ((sum << shift) | (sum >>> (32 - shift)))) >>> 0];
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/** The number whose bytes in memory are those of `word`, lowest first. */
function toLittleEndian(word: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word, true);
  return new Uint32Array(view.buffer)[0]!;
}
