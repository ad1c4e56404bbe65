/** A summary as lines of text and as CSV. */
import { csvField } from "../labels/write-labels.js";
import type { Published } from "./definition/definition.js";
import type { Cell, Comparison, Summary } from "./summary.js";

/** `12.31 ± 0.28 (3)`: mean, standard deviation, seeds. */
export function measuredText({ measured }: Cell): string {
  if (!measured) return "-";
  const { mean, sd, n } = measured;
  return n > 1 ? `${mean.toFixed(2)} ± ${sd.toFixed(2)} (${n})` : `${mean.toFixed(2)} (1)`;
}

/** `12.31 ± 0.28 [T]`. */
export function publishedText({ mean, sd, mark }: Published): string {
  return `${mean.toFixed(2)}${sd === undefined ? "" : ` ± ${sd.toFixed(2)}`} [${mark}]`;
}

/** Rows of a table with two columns for each of the paper's: ours, and what is printed. */
export function tableRows({ rows, columns, cells, unit }: Summary): string[][] {
  const printed = columns.map(({ name }) =>
    cells.some(({ column, published }) => column === name && published.length > 0),
  );
  const head = [`${unit} in %`, ...columns.flatMap(({ label }, i) => (printed[i] ? [label, "published"] : [label]))];
  const body = rows.map(({ name, label }) => [
    label,
    ...columns.flatMap((column, i) => {
      const cell = cells.find((one) => one.row === name && one.column === column.name);
      const ours = cell ? measuredText(cell) : "-";
      return printed[i] ? [ours, cell?.published.map(publishedText).join("; ") || "-"] : [ours];
    }),
  ]);
  return [head, ...body];
}

/** One line a comparison: verdict, difference with interval, both p values. */
export function comparisonText({ claim, column, verdict, test, better, worse }: Comparison): string {
  const where = `${claim.text} (${column})`;
  if (!test || !better || !worse) return `${where}: not run`;
  const word = { seen: "seen", leaning: "seen in the mean, not beyond chance", "not seen": "not seen", "not run": "" }[
    verdict
  ];
  const p = (value: number) => (Number.isNaN(value) ? "-" : value < 0.001 ? "< 0.001" : value.toFixed(3));
  const interval = Number.isNaN(test.half95) ? "" : ` ± ${test.half95.toFixed(2)}`;
  return (
    `${where}: ${word}; errors ${better.mean.toFixed(2)} and ${worse.mean.toFixed(2)} %, ` +
    `difference ${test.difference.toFixed(2)}${interval} (95 %), p ${p(test.pT)} (t), ${p(test.pSignFlip)} (sign flip), ${test.n} seeds`
  );
}

/** A line a cell: what ran and what is printed. */
export function csvText({ rows, columns, cells, unit }: Summary): string {
  const head = [
    "row",
    "column",
    "unit",
    "mean",
    "sd",
    "half95",
    "seeds",
    "values",
    "published",
    "published_sd",
    "mark",
    "source",
  ];
  const lines = rows.flatMap(({ name, label }) =>
    columns.flatMap((column) => {
      const cell = cells.find((one) => one.row === name && one.column === column.name);
      if (!cell || (!cell.measured && cell.published.length === 0)) return [];
      const { measured: m } = cell;
      const ours = m ? [m.mean, m.sd, m.half95, m.n, m.values.join(" ")] : ["", "", "", "", ""];
      const number = (value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? "" : String(value));
      const printed = cell.published.length > 0 ? cell.published : [undefined];
      return printed.map((one) =>
        [
          label,
          column.label,
          unit,
          ...ours.map(number),
          one?.mean ?? "",
          one?.sd ?? "",
          one?.mark ?? "",
          one?.source ?? "",
        ]
          .map((field) => csvField(String(field)))
          .join(","),
      );
    }),
  );
  return `${[head.join(","), ...lines].join("\n")}\n`;
}
