/** `fewlabels pseudo-label RUN --data DIR --out FILE.csv`: labels for unlabeled pictures, as a labels file. */
import { lineName } from "../../files/names.js";
import { type PseudoLabelResult, pseudoLabel as writeLabels } from "../../inference/pseudo-label.js";
import { boolean, number, required, text } from "../../options.js";
import { argument, defineCommand } from "../command.js";
import { count, table } from "../format.js";
import { makePlaces, print, printError } from "../output.js";
import { predictorOptions } from "../predictor-options.js";

export const pseudoLabel = defineCommand({
  name: "pseudo-label",
  summary: "labels for unlabeled pictures, as a labels file",
  description:
    "Label pictures with a trained run: CSV with file, label, confidence, which `--labels FILE` takes. Needs the run folder alone.",
  arguments: { run: argument("run folder") },
  options: {
    data: required(
      text(undefined, {
        value: "folder",
        doc: "folder with the pictures; where it has a folder `unlabeled`, only those in that",
      }),
    ),
    out: required(text(undefined, { value: "file", doc: "CSV file to write" })),
    minConfidence: number(0, {
      min: 0,
      max: 1,
      doc: "leave pictures out whose most probable class is less probable than this",
    }),
    json: boolean(false, { doc: "print the summary as one JSON line" }),
    ...predictorOptions,
  },
  examples: [
    "fewlabels pseudo-label runs/mine --data pictures --out pseudo.csv --min-confidence 0.9",
    "fewlabels train --dataset folder --data pictures --labels pseudo.csv --dataset.keepLabels",
  ],
  async run({ run, json, ...options }, { who }) {
    makePlaces(who, { out: options.out });
    const onDamaged = (file: string, reason: string) => printError(`${lineName(file)}: ${reason}`);
    const result = await writeLabels(run, { ...options, onDamaged });
    print(...(json ? [JSON.stringify(result)] : reportLines(result)));
  },
});

function reportLines({ out, files, labeled, abstained, damaged, byClass, minConfidence }: PseudoLabelResult): string[] {
  return [
    `${count(labeled)} of ${count(files)} pictures labeled in ${out}; ${count(abstained)} left out below confidence ${minConfidence}, ${count(damaged)} damaged`,
    ...table([["class", "labels"], ...Object.entries(byClass).map(([name, n]) => [name, count(n)])]),
  ];
}
