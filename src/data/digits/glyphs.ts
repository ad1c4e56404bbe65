/**
 * The ten digits as strokes: polylines in a box of about x in [-0.6, 0.6], y in [-1, 1], y downwards. Several ways of
 * writing most of them, as on house numbers and by hand. Used by `digits.ts` only.
 */

/** x0, y0, x1, y1, ... */
export type Stroke = readonly number[];
export type Glyph = readonly Stroke[];

/** Points of an ellipse arc; degrees, 0 = right, 90 = bottom, 180 = left, 270 = top; from > to runs backwards. */
function arc(cx: number, cy: number, rx: number, ry: number, from: number, to: number): number[] {
  const steps = Math.max(3, Math.ceil(Math.abs(to - from) / 24));
  const points: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180;
    points.push(cx + rx * Math.cos(angle), cy + ry * Math.sin(angle));
  }
  return points;
}

/** Cuts long straight lines so that the elastic distortion can bend them. */
function line(...points: number[]): number[] {
  const out = points.slice(0, 2);
  for (let i = 2; i + 1 < points.length; i += 2) {
    const [x0, y0, x1, y1] = [points[i - 2]!, points[i - 1]!, points[i]!, points[i + 1]!];
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 0.4));
    for (let k = 1; k <= steps; k++) out.push(x0 + ((x1 - x0) * k) / steps, y0 + ((y1 - y0) * k) / steps);
  }
  return out;
}

/** `glyphs[digit]` are the ways to write it. */
export const glyphs: readonly (readonly Glyph[])[] = [
  [
    [arc(0, 0, 0.56, 1, -90, 270)],
    [arc(0, 0, 0.45, 1, -70, 290)],
    [
      arc(0, -0.45, 0.5, 0.55, 180, 360).concat(
        line(0.5, -0.45, 0.5, 0.45),
        arc(0, 0.45, 0.5, 0.55, 0, 180),
        line(-0.5, 0.45, -0.5, -0.45),
      ),
    ],
  ],
  [
    [line(0, -1, 0, 1)],
    [line(-0.38, -0.62, 0.02, -1, 0.02, 1)],
    [line(-0.34, -0.66, 0, -1, 0, 1), line(-0.4, 1, 0.4, 1)],
  ],
  [
    [arc(0, -0.45, 0.5, 0.55, 195, 395).concat(line(0.41, -0.13, -0.55, 1, 0.58, 1))],
    [arc(-0.02, -0.5, 0.5, 0.5, 180, 410).concat(line(0.3, -0.12, -0.3, 0.55, -0.5, 1, 0.55, 0.97))],
  ],
  [
    [arc(-0.02, -0.5, 0.48, 0.5, 205, 450).concat(arc(-0.02, 0.48, 0.56, 0.52, 272, 520))],
    [line(-0.5, -1, 0.48, -1, -0.08, -0.18).concat(arc(-0.03, 0.4, 0.55, 0.6, 285, 520))],
  ],
  [
    [line(0.3, 1, 0.3, -1, -0.58, 0.38, 0.6, 0.38)],
    [line(-0.4, -1, -0.52, 0.12, 0.55, 0.12), line(0.34, -0.75, 0.3, 1)],
    [line(0.02, -1, -0.58, 0.4, 0.58, 0.4), line(0.25, -0.15, 0.25, 1)],
  ],
  [
    [line(0.5, -1, -0.42, -1, -0.47, -0.04).concat(arc(0, 0.38, 0.56, 0.61, 222, 515))],
    [line(0.52, -0.95, -0.35, -1, -0.42, -0.15, 0, -0.2).concat(arc(-0.02, 0.4, 0.52, 0.6, 285, 500))],
  ],
  [
    [arc(0.25, 0.4, 0.8, 1.4, 282, 180).concat(arc(0, 0.43, 0.55, 0.56, 180, -180))],
    [line(0.25, -1, -0.42, 0.2).concat(arc(0, 0.45, 0.52, 0.54, 195, -165))],
  ],
  [
    [line(-0.52, -1, 0.55, -1, -0.15, 1)],
    [line(-0.5, -0.95, 0.52, -1, 0.1, 0, -0.05, 1), line(-0.3, 0.02, 0.45, 0.02)],
    [line(-0.52, -0.7, -0.52, -1, 0.54, -1, 0.12, -0.1, 0, 1)],
  ],
  [
    [arc(0, -0.5, 0.46, 0.49, 90, 450), arc(0, 0.49, 0.56, 0.51, -90, 270)],
    [
      line(0.42, -0.75).concat(
        arc(0, -0.55, 0.42, 0.45, 320, 140),
        line(-0.32, -0.25, 0.35, 0.2),
        arc(0, 0.5, 0.48, 0.5, -40, 220),
        line(-0.38, 0.2, 0.38, -0.4),
      ),
    ],
  ],
  [
    [arc(0, -0.43, 0.55, 0.56, 0, 360).concat(arc(-0.25, -0.4, 0.8, 1.4, 0, 102))],
    [arc(0, -0.44, 0.5, 0.54, 10, 370).concat(line(0.5, -0.4, 0.46, 1))],
  ],
];
