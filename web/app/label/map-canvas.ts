/** Draws the map: a dot a picture in the color of its class, and as many of the pictures themselves as there is room for. */
import type { FeatureMap } from "../../../src/web/label/api.js";
import { classColor } from "./colors.js";
import { thumbnail } from "./pictures.js";
import type { Studio } from "./use-studio.js";

/** In 0 .. 1 of the canvas. */
export type Point = readonly [x: number, y: number];

/** The part that is seen: its upper left corner in the map, and how many times larger than the whole it is. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface Drawing {
  readonly studio: Studio;
  readonly map: FeatureMap;
  readonly selected: ReadonlySet<number>;
  readonly view: View;
  /** The lasso so far. */
  readonly line: readonly Point[];
  /** The keyboard's circle. */
  readonly cursor: Point | undefined;
  readonly size: number;
  readonly dark: boolean;
  /** Kept from one drawing to the next. */
  readonly pictures: Map<number, HTMLImageElement>;
  /** Called when a picture has come. */
  readonly again: () => void;
}

/** Pixels of a picture on the map. */
const SIDE = 38;

export function drawMap(canvas: HTMLCanvasElement, drawing: Drawing): void {
  const { studio, map, selected, view, line, cursor, size, dark } = drawing;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.fillStyle = dark ? "#16181b" : "#fbfbfa";
  context.fillRect(0, 0, size, size);
  const taken = new Set<string>();
  for (const [i, row] of map.rows.entries()) {
    const x = (map.places[2 * i]! - view.x) * view.zoom * size;
    const y = (map.places[2 * i + 1]! - view.y) * view.zoom * size;
    if (x < -SIDE || y < -SIDE || x > size + SIDE || y > size + SIDE) continue;
    const code = studio.codes[row]!;
    const color = code >= 0 ? classColor(code) : dark ? "#7d848b" : "#8a9096";
    const cell = `${Math.round(x / (1.15 * SIDE))},${Math.round(y / (1.15 * SIDE))}`;
    const image = taken.has(cell) ? undefined : pictureOf(row, drawing);
    taken.add(cell);
    if (image?.complete && image.naturalWidth > 0) {
      context.drawImage(image, x - SIDE / 2, y - SIDE / 2, SIDE, SIDE);
      context.lineWidth = selected.has(row) ? 4 : 2;
      context.strokeStyle = selected.has(row) ? (dark ? "#6cb6f2" : "#0b62a8") : color;
      if (code >= 0 || selected.has(row)) context.strokeRect(x - SIDE / 2, y - SIDE / 2, SIDE, SIDE);
    } else {
      context.fillStyle = selected.has(row) ? (dark ? "#6cb6f2" : "#0b62a8") : color;
      context.beginPath();
      context.arc(x, y, selected.has(row) ? 5 : 3, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.lineWidth = 2;
  context.strokeStyle = dark ? "#ffffff" : "#000000";
  if (line.length > 1) {
    context.beginPath();
    for (const [x, y] of line) context.lineTo(x * size, y * size);
    context.stroke();
  }
  if (cursor) {
    context.beginPath();
    context.arc(cursor[0] * size, cursor[1] * size, 0.06 * size, 0, 2 * Math.PI);
    context.stroke();
  }
}

function pictureOf(row: number, { studio, pictures, again }: Drawing): HTMLImageElement {
  const known = pictures.get(row);
  if (known) return known;
  const image = new Image();
  image.onload = again;
  image.src = thumbnail(studio.key, row);
  pictures.set(row, image);
  return image;
}

/** Whether a point lies within a closed line: a ray from it crosses the line an odd number of times. */
export function inside([x, y]: Point, line: readonly Point[]): boolean {
  let odd = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
    const [ax, ay] = line[i]!;
    const [bx, by] = line[j]!;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}
