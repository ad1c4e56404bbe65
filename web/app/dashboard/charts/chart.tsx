/** One chart: curves of any number of runs, the smoothed one over the raw one. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { save } from "../../shared/save.js";
import { aligned, type Curve, smoothed } from "./curves.js";
import { csvOf, fileNameOf } from "./files.js";
import { pictureOf } from "./picture.js";

export interface Line {
  readonly run: string;
  /** "teacher", "classification" */
  readonly name: string;
  readonly curve: Curve;
  readonly color: string;
  readonly dash: readonly number[];
}

export interface ChartProps {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly smoothing: number;
  readonly logX: boolean;
  readonly dark: boolean;
  /** The steps shown; undefined for all. */
  readonly range: readonly [number, number] | undefined;
  readonly onRange: (range: readonly [number, number] | undefined) => void;
}

const HEIGHT = 240;

export function Chart({ title, lines, smoothing, logX, dark, range, onRange }: ChartProps) {
  const [logY, setLogY] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [width, setWidth] = useState(0);
  const [readout, setReadout] = useState("");
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);

  const extent = useMemo(() => range ?? extentOf(lines), [lines, range]);
  const data = useMemo(() => {
    const from = logX ? Math.max(1, extent[0]) : extent[0];
    const raw = lines.map(({ curve }) => curve);
    const means = smoothing > 0 ? raw.map((curve) => smoothed(curve, smoothing)) : [];
    const { steps, values } = aligned([...raw, ...means], from, extent[1], Math.max(100, Math.floor(width / 2)), {
      log: logX,
    });
    const positive = (value: number | null) => (value !== null && value > 0 ? value : null);
    const keep = logX ? steps.findIndex((step) => step > 0) : 0;
    const shown = values.map((column) => (logY ? column.map(positive) : column));
    return [steps, ...shown].map((column) => (keep > 0 ? column.slice(keep) : column)) as uPlot.AlignedData;
  }, [lines, extent, smoothing, logX, logY, width]);

  /** The look of the plot: a new one of these makes a new plot; data alone are put into the one there is. */
  const look = JSON.stringify([
    lines.map(({ run, name, color, dash }) => [run, name, color, dash]),
    smoothing > 0,
    logX,
    logY,
    dark,
    width,
  ]);
  useEffect(() => {
    if (width === 0) return;
    const ink = dark ? "#a3a9af" : "#5c6166";
    const grid = { stroke: dark ? "#2d3238" : "#e8e9ea", width: 1 };
    const faint = (color: string) => (smoothing > 0 ? `${color}55` : color);
    const drawn = (line: Line, color: string, dots: boolean): uPlot.Series => ({
      label: `${line.run} ${line.name}`,
      stroke: color,
      width: 1.5,
      dash: [...line.dash],
      spanGaps: true,
      points: { show: dots && line.curve.steps.length < 40, fill: color, size: 4 },
    });
    const options: uPlot.Options = {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: false, distr: logX ? 3 : 1 },
        y: { distr: logY ? 3 : 1 },
      },
      axes: [
        { stroke: ink, grid, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
        { stroke: ink, grid, size: 58, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
      ],
      series: [
        {},
        ...lines.map((line) => drawn(line, faint(line.color), smoothing === 0)),
        ...(smoothing > 0 ? lines.map((line) => drawn(line, line.color, true)) : []),
      ],
      hooks: {
        setSelect: [
          (u) => {
            const [left, right] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
            if (u.select.width > 4) onRange([Math.max(0, Math.round(left)), Math.round(right)]);
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
        setCursor: [(u) => setReadout(readoutOf(u, lines, smoothing > 0))],
      },
    };
    const made = new uPlot(options, data, box.current!);
    made.over.addEventListener("dblclick", () => onRange(undefined));
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = undefined;
    };
  }, [look]);
  useEffect(() => {
    const u = plot.current;
    if (!u) return;
    u.batch(() => {
      if (u.data !== data) u.setData(data, false);
      u.setScale("x", { min: logX ? Math.max(1, extent[0]) : extent[0], max: Math.max(extent[1], extent[0] + 1) });
    });
  }, [data, look, extent]);

  const summary = lines.map(({ run, name, curve }) => `${run} ${name} ${short(curve.values.at(-1) ?? Number.NaN)}`);
  const table = () => lines.map(({ run, name, curve }) => ({ run, name, ...curve }));
  return (
    <figure class="chart">
      <figcaption class="bar">
        <strong>{title}</strong>
        <span class="tools">
          <button type="button" aria-pressed={logY} onClick={() => setLogY(!logY)}>
            log
          </button>
          <button
            type="button"
            onClick={() =>
              plot.current &&
              void pictureOf(plot.current, title, lines, dark).then((blob) => save(`${fileNameOf(title)}.png`, blob))
            }
          >
            PNG
          </button>
          <button
            type="button"
            onClick={() => save(`${fileNameOf(title)}.csv`, new Blob([csvOf(table())], { type: "text/csv" }))}
          >
            CSV
          </button>
        </span>
      </figcaption>
      <div
        ref={box}
        class="plot"
        role="img"
        data-points={lines.reduce((sum, { curve }) => sum + curve.steps.length, 0)}
        aria-label={`${title}, last values: ${summary.slice(0, 12).join("; ")}`}
      />
      <p class="readout soft" aria-hidden="true">
        {readout}
      </p>
    </figure>
  );
}

/** Least and greatest step of all lines. */
function extentOf(lines: readonly Line[]): readonly [number, number] {
  const [first, last] = [
    lines.map(({ curve }) => curve.steps[0] ?? 0),
    lines.map(({ curve }) => curve.steps.at(-1) ?? 1),
  ];
  return lines.length === 0 ? [0, 1] : [Math.min(...first), Math.max(...last)];
}

function readoutOf(u: uPlot, lines: readonly Line[], smooth: boolean): string {
  const { idx } = u.cursor;
  if (idx === null || idx === undefined) return "";
  const at = (k: number): number | null | undefined => u.data[k]?.[idx];
  const parts = lines.flatMap(({ run, name }, k) => {
    const value = at(1 + k + (smooth ? lines.length : 0)) ?? at(1 + k);
    return value === null || value === undefined ? [] : [`${run} ${name} ${short(value)}`];
  });
  return `step ${Math.round(u.data[0][idx]!)}: ${parts.slice(0, 8).join("; ")}${parts.length > 8 ? "; ..." : ""}`;
}

/** Four digits: 1.2e-5, 0.034, 12.5, 50k. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`;
  return size > 0 && size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}
