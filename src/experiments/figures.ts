/** An experiment's plots, in the form of its kind. */
import {
  type CurveSeries,
  curveFigure,
  dotFigure,
  type Region,
  regionFigure,
  sensitivityFigure,
} from "../report/figures.js";
import type { Figure } from "../report/plot.js";
import type { Definition } from "./definition/definition.js";
import type { ArmResult, ExperimentResults } from "./results.js";
import type { Summary } from "./summary.js";

export function figuresOf(
  definition: Definition,
  results: ExperimentResults,
  summary: Summary,
  regions: readonly Region[] = [],
): Figure[] {
  if (results.arms.length === 0) return [];
  const { kind, title, xAxis } = definition;
  const unit = `${summary.unit} in %`;
  const curves = curvesOf(definition, results);
  if (kind === "sensitivity") {
    const settings = dotsOf(definition, summary).map((dots, i) => ({
      ...dots,
      x: definition.columns.find(({ label }) => label === dots.column)?.x,
      i,
    }));
    return [sensitivityFigure("sensitivity", title, unit, settings, xAxis), ...curves];
  }
  if (kind === "curves")
    return [...curves, dotFigure("errors", `${title}: at the end`, unit, dotsOf(definition, summary))];
  const dots = dotFigure(
    "errors",
    `${title}: mean with 95 % interval, every seed; diamonds: published`,
    unit,
    dotsOf(definition, summary),
  );
  if (kind === "regions")
    return [
      ...(regions.length > 0
        ? [regionFigure("regions", `${title}: decision regions, seed ${results.seeds[0]}`, regions)]
        : []),
      dots,
    ];
  return [dots, ...curves];
}

/** Of the rows that can be run. */
function dotsOf({ rows }: Definition, { cells, rows: shown, columns }: Summary) {
  return cells.flatMap((cell) => {
    const row = shown.find(({ name, runnable }) => name === cell.row && runnable);
    const column = columns.find(({ name }) => name === cell.column);
    if (!row || !column || (!cell.measured && cell.published.length === 0)) return [];
    const label = rows.find(({ name }) => name === cell.row)?.label ?? cell.row;
    return [
      { row: label, column: column.label, values: cell.measured?.values ?? [], published: cell.published[0]?.mean },
    ];
  });
}

/** Classification cost above, error below, as in Mean Teacher's Figure 3; none where runs were evaluated only at their end. */
function curvesOf({ rows, columns, title }: Definition, { arms }: ExperimentResults): Figure[] {
  const labels = (arm: ArmResult) => ({
    series: rows.find(({ name }) => name === arm.row)?.label ?? arm.row,
    facet: columns.find(({ name }) => name === arm.column)?.label ?? arm.column,
  });
  const errors = arms.flatMap((arm) => {
    const roles = Object.keys(arm.curves[0]?.error ?? {});
    return roles.map((role): CurveSeries => {
      const { series, facet } = labels(arm);
      const curves = arm.curves.flatMap(({ error }) => (error[role] ? [error[role]] : []));
      return {
        series: `${series}, ${role === "teacher" && arm.row !== "mean-teacher" ? "average" : role}`,
        facet,
        curves,
      };
    });
  });
  if (!errors.some(({ curves }) => curves.some(({ steps }) => steps.length > 2))) return [];
  const costs = arms.flatMap((arm): CurveSeries[] => {
    const { series, facet } = labels(arm);
    const student = arm.curves.flatMap(({ cost }) => (cost ? [cost] : []));
    const teacher = arm.curves.flatMap(({ teacherCost }) => (teacherCost ? [teacherCost] : []));
    if (teacher.length === 0) return [{ series, facet, curves: student }];
    return [
      { series: `${series}, student`, facet, curves: student },
      { series: `${series}, teacher`, facet, curves: teacher },
    ];
  });
  return [
    curveFigure("cost-curves", `${title}: classification cost of the training batches`, costs, {
      label: "classification cost",
      log: true,
    }),
    curveFigure("error-curves", `${title}: error`, errors, { label: "error in %", log: true }),
  ];
}
