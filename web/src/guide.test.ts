import { describe, expect, it } from 'vitest';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GUIDE_PAGES } from '../build/docs';
import { examplePages, EXAMPLES } from '../build/examples';
import { GUIDE, stalePages, withCode } from '../build/guide';

describe('the guide', () => {
  it('shows the code of the examples as it is', async () => {
    expect(await stalePages(), 'run `npm run docs`').toEqual([]);
    await expect(withCode('<!-- code of push.js -->\n```js\nold\n```')).resolves.toContain('createPusher');
  });

  it('has every page in its order, and leads to pages that are there', async () => {
    const pages = (await readdir(GUIDE)).filter((name) => name.endsWith('.md'));
    expect(pages.sort()).toEqual([...GUIDE_PAGES, 'README.md'].sort());
    const examples = (await examplePages()).map(({ name }) => name);
    for (const name of pages) {
      const text = await readFile(join(GUIDE, name), 'utf8');
      for (const [, link] of text.matchAll(/\]\(([\w-]+\.md)\)/g)) expect(pages, `${name} links ${link}`).toContain(link);
      for (const [, link] of text.matchAll(/\]\(\/examples\/([\w-]+\.html)/g)) expect(examples, `${name} links ${link}`).toContain(link);
    }
  });

  it('shows every example but those that explain themselves in another one', async () => {
    const guide = (await Promise.all([...GUIDE_PAGES].map((name) => readFile(join(GUIDE, name), 'utf8')))).join('\n');
    const scripts = (await readdir(EXAMPLES)).filter((name) => /\.(js|vue)$/.test(name) && name !== 'page.js');
    for (const name of scripts) expect(guide).toContain(`<!-- code of ${name} -->`);
  });
});
