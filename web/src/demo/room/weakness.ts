import type { NetworkInfo } from 'weblive/vue';

/** Grades from here on are bad: 5 very bad, 6 down. */
const BAD = 5;

/** Percent of what is sent that may be lost before people see it. */
const LOSS = 12;

/** Reports in a row, each two seconds after the one before, until something is said. */
const UNTIL_TOLD = 2;

/** And until it is no longer said: a warning that comes and goes is worse than one that stays. */
const UNTIL_GOOD = 3;

/** Whether somebody's network is too weak for what is sent over it, judged by several reports in a row. */
export class Weakness {
  #bad = 0;
  #good = 0;
  #isWeak = false;

  /** Takes a report; null is none. Whether it is weak now. */
  take(report: Pick<NetworkInfo, 'quality' | 'upLoss'> | null): boolean {
    if (report === null || report.quality === 0) return this.#isWeak;
    const isBad = report.quality >= BAD || report.upLoss >= LOSS;
    this.#bad = isBad ? this.#bad + 1 : 0;
    this.#good = isBad ? 0 : this.#good + 1;
    if (this.#bad >= UNTIL_TOLD) this.#isWeak = true;
    if (this.#good >= UNTIL_GOOD) this.#isWeak = false;
    return this.#isWeak;
  }
}
