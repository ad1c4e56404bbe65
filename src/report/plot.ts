/** Observable Plot without a browser: a plot becomes the text of one SVG, with its legend inside. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import sharp from "sharp";

/** A finished plot. */
export interface Figure {
  /** File name without ending. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** Colors that differ for color-blind readers too (Okabe and Ito). */
export const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#8c6d1f"] as const;

export const colorOf = (i: number): string => COLORS[i % COLORS.length]!;

/** Of a line of the legend. */
const LEGEND_LINE = 22;

export interface PlotSettings extends Plot.PlotOptions {
  readonly width: number;
  readonly height: number;
}

/** One SVG: the plot, and above it a legend of `series` where there is more than one. */
export function renderPlot(options: PlotSettings, series: readonly string[] = []): string {
  const shown = series.length > 1;
  const scale = { domain: [...series], range: series.map((_, i) => colorOf(i)) };
  const plot = draw({ ...options, ...(series.length > 0 && { color: scale }) });
  if (!shown) return plot;
  const legend = legendOf(series, options.width);
  return stacked([legend.svg, plot], options.width, [legend.height, options.height]);
}

function draw(options: PlotSettings): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const style = { fontFamily: "system-ui, DejaVu Sans, sans-serif", fontSize: "12px", color: "#222" };
  const element = Plot.plot({ ...options, document, style } satisfies Plot.PlotOptions & { document: unknown });
  const svg = element.tagName.toLowerCase() === "svg" ? element : [...element.querySelectorAll("svg")].at(-1)!;
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return svg.outerHTML;
}

/** Dots with names in as many lines as they need. */
function legendOf(series: readonly string[], width: number): { svg: string; height: number } {
  let [at, line] = [12, 0];
  const places = series.map((name, i) => {
    const room = 30 + 7.2 * name.length;
    if (at + room > width && at > 12) [at, line] = [12, line + 1];
    const place = { name, x: at, y: LEGEND_LINE * (line + 0.6), color: colorOf(i) };
    at += room;
    return place;
  });
  const height = LEGEND_LINE * (line + 1) + 4;
  const svg = draw({
    width,
    height,
    margin: 0,
    x: { domain: [0, width], range: [0, width], axis: null },
    y: { domain: [0, height], range: [0, height], axis: null },
    marks: [
      Plot.dot(places, { x: "x", y: "y", fill: "color", r: 5 }),
      Plot.text(places, { x: "x", y: "y", text: "name", dx: 10, textAnchor: "start", fill: "currentColor" }),
    ],
  });
  return { svg, height };
}

function stacked(parts: readonly string[], width: number, heights: readonly number[]): string {
  const height = heights.reduce((sum, one) => sum + one, 0);
  let y = 0;
  const placed = parts.map((part, i) => {
    const moved = part.replace("<svg", `<svg y="${y}"`);
    y += heights[i]!;
    return moved;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${placed.join("")}</svg>`;
}

/** Pixels that a picture drawn from an SVG may be wide or high. */
const MOST_PIXELS = 32_767;

/** The same as a PNG, on white: two pixels a unit, fewer where that would be more than can be drawn. */
export async function pngOf(svg: string): Promise<Uint8Array> {
  const sides = /^<svg[^>]* viewBox="0 0 (\d+) (\d+)"/.exec(svg)?.slice(1).map(Number) ?? [];
  // At 72 a unit is a pixel.
  const density = Math.min(144, (72 * (MOST_PIXELS - 1)) / Math.max(1, ...sides));
  return sharp(Buffer.from(svg), { density, limitInputPixels: false })
    .flatten({ background: "white" })
    .png()
    .toBuffer();
}
