import { SeatLayoutTemplate } from './enums';
import type { LiveCanvas, RegionInfo } from './types';

/** The places of `count` pictures on a canvas, by a layout: the first is the host's. */
export function regions(template: SeatLayoutTemplate, count: number, width: number, height: number): RegionInfo[] {
  const { VideoDynamicFloat7Seats, VideoFixedFloat7Seats } = SeatLayoutTemplate;
  if (template === VideoDynamicFloat7Seats || template === VideoFixedFloat7Seats) return float(count, width, height);
  return grid(count, width, height);
}

/** Whether free seats have a place too. */
export function hasFixedPlaces(template: SeatLayoutTemplate): boolean {
  return template === SeatLayoutTemplate.VideoFixedGrid9Seats || template === SeatLayoutTemplate.VideoFixedFloat7Seats;
}

/** What seats are laid out on. */
export function canvasOf(template: SeatLayoutTemplate): LiveCanvas {
  const isLandscape = template === SeatLayoutTemplate.VideoLandscape4Seats;
  return { width: isLandscape ? 1280 : 720, height: isLandscape ? 720 : 1280, background: '#000000' };
}

/** No place: a seat that is not shown. */
export const NOWHERE: RegionInfo = Object.freeze({ x: 0, y: 0, w: 0, h: 0, zOrder: 0 });

/** As many columns as give the largest pictures; the last row is filled. */
function grid(count: number, width: number, height: number): RegionInfo[] {
  if (count === 0) return [];
  let columns = 1;
  let best = 0;
  for (let candidate = 1; candidate <= count; candidate++) {
    const size = fit(width / candidate, height / Math.ceil(count / candidate));
    if (size > best) [best, columns] = [size, candidate];
  }
  const rows = Math.ceil(count / columns);
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const column = index - row * columns;
    return box((column * width) / inRow, (row * height) / rows, width / inRow, height / rows, 0);
  });
}

/** The first fills the canvas, the others stand at its right side, one over the other from below. */
function float(count: number, width: number, height: number): RegionInfo[] {
  const [w, h] = [width * FLOAT_WIDTH, height / FLOAT_ROWS];
  return Array.from({ length: count }, (_, index) => {
    if (index === 0) return box(0, 0, width, height, 0);
    const [row, column] = [(index - 1) % FLOAT_ROWS, Math.floor((index - 1) / FLOAT_ROWS)];
    return box(width - w * (column + 1), height - h * (row + 1), w, h, 1);
  });
}

/** Whole pixels; neighbours share an edge. */
function box(x: number, y: number, w: number, h: number, zOrder: number): RegionInfo {
  const [left, top] = [Math.round(x), Math.round(y)];
  return { x: left, y: top, w: Math.round(x + w) - left, h: Math.round(y + h) - top, zOrder };
}

/** The width of the largest 4:3 picture in a box: what a face needs, upright or not. */
const fit = (w: number, h: number) => Math.min(w, (h * 4) / 3);

/** Part of the width that a small picture has. */
const FLOAT_WIDTH = 0.25;

/** Small pictures in a column. */
const FLOAT_ROWS = 6;
