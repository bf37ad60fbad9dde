/** A value at a moment; null where it is not known. */
export interface Point {
  /** Unix milliseconds. */
  at: number;
  value: number | null;
}

export interface Drawn {
  /** SVG path of the line; it breaks where nothing is known. */
  line: string;
  /** SVG path of what lies under it. */
  area: string;
  /** The known point nearest to a place, 0 left to 1 right. */
  nearest(place: number): Point | null;
}

/** Draws the points over the last five minutes: the newest is at the right edge. */
export function plot(points: readonly Point[], box: { width: number; height: number; atLeast: number }): Drawn {
  const end = points.at(-1)?.at ?? 0;
  const top = Math.max(box.atLeast, ...points.map(({ value }) => value ?? 0)) * HEADROOM;
  const x = (at: number) => round(box.width * (1 - (end - at) / SPAN_MS));
  const y = (value: number) => round((box.height - 1) * (1 - value / top) + 0.5);
  const shown = points.filter(({ at }) => at >= end - SPAN_MS);
  let [line, area] = ['', ''];
  for (const run of runs(shown)) {
    const steps = run.map(({ at, value }) => `${x(at)} ${y(value)}`);
    line += `M${steps.join('L')}`;
    // A single point is seen as a dot by its round cap.
    if (run.length === 1) line += 'h.01';
    area += `M${x(run[0]!.at)} ${box.height}L${steps.join('L')}L${x(run.at(-1)!.at)} ${box.height}Z`;
  }
  const nearest = (place: number) => {
    const at = end - SPAN_MS * (1 - place);
    const distance = (point: Point) => Math.abs(point.at - at);
    const known = shown.filter(({ value }) => value !== null);
    return known.reduce<Point | null>((best, one) => (best === null || distance(one) < distance(best) ? one : best), null);
  };
  return { line, area, nearest };
}

/** Parts without a gap, in values or in time. */
function runs(points: readonly Point[]): { at: number; value: number }[][] {
  const all: { at: number; value: number }[][] = [];
  let before: number | null = null;
  for (const { at, value } of points) {
    if (value === null) {
      before = null;
      continue;
    }
    if (before === null || at - before > GAP_MS) all.push([]);
    all.at(-1)!.push({ at, value });
    before = at;
  }
  return all;
}

const round = (value: number) => Math.round(value * 10) / 10;

const SPAN_MS = 300_000;

/** Samples are two seconds apart; three that are missing are a gap. */
const GAP_MS = 8_000;

/** So that the highest point is not cut off. */
const HEADROOM = 1.1;
