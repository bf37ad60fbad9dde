import { describe, expect, it } from 'vitest';
import { readNotice, writeNotice } from './notice';

describe('a notice with a poster', () => {
  it('is read as it was written', () => {
    for (const text of ['', 'Tonight: songs', 'two\nlines']) {
      for (const cover of ['', '/images/0a1b-720.jpg', 'https://cdn.example/p.png']) {
        expect(readNotice(writeNotice({ text, cover }))).toEqual({ text, cover });
      }
    }
  });

  it('takes nothing as a poster but paths and web addresses', () => {
    for (const cover of ['javascript:alert(1)', 'data:text/html,x', '//a b', 'x y']) {
      expect(readNotice(`hello\nposter: ${cover}`)).toEqual({ text: `hello\nposter: ${cover}`, cover: '' });
      expect(writeNotice({ text: 'hello', cover })).toBe('hello');
    }
  });
});
