/** `fewlabels evaluate RUN`: errors of a trained run, per class, and the confusion matrix. */
import { evaluateRun } from "../../inference/evaluate.js";
import { boolean, choice, text } from "../../options.js";
import type { RunEvaluation } from "../../run/events.js";
import { argument, defineCommand } from "../command.js";
import { count, digits, isPercentage, metricName, percent, table } from "../format.js";
import { print } from "../output.js";

export const evaluate = defineCommand({
  name: "evaluate",
  summary: "error of student and teacher, per class, confusion matrix",
  description: "Evaluate the latest checkpoint of a run: error of student and teacher, per class, confusion matrix.",
  arguments: { run: argument("run folder") },
  options: {
    split: choice(["test", "val"], "test", { doc: "which images" }),
    checkpoint: choice(["final", "best"], "final", {
      doc: "final: the latest; best: the one that --save-best val kept",
    }),
    data: text(undefined, {
      value: "folder",
      doc: "folder with the data set's files, where it is not the one of the training run",
    }),
    labels: text(undefined, {
      value: "file",
      doc: "the run's labels file, where it does not lie where the training run had it",
    }),
    json: boolean(false, {
      doc: "print details (per class, confusion) as one JSON line, then the result object as the last line",
    }),
  },
  examples: ["fewlabels evaluate runs/mine", "fewlabels evaluate runs/mine --split val --json"],
  async run({ run, json, ...options }) {
    const evaluation = await evaluateRun(run, options);
    if (json) {
      const { result, ...details } = evaluation;
      print(JSON.stringify(details), JSON.stringify(result));
    } else print(...evaluationLines(evaluation));
  },
});

/** The evaluation as lines of text. */
export function evaluationLines({
  result,
  step,
  totalSteps,
  split,
  classes,
  perClass,
  confusion,
}: RunEvaluation): string[] {
  const results = (split === "val" ? result.val : result.test) ?? {};
  const roles = Object.keys(results);
  const { predictor } = result;
  const names = Object.keys(results[predictor] ?? {}).filter((name) => name !== "n");
  const lines = [
    `${result.method}, ${result.model}, ${result.dataset} with ${count(result.labels)} labels, step ${count(step)} of ${count(totalSteps)}: ${split} set`,
    "",
    ...table([
      ["", ...names.map(metricName), "images"],
      ...roles.map((role) => {
        const figures: Readonly<Record<string, number>> = { ...results[role]! };
        const cells = names.map((name) => (isPercentage(name) ? percent : digits)(figures[name] ?? Number.NaN));
        return [role === predictor ? `${role} (the result)` : role, ...cells, count(figures.n ?? 0)];
      }),
    ]),
    "",
    ...table([
      ["error by class", ...roles, "images"],
      ...classes.map((name, k) => [
        name,
        ...roles.map((role) => percent(perClass[role]?.[k]?.error ?? Number.NaN)),
        count(perClass[predictor]?.[k]?.n ?? 0),
      ]),
    ]),
  ];
  const matrix = confusion[predictor];
  if (matrix) {
    const short = classes.map((name) => name.slice(0, 6));
    lines.push("", `confusion of the ${predictor} (rows: true class, columns: what it said)`);
    lines.push(...table([["", ...short], ...matrix.map((row, k) => [classes[k] ?? String(k), ...row.map(String)])]));
  }
  return lines;
}
