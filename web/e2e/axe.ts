import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

interface Violation {
  id: string;
  nodes: { target: unknown[]; failureSummary?: string }[];
}

interface Checker {
  axe: { run: (root: Document, options: object) => Promise<{ violations: Violation[] }> };
}

/** axe-core, which looks for what keeps people from using a page. */
export class Axe {
  private constructor(private readonly source: string) {}

  static async load(): Promise<Axe> {
    return new Axe(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  }

  /** What is wrong with what a page shows now, a line each. */
  async violations(page: Page): Promise<string[]> {
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(this.source);
    return page.evaluate(async () => {
      const { violations } = await (window as unknown as Checker).axe.run(document, { resultTypes: ['violations'] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary ?? ''})`).join('; ')}`);
    });
  }
}
