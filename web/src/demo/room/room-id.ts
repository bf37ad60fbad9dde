/** Digits of a room's number: enough that nobody guesses one, few enough to read them out. */
const DIGITS = 8;

/** A number for a new room, the same for pages that name rooms by numbers. */
export function newRoomId(): string {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  const least = 10 ** (DIGITS - 1);
  return String(least + (random! % (9 * least)));
}
