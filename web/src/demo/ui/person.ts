/** One or two letters that stand for a name. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/[\s_.-]+/).filter((word) => word !== '');
  const first = firstLetter(words[0] ?? '?');
  // Names of ideographs or syllables are known by one of them.
  if (words.length < 2 || !/^\p{Script=Latin}/u.test(first)) return first.toLocaleUpperCase();
  return (first + firstLetter(words[words.length - 1]!)).toLocaleUpperCase();
}

/** A colour that stays the same for a name, as an angle. */
export function hueOf(name: string): number {
  let sum = 7;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  return sum % 360;
}

function firstLetter(word: string): string {
  return [...word][0] ?? '?';
}
