/** One line of a {@link Panel}: points of seconds and values. A value of null parts it. */
export interface Curve {
  name: string;
  colour: string;
  points: [seconds: number, value: number | null][];
  /** Goes level to the next point. */
  isStep?: boolean;
}

/** Curves over one scale. */
export interface Panel {
  title: string;
  unit: string;
  /** The least upper end of the scale. */
  top: number;
  curves: Curve[];
}

/** Panels one below the other over the same seconds, as SVG. `marks`: what happened when. */
export function plot(title: string, panels: readonly Panel[], marks: readonly [seconds: number, what: string][]): string {
  const all = panels.flatMap(({ curves }) => curves.flatMap(({ points }) => points.map(([seconds]) => seconds)));
  const end = Math.max(1, ...all, ...marks.map(([seconds]) => seconds));
  const x = (seconds: number) => LEFT + (Math.max(0, seconds) / end) * WIDTH;
  const height = TOP + panels.length * (HEIGHT + GAP);
  const step = stepFor(end, 12);
  const parts = panels.map((panel, i) => draw(panel, TOP + i * (HEIGHT + GAP), x));
  for (let seconds = 0; seconds <= end; seconds += step) parts.push(text(x(seconds), height - GAP + 16, `${seconds} s`, 'middle'));
  marks.forEach(([seconds, what]) => {
    parts.push(`<path class="mark" d="M${x(seconds)} ${TOP - 32}V${height - GAP}"/>`, text(x(seconds) + 3, TOP - 22, what, 'start'));
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH + 20} ${height}" width="${LEFT + WIDTH + 20}" height="${height}">
<style>${STYLE}</style><rect width="100%" height="100%" fill="#fff"/>
<text class="title" x="${LEFT}" y="22">${escape(title)}</text>
${parts.join('\n')}
</svg>
`;
}

function draw({ title, unit, top, curves }: Panel, at: number, x: (seconds: number) => number): string {
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value ?? 0));
  const step = stepFor(Math.max(top, ...values), 4);
  const highest = Math.ceil(Math.max(top, ...values) / step) * step;
  const y = (value: number) => at + HEIGHT - (value / highest) * HEIGHT;
  const parts = [text(LEFT, at - 6, `${title}, ${unit}`, 'start')];
  for (let value = 0; value <= highest; value += step) {
    parts.push(`<path class="grid" d="M${LEFT} ${y(value)}h${WIDTH}"/>`, text(LEFT - 6, y(value) + 4, String(value), 'end'));
  }
  let legend = LEFT + WIDTH;
  for (const { name, colour, points, isStep } of [...curves].reverse()) {
    let path = '';
    let isDown = false;
    for (const [seconds, value] of points) {
      const [px, py] = [x(seconds).toFixed(1), y(value ?? 0).toFixed(1)];
      if (value !== null) path += !isDown ? `M${px} ${py}` : isStep ? `H${px}V${py}` : `L${px} ${py}`;
      isDown = value !== null;
    }
    parts.push(`<path class="curve" stroke="${colour}" d="${path}"/>`);
    parts.push(`<text x="${legend}" y="${at - 6}" text-anchor="end" style="fill: ${colour}">${escape(name)}</text>`);
    legend -= name.length * 6.5 + 16;
  }
  return parts.join('\n');
}

/** A round distance that gives at most `most` steps. */
function stepFor(range: number, most: number): number {
  const power = 10 ** Math.floor(Math.log10(range / most));
  return power * ([1, 2, 5].find((factor) => range / (power * factor) <= most) ?? 10);
}

const text = (x: number, y: number, what: string, anchor: 'start' | 'middle' | 'end') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escape(what)}</text>`;

const escape = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

const [LEFT, WIDTH, TOP, HEIGHT, GAP] = [64, 880, 72, 120, 40];

const STYLE = `text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-size: 16px; font-weight: 600 }
.grid { stroke: #ddd } .mark { stroke: #888; stroke-dasharray: 4 3 } .curve { fill: none; stroke-width: 1.6; stroke-linejoin: round }`;
