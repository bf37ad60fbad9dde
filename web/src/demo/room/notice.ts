/** What a room's notice says to people, and the poster that this app keeps in it: lists have nothing else to carry it. */
export interface Notice {
  text: string;
  /** Path or address of the poster; empty if there is none. */
  cover: string;
}

/** The mark of the line with the poster. */
const MARK = 'poster: ';

/** A path of this server, or an https address. */
const COVER = /^(\/(?!\/)[\w./-]{1,300}|https?:\/\/[^\s"']{1,400})$/;

export function readNotice(notice: string): Notice {
  const lines = notice.split('\n');
  const last = lines.at(-1) ?? '';
  const cover = last.startsWith(MARK) ? last.slice(MARK.length) : '';
  if (!COVER.test(cover)) return { text: notice, cover: '' };
  return { text: lines.slice(0, -1).join('\n'), cover };
}

export function writeNotice({ text, cover }: Notice): string {
  if (!COVER.test(cover)) return text;
  return text === '' ? MARK + cover : `${text}\n${MARK}${cover}`;
}
