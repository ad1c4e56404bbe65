/** All curves of the chosen runs, a chart a quantity. */
import { useMemo, useState } from "preact/hooks";
import type { RunRow } from "../../../../src/web/dashboard/api.js";
import { useDark } from "../../shared/use-dark.js";
import { Chart, type Line } from "./chart.js";
import { colorOf, dashOf } from "./colors.js";
import { emptyCurve } from "./curves.js";
import { useSeries } from "./use-series.js";

/** A chart, and the curves in it with the names of their lines. */
interface Plan {
  readonly title: string;
  readonly curves: readonly { readonly name: string; readonly label: string; readonly role: number }[];
}

/** Curves that are about speed stand behind those about learning. */
const last = ["learningRate", "emaDecay", "imagesPerSecond", "stepSeconds"];

/** "test.teacher.error" and "test.student.error" share a chart; so do a cost and the teacher's. */
export function plansOf(names: readonly string[]): Plan[] {
  const plans = new Map<string, { name: string; label: string; role: number }[]>();
  const put = (title: string, name: string, label: string, role: number) => {
    plans.set(title, [...(plans.get(title) ?? []), { name, label, role }]);
  };
  for (const name of names) {
    const [split = "", role = "", figure = ""] = name.split(".");
    const teachers = /^teacher([A-Z])(.*)$/.exec(name);
    const common = teachers && `${teachers[1]!.toLowerCase()}${teachers[2]}`;
    if (figure !== "")
      put(`${figure}, ${split}${/[eE]rror$/.test(figure) ? " (%)" : ""}`, name, role, role === "student" ? 1 : 0);
    else if (common && names.includes(common)) put(common, name, `${common}, teacher`, 0);
    else
      put(
        name,
        name,
        names.includes(`teacher${name[0]?.toUpperCase()}${name.slice(1)}`) ? `${name}, student` : name,
        1,
      );
  }
  const rank = (title: string) => (/^error/.test(title) ? 0 : /,/.test(title) ? 1 : last.includes(title) ? 3 : 2);
  return [...plans].map(([title, curves]) => ({ title, curves })).sort((a, b) => rank(a.title) - rank(b.title));
}

export function Charts({ rows }: { readonly rows: readonly RunRow[] }) {
  const dark = useDark();
  const [filter, setFilter] = useState("");
  const [smoothing, setSmoothing] = useState(0);
  const [logX, setLogX] = useState(false);
  const [range, setRange] = useState<readonly [number, number]>();
  const [wanted, setWanted] = useState<readonly string[]>([]);
  const { series, problem } = useSeries(rows, wanted);
  const names = [...new Set(rows.flatMap(({ id }) => series.get(id)?.names ?? []))].sort();
  const plans = plansOf(names).filter(({ title }) => title.toLowerCase().includes(filter.trim().toLowerCase()));
  const needed = plans.flatMap(({ curves }) => curves.map(({ name }) => name));
  // The first chart first: all others take a second reading of long logs.
  const first = plans[0]?.curves.map(({ name }) => name) ?? [];
  const early = first.some((name) => rows.some(({ id }) => !series.get(id)?.curves.has(name)));
  const missing = (early ? first : needed).filter((name) => !wanted.includes(name));
  if (missing.length > 0) setWanted([...wanted, ...missing]);
  const charts = useMemo(
    () =>
      plans.map(({ title, curves }) => ({
        title,
        lines: rows.flatMap(({ id }, k): Line[] =>
          curves.flatMap(({ name, label, role }) => {
            const curve = series.get(id)?.curves.get(name) ?? emptyCurve;
            if (curve.steps.length === 0) return [];
            const dash = curves.length > 1 && role === 1 ? [4, 3] : dashOf(k);
            return [{ run: id, name: label, curve, color: colorOf(k, dark), dash }];
          }),
        ),
      })),
    // Rows change with every step of a run; the lines only with what was fetched, and with which runs there are.
    [series, rows.map(({ id }) => id).join("\n"), dark, filter, names.join("\n")],
  );
  const several = charts.some(({ lines }) => new Set(lines.map(({ name }) => name)).size > 1);
  return (
    <>
      <div class="bar">
        <label>
          Filter charts
          <input
            type="search"
            value={filter}
            placeholder="error"
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
        <label>
          Smoothing
          <input
            type="range"
            min="0"
            max="100"
            value={String(sliderOf(smoothing))}
            aria-valuetext={smoothing === 0 ? "none" : `over about ${Math.round(1 / (1 - smoothing))} points`}
            onInput={(event) => setSmoothing(smoothingOf(Number(event.currentTarget.value)))}
          />
          <span class="soft">{smoothing === 0 ? "none" : `≈ ${Math.round(1 / (1 - smoothing))} points`}</span>
        </label>
        <label>
          <input type="checkbox" checked={logX} onChange={(event) => setLogX(event.currentTarget.checked)} />
          log steps
        </label>
        <StepRange range={range} onRange={setRange} />
      </div>
      {problem && (
        <p class="warning" role="alert">
          {problem}
        </p>
      )}
      <ul class="legend" aria-label="Colors of the runs">
        {rows.map(({ id }, k) => (
          <li key={id}>
            <svg width="28" height="8" aria-hidden="true">
              <line
                x1="0"
                y1="4"
                x2="28"
                y2="4"
                stroke={colorOf(k, dark)}
                stroke-width="3"
                stroke-dasharray={dashOf(k).join(" ")}
              />
            </svg>
            {id}
          </li>
        ))}
        {several && <li class="soft">dashed: the student, where a chart has both</li>}
      </ul>
      <div class="charts">
        {charts.map(
          ({ title, lines }) =>
            lines.length > 0 && (
              <Chart
                key={title}
                title={title}
                lines={lines}
                smoothing={smoothing}
                logX={logX}
                dark={dark}
                range={range}
                onRange={setRange}
              />
            ),
        )}
      </div>
    </>
  );
}

/** 0 .. 100 of the slider: the number of points averaged over grows evenly in its logarithm, to 1000. */
const smoothingOf = (slider: number) => (slider <= 0 ? 0 : 1 - 10 ** (-3 * (slider / 100)));
const sliderOf = (smoothing: number) => (smoothing <= 0 ? 0 : Math.round((-100 * Math.log10(1 - smoothing)) / 3));

/** Zoom without a mouse; dragging in a chart sets the same. */
function StepRange({
  range,
  onRange,
}: {
  readonly range: readonly [number, number] | undefined;
  readonly onRange: (range: readonly [number, number] | undefined) => void;
}) {
  const set = (side: 0 | 1, text: string) => {
    const value = Number(text);
    if (text === "" || !(value >= 0)) return;
    const next: readonly [number, number] = side === 0 ? [value, range?.[1] ?? value + 1] : [range?.[0] ?? 0, value];
    if (next[1] > next[0]) onRange(next);
  };
  return (
    <fieldset class="range">
      <legend class="hidden">Steps shown</legend>
      <label>
        steps
        <input
          type="number"
          min="0"
          value={range?.[0] ?? ""}
          placeholder="first"
          onChange={(event) => set(0, event.currentTarget.value)}
        />
      </label>
      <label>
        to
        <input
          type="number"
          min="1"
          value={range?.[1] ?? ""}
          placeholder="last"
          onChange={(event) => set(1, event.currentTarget.value)}
        />
      </label>
      <button type="button" disabled={!range} onClick={() => onRange(undefined)}>
        all steps
      </button>
    </fieldset>
  );
}
