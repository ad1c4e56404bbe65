/** A 32x32 color canvas for `digits.ts`: anti-aliased strokes painted over each other. Colors are 0..255. */
import type { Stroke } from "./glyphs.js";

export const side = 32;
export const area = side * side;

/** Maps a point of a stroke to pixels: `[x, y]` written into `out`. */
export type Warp = (x: number, y: number, out: Float64Array) => void;

/** Clears `mask` and draws strokes of half-width `radius` pixels into it; coverage in 0..1, soft edges one pixel wide. */
export function drawStrokes(mask: Float32Array, strokes: readonly Stroke[], warp: Warp, radius: number): void {
  mask.fill(0);
  const point = new Float64Array(2);
  for (const stroke of strokes) {
    warp(stroke[0]!, stroke[1]!, point);
    let x0 = point[0]!;
    let y0 = point[1]!;
    for (let i = 2; i < stroke.length; i += 2) {
      warp(stroke[i]!, stroke[i + 1]!, point);
      const x1 = point[0]!;
      const y1 = point[1]!;
      drawSegment(mask, x0, y0, x1, y1, radius);
      x0 = x1;
      y0 = y1;
    }
  }
}

function drawSegment(mask: Float32Array, x0: number, y0: number, x1: number, y1: number, radius: number): void {
  const reach = radius + 0.5;
  const left = Math.max(0, Math.ceil(Math.min(x0, x1) - reach));
  const right = Math.min(side - 1, Math.floor(Math.max(x0, x1) + reach));
  const top = Math.max(0, Math.ceil(Math.min(y0, y1) - reach));
  const bottom = Math.min(side - 1, Math.floor(Math.max(y0, y1) + reach));
  const [dx, dy] = [x1 - x0, y1 - y0];
  const scale = 1 / Math.max(1e-12, dx * dx + dy * dy);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) * scale));
      const [ex, ey] = [x - x0 - along * dx, y - y0 - along * dy];
      const coverage = Math.min(1, reach - Math.sqrt(ex * ex + ey * ey));
      const at = y * side + x;
      if (coverage > mask[at]!) mask[at] = coverage;
    }
  }
}

/** Paints `color` (three channels) where `mask` is, shifted by whole pixels, with the given opacity. */
export function paint(
  canvas: Float32Array,
  mask: Float32Array,
  color: readonly [number, number, number],
  opacity = 1,
  shiftX = 0,
  shiftY = 0,
): void {
  for (let c = 0; c < 3; c++) {
    const ink = color[c]!;
    for (let y = Math.max(0, shiftY); y < Math.min(side, side + shiftY); y++) {
      for (let x = Math.max(0, shiftX); x < Math.min(side, side + shiftX); x++) {
        const cover = mask[(y - shiftY) * side + x - shiftX]! * opacity;
        const at = c * area + y * side + x;
        if (cover > 0) canvas[at] = canvas[at]! + cover * (ink - canvas[at]!);
      }
    }
  }
}

/** Blurs every channel with the kernel [b, 1 - 2b, b] in both directions; `scratch` holds one channel. */
export function blur(canvas: Float32Array, b: number, scratch: Float32Array): void {
  const a = 1 - 2 * b;
  for (let c = 0; c < 3; c++) {
    const base = c * area;
    for (let i = 0; i < area; i++) {
      const x = i % side;
      const left = canvas[base + i - (x > 0 ? 1 : 0)]!;
      const right = canvas[base + i + (x < side - 1 ? 1 : 0)]!;
      scratch[i] = a * canvas[base + i]! + b * (left + right);
    }
    for (let i = 0; i < area; i++) {
      const above = scratch[i >= side ? i - side : i]!;
      const below = scratch[i < area - side ? i + side : i]!;
      canvas[base + i] = a * scratch[i]! + b * (above + below);
    }
  }
}
