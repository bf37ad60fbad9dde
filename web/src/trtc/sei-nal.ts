/**
 * SEI messages in H.264 access units (ITU-T H.264, 7.3.2.3, annex B). The functions that a worker runs refer to
 * nothing outside of themselves.
 */

/** What is carried. */
export interface Sei {
  /** 5 is user data with a UUID in front, 243 is unassigned by the standard. */
  payloadType: number;
  data: Uint8Array;
}

/** Marks what this library sends as payload type 5, among what encoders write there about themselves. */
const OWN = [0x77, 0x65, 0x62, 0x6c, 0x69, 0x76, 0x65, 0x2d, 0x8a, 0x21, 0x4e, 0x0f, 0xb3, 0xd5, 0x9c, 0x61];

/** One SEI NAL unit with its start code. */
export function writeSei({ payloadType, data }: Sei): Uint8Array<ArrayBuffer> {
  const payload = payloadType === 5 ? [...OWN, ...data] : [...data];
  const body = [payloadType];
  let size = payload.length;
  for (; size >= 255; size -= 255) body.push(255);
  body.push(size, ...payload, 0x80);
  const out = [0, 0, 0, 1, 6];
  let zeros = 0;
  for (const byte of body) {
    // Three bytes that look like a start code must not occur inside of a NAL unit.
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return new Uint8Array(out);
}

/** The access unit with these NAL units in front of its first slice; null where there is no slice. */
export function insertNals(unit: Uint8Array, nals: readonly Uint8Array[]): Uint8Array<ArrayBuffer> | null {
  for (let i = 0; i + 3 < unit.length; i += 1) {
    if (unit[i] !== 0 || unit[i + 1] !== 0 || unit[i + 2] !== 1) continue;
    const type = unit[i + 3]! & 31;
    if (type < 1 || type > 5) continue;
    const at = i > 0 && unit[i - 1] === 0 ? i - 1 : i;
    const length = nals.reduce((sum, nal) => sum + nal.length, unit.length);
    const out = new Uint8Array(length);
    out.set(unit.subarray(0, at));
    let to = at;
    for (const nal of nals) {
      out.set(nal, to);
      to += nal.length;
    }
    out.set(unit.subarray(at), to);
    return out;
  }
  return null;
}

/** The bodies of all SEI NAL units of an access unit, without their headers; looks no further than the first slice. */
export function seiBodies(unit: Uint8Array): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let begin = -1;
  for (let i = 0; i + 3 < unit.length; i += 1) {
    if (unit[i] !== 0 || unit[i + 1] !== 0 || unit[i + 2] !== 1) continue;
    if (begin >= 0) bodies.push(unit.slice(begin, unit[i - 1] === 0 ? i - 1 : i));
    const type = unit[i + 3]! & 31;
    begin = type === 6 ? i + 4 : -1;
    if (type >= 1 && type <= 5) break;
    i += 3;
  }
  if (begin >= 0) bodies.push(unit.slice(begin));
  return bodies;
}

/** The messages of one SEI body that pages send: those of type 243, and of type 5 with this library's mark. */
export function readSei(body: Uint8Array): Sei[] {
  const bytes: number[] = [];
  let zeros = 0;
  for (const byte of body) {
    const isEscape = zeros >= 2 && byte === 3;
    zeros = byte === 0 ? zeros + 1 : 0;
    if (!isEscape) bytes.push(byte);
  }
  const found: Sei[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    while (bytes[at] === 255) {
      value += 255;
      at += 1;
    }
    value += bytes[at] ?? 0;
    at += 1;
    return value;
  };
  // A lone 0x80 closes the body.
  while (at + 2 < bytes.length) {
    const payloadType = number();
    const size = number();
    const data = bytes.slice(at, at + size);
    at += size;
    if (data.length < size) break;
    if (payloadType === 243) found.push({ payloadType, data: new Uint8Array(data) });
    else if (payloadType === 5 && OWN.every((byte, i) => data[i] === byte)) found.push({ payloadType, data: new Uint8Array(data.slice(OWN.length)) });
  }
  return found;
}
