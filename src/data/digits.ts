/**
 * `digits`: generated color pictures of digits, 32x32, somewhat like house numbers. Ways of writing, place, size, slant,
 * colors, light, neighbors, stray strokes, blur and noise all vary, so that a few labels do not show a network what
 * may be ignored, and many unlabeled pictures do. Each picture depends on the seed and its own index alone.
 */

import type { ImageSet } from "../images/image-set.js";
import { integer, number } from "../options.js";
import type { Rng } from "../rng.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { area, blur, drawStrokes, paint, side, type Warp } from "./digits/canvas.js";
import { type Glyph, glyphs, type Stroke } from "./digits/glyphs.js";

type Color = readonly [number, number, number];

export const digits = defineDataSet({
  name: "digits",
  summary: "generated color pictures of digits with clutter, 32x32, 10 classes; needs no files",
  source: "drawn by fewlabels",
  needsDir: false,
  options: {
    train: integer(10_000, { min: 10, max: 1_000_000, doc: "training images" }),
    test: integer(2_000, { min: 10, max: 1_000_000, doc: "test images" }),
    difficulty: number(1, { min: 0, max: 3, doc: "scales distortion, clutter and noise; 0 = clean" }),
  },
  async load({ rng, options }): Promise<DataSet> {
    return {
      name: "digits",
      classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
      train: drawDigits(rng.split("train"), options.train, options.difficulty),
      test: drawDigits(rng.split("test"), options.test, options.difficulty),
      flip: false,
      translate: 2,
      normalize: "image", // colors and contrast differ from picture to picture
    };
  },
});

/** Draws `count` pictures, `[count, 3, 32, 32]` uint8; labels cycle through 0 .. 9, so classes are balanced. */
export function drawDigits(rng: Rng, count: number, difficulty: number): ImageSet {
  const pixels = new Uint8Array(count * 3 * area);
  const labels = new Int32Array(count);
  const noiseRng = rng.split("noise");
  // One table for all pictures: drawing 3,072 normals a picture would take most of the time.
  const noise = Float32Array.from({ length: 1 << 16 }, () => noiseRng.normal());
  const desk: Desk = { canvas: new Float32Array(3 * area), mask: new Float32Array(area), noise };
  for (let i = 0; i < count; i++) {
    labels[i] = i % 10;
    drawDigit(rng.split(String(i)), i % 10, difficulty, desk, pixels.subarray(i * 3 * area, (i + 1) * 3 * area));
  }
  return { pixels, count, channels: 3, height: side, width: side, labels };
}

/** Work space shared by all pictures. */
interface Desk {
  readonly canvas: Float32Array;
  readonly mask: Float32Array;
  readonly noise: Float32Array;
}

function drawDigit(rng: Rng, digit: number, difficulty: number, desk: Desk, out: Uint8Array): void {
  const between = (low: number, high: number) => low + (high - low) * rng.float();
  const chance = (p: number) => rng.float() < p;
  const pick = <T>(items: readonly T[]): T => items[rng.integer(items.length)]!;
  const { canvas, mask, noise } = desk;
  const d = difficulty / 2; // so that 1, the default, is hard with 100 labels and easy with thousands (docs/data.md)

  const groundLight = between(20, 235);
  const contrast = between(150 - 80 * Math.min(1, d), 190);
  const lighter = groundLight + contrast > 250 ? false : groundLight - contrast < 5 ? true : chance(0.5);
  const tinted = (light: number, tint: number): Color => [
    light + between(-tint, tint),
    light + between(-tint, tint),
    light + between(-tint, tint),
  ];
  const tint = 20 + 25 * d;
  const ground = tinted(groundLight, tint);
  const ink = tinted(groundLight + (lighter ? contrast : -contrast), tint);
  fillGround(
    canvas,
    ground,
    Array.from({ length: 4 }, () => tinted(0, 30 * d)),
  );

  // Stray strokes behind the digit: bars, cracks, frames.
  for (let n = rng.integer(1 + Math.round(3 * d)); n > 0; n--) {
    const [x, y, angle, length] = [between(0, side), between(0, side), between(0, 6.3), between(6, 30)];
    const bend = between(-8, 8) * d;
    const [ux, uy] = [Math.cos(angle) * length, Math.sin(angle) * length];
    const points = [x, y, x + ux / 2 - (uy / length) * bend, y + uy / 2 + (ux / length) * bend, x + ux, y + uy];
    drawStrokes(mask, [points], place, between(0.4, 2));
    paint(canvas, mask, tinted(groundLight + between(-70, 70), tint), between(0.3, 0.8));
  }

  const style: Style = {
    size: 10 + between(-2.4, 2.6) * d,
    aspect: between(0.72, 1.0),
    angle: between(-0.3, 0.3) * d,
    shear: between(-0.3, 0.3) * d,
    bend: between(0, 0.16) * d,
    phases: [between(0, 6.3), between(0, 6.3), between(0, 6.3), between(0, 6.3)],
  };
  const center: readonly [number, number] = [15.5 + between(-3, 3) * d, 15.5 + between(-2.5, 2.5) * d];
  const radius = between(1, 1 + 1.2 * (0.4 + 0.6 * d));

  // Neighbors in the same hand, cut off by the border as in a crop of a longer number.
  for (const direction of [-1, 1]) {
    if (!chance(0.55 * Math.min(1.5, d))) continue;
    const gap = direction * style.size * style.aspect * between(1.45, 1.95);
    const where: readonly [number, number] = [
      center[0] + gap * Math.cos(style.angle),
      center[1] + gap * Math.sin(style.angle) + between(-2, 2),
    ];
    drawStrokes(mask, pick(glyphs[rng.integer(10)]!), warpOf(style, where), radius);
    paint(canvas, mask, chance(0.75) ? ink : tinted(groundLight + between(-90, 90), tint), between(0.6, 1));
  }

  drawStrokes(mask, jittered(pick(glyphs[digit]!), 0.05 * d, between), warpOf(style, center), radius);
  if (chance(0.3 * d)) {
    const shade = lighter ? groundLight - 70 : groundLight + 70; // a shadow or a bevel: contrast the other way
    paint(canvas, mask, [shade, shade, shade], between(0.4, 0.9), chance(0.5) ? 1 : -1, 1);
  }
  paint(canvas, mask, ink, between(1 - 0.15 * d, 1));
  for (let n = rng.integer(1 + Math.round(2 * d)); n > 0; n--) {
    const [x, y] = [between(2, 30), between(2, 30)]; // scratches over the digit
    drawStrokes(mask, [[x, y, x + between(-10, 10), y + between(-10, 10)]], place, between(0.3, 0.9));
    paint(canvas, mask, tinted(groundLight + between(-60, 60), tint), between(0.3, 0.8));
  }

  for (let n = rng.integer(1 + Math.round(3 * d)); n > 0; n--) blur(canvas, between(0.1, 0.3), mask);
  const grain = between(0, 16) * d;
  const start = rng.integer(noise.length - canvas.length);
  for (let k = 0; k < canvas.length; k++) {
    out[k] = Math.min(255, Math.max(0, Math.round(canvas[k]! + grain * noise[start + k]!)));
  }
}

interface Style {
  /** Half the height in pixels. */
  readonly size: number;
  readonly aspect: number;
  /** Radians. */
  readonly angle: number;
  readonly shear: number;
  /** Amplitude of the elastic distortion, in halves of the height. */
  readonly bend: number;
  readonly phases: readonly [number, number, number, number];
}

/** Strokes already in pixels. */
const place: Warp = (x, y, out) => {
  out[0] = x;
  out[1] = y;
};

function warpOf({ size, aspect, angle, shear, bend, phases }: Style, center: readonly [number, number]): Warp {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (x, y, out) => {
    const bentX = x + bend * (Math.sin(2.3 * y + phases[0]) + 0.6 * Math.sin(4.1 * y + phases[1]));
    const bentY = y + bend * (Math.sin(2.7 * x + phases[2]) + 0.6 * Math.sin(3.7 * y + phases[3]));
    const px = size * (aspect * bentX - shear * bentY);
    const py = size * bentY;
    out[0] = center[0] + cos * px - sin * py;
    out[1] = center[1] + sin * px + cos * py;
  };
}

/** Moves every point a little on its own: an unsteady hand. */
function jittered(glyph: Glyph, amount: number, between: (low: number, high: number) => number): Stroke[] {
  return glyph.map((stroke) => stroke.map((value) => value + between(-amount, amount)));
}

/** A color plus a gradient given by what is added at the four corners. */
function fillGround(canvas: Float32Array, color: Color, corners: readonly Color[]): void {
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < area; i++) {
      const x = (i % side) / (side - 1);
      const y = Math.floor(i / side) / (side - 1);
      const top = corners[0]![c]! * (1 - x) + corners[1]![c]! * x;
      const bottom = corners[2]![c]! * (1 - x) + corners[3]![c]! * x;
      canvas[c * area + i] = color[c]! + top * (1 - y) + bottom * y;
    }
  }
}
