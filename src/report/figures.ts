/** The plots of reports, in the forms of the papers: dots with intervals, curves with bands, sensitivity, decision regions. */
import * as Plot from "@observablehq/plot";
import { type Spread, spreadOf } from "../statistics.js";
import { type Figure, renderPlot } from "./plot.js";
import type { Curve } from "./read-run.js";

/** Values over seeds of one setting. */
export interface Dots {
  readonly row: string;
  readonly column: string;
  readonly values: readonly number[];
  /** What a paper printed. */
  readonly published?: number | undefined;
}

/** Mean with 95 % interval and every seed, a panel a column; a hollow diamond is the printed value. `shared`: as in `spreadOf`. */
export function dotFigure(name: string, title: string, unit: string, dots: readonly Dots[], shared = 0): Figure {
  const rows = [...new Set(dots.map(({ row }) => row))];
  const columns = [...new Set(dots.map(({ column }) => column))];
  const measured = dots.filter(({ values }) => values.length > 0);
  const means = measured.map(({ row, column, values }) => {
    const spread = spreadOf(values, shared);
    return { row, column, mean: spread.mean, ...intervalOf(spread) };
  });
  const seeds = measured.flatMap(({ row, column, values }) => values.map((value) => ({ row, column, value })));
  const printed = dots.flatMap(({ row, column, published }) =>
    published === undefined ? [] : [{ row, column, published }],
  );
  const left = 24 + 7 * Math.max(...rows.map((row) => row.length));
  const svg = renderPlot({
    width: Math.max(520, left + 200 * columns.length),
    height: 84 + 26 * rows.length,
    marginLeft: left,
    marginBottom: 44,
    x: { label: unit, grid: true, nice: true, inset: 8, ticks: 4 },
    y: { domain: rows, label: null },
    fx: { domain: columns, label: null, padding: 0.08 },
    marks: [
      Plot.frame({ stroke: "#bbb" }),
      Plot.ruleY(means, { y: "row", x1: "low", x2: "high", fx: "column", stroke: "#0072b2", strokeWidth: 2 }),
      Plot.dot(seeds, { x: "value", y: "row", fx: "column", r: 2, fill: "#0072b2", fillOpacity: 0.5 }),
      Plot.dot(means, { x: "mean", y: "row", fx: "column", r: 4.5, fill: "#0072b2" }),
      Plot.dot(printed, {
        x: "published",
        y: "row",
        fx: "column",
        r: 5,
        symbol: "diamond",
        stroke: "#d55e00",
        strokeWidth: 1.6,
        fill: "none",
      }),
    ],
  });
  return { name, title, svg };
}

/** Percentages stay between 0 and 100. Under three seeds none is drawn: two points say more than an interval 18 times their distance. */
function intervalOf({ mean, half95: half, n }: Spread): { low: number; high: number } {
  if (n < 3) return { low: mean, high: mean };
  return { low: Math.max(0, mean - half), high: Math.min(100, mean + half) };
}

/** Curves of one series in one panel, one a seed. */
export interface CurveSeries {
  readonly series: string;
  readonly facet: string;
  readonly curves: readonly Curve[];
}

/** Mean over seeds with a band of one standard deviation, a panel a facet. */
export function curveFigure(
  name: string,
  title: string,
  all: readonly CurveSeries[],
  y: { readonly label: string; readonly log?: boolean },
): Figure {
  const points = all.flatMap(({ series, facet, curves }) =>
    bandOf(curves).map((point) => ({ series, facet, ...point })),
  );
  const shown = y.log ? points.filter(({ mean }) => mean > 0) : points;
  const facets = [...new Set(all.map(({ facet }) => facet))];
  const least = Math.min(...shown.map(({ mean }) => mean));
  const banded = shown.map((point) => ({
    ...point,
    low: y.log ? Math.max(point.low, least / 2) : Math.max(0, point.low),
  }));
  const svg = renderPlot(
    {
      width: Math.max(560, 90 + 300 * facets.length),
      height: 300,
      marginLeft: 56,
      marginRight: 24,
      marginBottom: 44,
      x: { label: "step", ticks: 3 },
      y: {
        label: y.label,
        grid: true,
        ...(y.log ? { type: "log" as const, ticks: logTicks(banded), tickFormat: String } : { zero: true }),
      },
      fx: { domain: facets, label: null, padding: 0.1 },
      marks: [
        Plot.frame({ stroke: "#bbb" }),
        Plot.areaY(banded, { x: "step", y1: "low", y2: "high", fill: "series", fx: "facet", fillOpacity: 0.15 }),
        Plot.lineY(banded, { x: "step", y: "mean", stroke: "series", fx: "facet", strokeWidth: 1.8 }),
      ],
    },
    [...new Set(all.map(({ series }) => series))],
  );
  return { name, title, svg };
}

/** Values that get a label on a logarithmic axis: 1, 2 and 5 times the powers of ten; within a decade, equal steps. */
export function logTicks(bands: readonly { readonly low: number; readonly high: number }[]): number[] {
  const [least, most] = [Math.min(...bands.map(({ low }) => low)), Math.max(...bands.map(({ high }) => high))];
  if (!(least > 0 && most > least)) return [];
  const power = (value: number) => 10 ** Math.floor(Math.log10(value));
  const nice = (from: number) => [1, 2, 5, 10].map((factor) => Number((factor * power(from)).toPrecision(3)));
  if (most / least < 5) {
    const step = nice((most - least) / 5).find((one) => one >= (most - least) / 6)!;
    const first = Math.ceil(least / step);
    return Array.from({ length: Math.max(0, Math.floor(most / step) - first + 1) }, (_, i) =>
      Number((step * (first + i)).toPrecision(6)),
    );
  }
  const ticks: number[] = [];
  for (let p = power(least); p <= most; p *= 10) ticks.push(...nice(p).slice(0, 3));
  return ticks.filter((one) => one >= least && one <= most);
}

/** A band has about so many points. */
const BAND_POINTS = 60;

/**
 * Mean and one standard deviation of the curves, one a seed, in equal stretches of steps, the same for all of them: of each curve its mean
 * there, of the curves those that have a value there. So one that ends earlier, or lacks a step, takes nothing from the others. Each
 * point stands at the last step of its stretch; up to `BAND_POINTS` different steps each stand for themselves.
 */
function bandOf(curves: readonly Curve[]): { step: number; mean: number; low: number; high: number }[] {
  const all = [...new Set(curves.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
  const stretch = Math.ceil(all.length / BAND_POINTS);
  const width = (stretch * (all.at(-1)! - all[0]!)) / (all.length - 1);
  const placeOf = new Map(
    all.map((step, i) => [step, stretch === 1 ? i : Math.floor((step - all[0]!) / width + 1e-9)] as const),
  );
  const stretches = new Map<number, { step: number; readonly values: number[] }>();
  for (const step of all) {
    const place = placeOf.get(step)!;
    stretches.set(place, { step, values: stretches.get(place)?.values ?? [] });
  }
  for (const { steps, values } of curves) {
    const own = new Map<number, number[]>();
    steps.forEach((step, i) => {
      const place = placeOf.get(step)!;
      own.set(place, [...(own.get(place) ?? []), values[i]!]);
    });
    for (const [place, some] of own) stretches.get(place)!.values.push(some.reduce((a, b) => a + b, 0) / some.length);
  }
  return [...stretches.values()].map(({ step, values }) => {
    const { mean, sd } = spreadOf(values);
    const half = Number.isNaN(sd) ? 0 : sd;
    return { step, mean, low: mean - half, high: mean + half };
  });
}

/** One setting of a sensitivity plot. */
export interface Setting extends Dots {
  /** Place on the axis; by name where it is missing. */
  readonly x?: number | undefined;
}

/** Error over a setting: every seed a small dot, the mean a line with intervals. */
export function sensitivityFigure(
  name: string,
  title: string,
  unit: string,
  settings: readonly Setting[],
  axis: { readonly label: string; readonly scale: "linear" | "log" | "names" },
): Figure {
  const named = axis.scale === "names";
  const place = ({ x, column }: Setting) => (named ? column : (x ?? Number(column)));
  const measured = settings.filter(({ values }) => values.length > 0);
  const means = measured.map((setting) => {
    const spread = spreadOf(setting.values);
    return { series: setting.row, x: place(setting), mean: spread.mean, ...intervalOf(spread) };
  });
  const seeds = measured.flatMap((setting) =>
    setting.values.map((value) => ({ series: setting.row, x: place(setting), value })),
  );
  const names = [...new Set(settings.map(({ column }) => column))];
  const longest = Math.max(...names.map((one) => one.length));
  const slanted = named && longest > 6;
  const smallest = Math.min(...means.flatMap(({ x }) => (typeof x === "number" && x > 0 ? [x] : [])));
  const xScale = named
    ? { type: "point" as const, domain: names, ...(slanted && { tickRotate: -35 }) }
    : // 0 has a place on a symmetric logarithmic axis.
      {
        type: axis.scale === "log" ? ("symlog" as const) : ("linear" as const),
        ...(axis.scale === "log" && {
          constant: smallest,
          ticks: [...new Set(means.map(({ x }) => Number(x)))],
          tickFormat: String,
        }),
      };
  const series = [...new Set(settings.map(({ row }) => row))];
  const svg = renderPlot(
    {
      width: Math.max(560, named ? 120 + 62 * names.length : 0),
      height: slanted ? 300 + 4 * longest : 300,
      marginLeft: slanted ? Math.max(56, 5 * longest) : 56,
      marginRight: 24,
      marginBottom: slanted ? 40 + 4 * longest : 40,
      x: { ...xScale, label: axis.label, ...(!named && { inset: 12 }) },
      y: { label: unit, grid: true, zero: true },
      marks: [
        Plot.frame({ stroke: "#bbb" }),
        Plot.lineY(means, {
          x: "x",
          y: "mean",
          stroke: "series",
          strokeWidth: 1.8,
          ...(named && { strokeOpacity: 0.5 }),
        }),
        Plot.ruleX(means, { x: "x", y1: "low", y2: "high", stroke: "series", strokeWidth: 1.6 }),
        Plot.dot(seeds, { x: "x", y: "value", fill: "series", r: 2, fillOpacity: 0.45 }),
        Plot.dot(means, { x: "x", y: "mean", fill: "series", r: 4 }),
      ],
    },
    series,
  );
  return { name, title, svg };
}

/** What one run says about the plane: probability of the second class on a grid, and the labeled points. */
export interface Region {
  readonly title: string;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly columns: number;
  readonly rows: number;
  /** Row by row from the least y. */
  readonly probabilities: readonly number[];
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly label: number;
    readonly labeled: boolean;
  }[];
}

/** Decision regions, a panel a run; large dots are the labeled points. */
export function regionFigure(name: string, title: string, regions: readonly Region[]): Figure {
  const panels = regions.map(({ title: panel }) => panel);
  const cells = regions.flatMap(({ title: panel, x, y, columns, rows, probabilities }) => {
    const [width, height] = [(x[1] - x[0]) / columns, (y[1] - y[0]) / rows];
    return probabilities.map((p, i) => {
      const [left, bottom] = [x[0] + width * (i % columns), y[0] + height * Math.floor(i / columns)];
      return { panel, x1: left, x2: left + width, y1: bottom, y2: bottom + height, fill: shade(p) };
    });
  });
  const points = regions.flatMap(({ title: panel, points: all }) => all.map((point) => ({ panel, ...point })));
  const of = (labeled: boolean) => points.filter((point) => point.labeled === labeled);
  const ink = ({ label }: { label: number }) => (label === 0 ? "#0072b2" : "#d55e00");
  const svg = renderPlot({
    width: Math.max(560, 40 + 260 * regions.length),
    height: 240,
    x: { axis: null, domain: regions[0]?.x ?? [0, 1] },
    y: { axis: null, domain: regions[0]?.y ?? [0, 1] },
    fx: { domain: panels, label: null, padding: 0.05 },
    marks: [
      Plot.rect(cells, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fx: "panel", fill: "fill", inset: -0.3 }),
      Plot.dot(of(false), { x: "x", y: "y", fx: "panel", r: 1.1, fill: ink, fillOpacity: 0.5 }),
      Plot.dot(of(true), { x: "x", y: "y", fx: "panel", r: 5, fill: ink, stroke: "white", strokeWidth: 1.5 }),
      Plot.frame({ stroke: "#888" }),
    ],
  });
  return { name, title, svg };
}

/** From light blue (class 0) over white to light orange (class 1). */
function shade(p: number): string {
  const mix = (a: number, b: number, t: number) => Math.round(a + (b - a) * t);
  const [from, to, t] =
    p < 0.5
      ? ([[166, 206, 233], [255, 255, 255], 2 * p] as const)
      : ([[255, 255, 255], [246, 190, 152], 2 * p - 1] as const);
  return `rgb(${mix(from[0], to[0], t)},${mix(from[1], to[1], t)},${mix(from[2], to[2], t)})`;
}
