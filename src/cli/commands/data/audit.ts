/** `fewlabels data audit DIR`: what is probably wrong with labels and pictures. */

import { resolve } from "node:path";
import { refuseIdle } from "../../../errors.js";
import { lineName } from "../../../files/names.js";
import { writeWhole } from "../../../files/write-whole.js";
import { type AuditReport, auditFolder, type Finding, PROBLEMS, type Problem } from "../../../inference/audit/audit.js";
import { pictureSheet, type SheetPart } from "../../../inference/picture-sheet.js";
import { spreadsheetField } from "../../../labels/write-labels.js";
import { boolean, integer, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count, percent, table } from "../../format.js";
import { makePlaces, print, printError } from "../../output.js";
import { deviceOption, threadsOption } from "../../predictor-options.js";

export const dataAudit = defineCommand({
  name: "data audit",
  summary: "likely label errors, copies, outliers, test pictures in training",
  description:
    "Look for labels that are probably wrong (by classifiers that have not seen the picture), pictures that are there twice, also across training and test, and pictures like no other. Changes nothing.",
  arguments: { dir: argument("folder of pictures, as `train --dataset folder --data DIR` takes it") },
  options: {
    features: text(undefined, {
      value: "source",
      doc: "run folder, or the name or file of weights, by whose features pictures are compared (default: simple features of the pixels)",
    }),
    labels: text(undefined, { value: "file", doc: "labels file, for pictures that are in no class folders" }),
    out: text(undefined, {
      value: "file",
      doc: "CSV file to write: problem, part, file, label, suggested, other, score",
    }),
    sheet: text(undefined, { value: "file", doc: "HTML file to write: the pictures of each problem, in one file" }),
    folds: integer(5, {
      min: 2,
      max: 20,
      doc: "parts the pictures are judged in, each by a classifier fitted to the others",
    }),
    seed: integer(1, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of the folds" }),
    size: integer(undefined, {
      min: 8,
      max: 2048,
      doc: "side of the pictures in pixels, of weights alone (default: their own)",
    }),
    cache: boolean(true, { doc: "keep features in the cache folder, and take what is there" }),
    device: deviceOption("the run's, or auto"),
    threads: threadsOption("the run's, or all"),
    json: boolean(false, { doc: "print the whole report as one JSON line" }),
  },
  examples: [
    "fewlabels data audit photos --features resnet-18.tv1 --out audit.csv --sheet audit.html",
    "fewlabels data audit photos --labels labels.csv",
  ],
  async run({ dir, features, labels, out, sheet, cache, json, ...options }, { who }) {
    const { size, device } = options;
    if (features === undefined)
      refuseIdle(who, { size, device, "no-cache": cache ? undefined : true }, "needs --features, a run or weights");
    makePlaces(who, { out, sheet });
    let told = performance.now();
    const report = await auditFolder(resolve(dir), {
      ...options,
      source: features,
      labelsFile: labels,
      ...(cache ? {} : { cache: null }),
      onNote: (line) => printError(`${who}: ${line}`),
      onProgress(done, total) {
        if (performance.now() - told < 5000) return;
        told = performance.now();
        printError(`${count(done)} of ${count(total)} pictures`);
      },
    });
    for (const { file, reason } of report.damaged) printError(`${lineName(file)}: left out: ${reason}`);
    if (out !== undefined) writeWhole(out, csvOf(report.findings));
    if (sheet !== undefined) writeWhole(sheet, await pictureSheet(`Audit of ${dir}`, sheetParts(report)));
    if (json) return print(JSON.stringify(report));
    print(...linesOf(report, dir));
    const written = [out, sheet].filter((file) => file !== undefined);
    print(
      "",
      written.length > 0
        ? `all of it is in ${written.join(" and ")}`
        : "--out FILE.csv lists all of it, --sheet FILE.html shows the pictures",
    );
  },
});

const titles: Readonly<Record<Problem, string>> = {
  label: "label probably wrong",
  "copy-in-test": "to train on, and also in the test",
  "near-copy-in-test": "to train on, and nearly the same in the test",
  copy: "the same file again",
  "near-copy": "nearly the same picture again",
  outlier: "like no other picture",
};
/** Findings of a problem on the screen. */
const shown = 5;

function csvOf(findings: readonly Finding[]): string {
  const rows = findings.map(({ problem, part, file, label, suggested = "", other, score }) =>
    [problem, part, file, label, suggested, other?.file ?? "", score.toFixed(4)].map(spreadsheetField).join(","),
  );
  return `${["problem,part,file,label,suggested,other,score", ...rows].join("\n")}\n`;
}

function linesOf(report: AuditReport, dir: string): string[] {
  const { train, unlabeled, test, labels, findings, remarks } = report;
  const of = (problem: Problem) => findings.filter((one) => one.problem === problem);
  return [
    `${dir}: ${count(train)} labeled, ${count(unlabeled)} unlabeled, ${count(test)} test pictures`,
    ...basis(report),
    ...remarks.map((remark) => `note: ${lineName(remark)}`),
    "",
    ...table([
      ["", "pictures"],
      ...PROBLEMS.map((problem) => [titles[problem], labels || problem !== "label" ? count(of(problem).length) : "-"]),
    ]),
    ...PROBLEMS.flatMap((problem) => {
      const all = of(problem);
      if (all.length === 0) return [];
      const rest = all.length > shown ? [`  ... and ${count(all.length - shown)} more`] : [];
      return ["", `${titles[problem]}:`, ...all.slice(0, shown).map((one) => `  ${lineName(worded(one))}`), ...rest];
    }),
  ];
}

/** What the findings rest on, said plainly. */
function basis({ features, labels }: AuditReport): string[] {
  const plain = features.from === "pixels";
  const from = plain
    ? `compared by ${features.size} simple numbers of the pixels, without a trained network; --features WEIGHTS knows far better what a picture shows`
    : `compared by ${features.size} features of ${features.from}; where that is a run that was trained on these labels, it has learned some of their errors too`;
  if (!labels) return [from];
  return [
    from,
    `unseen, ${percent(labels.disagreement)} of ${count(labels.judged)} labels are not the likeliest class: wrong labels and errors of the classifier together; ` +
      `estimated share of wrong labels: ${percent(labels.estimatedWrong)}${labels.disagreement > 30 ? ", too high where the classifier is as weak as here; look at the list from its top" : ""}`,
  ];
}

function worded({ file, label, suggested, other, score }: Finding): string {
  const named = label === "" ? file : `${file} (${label})`;
  if (suggested !== undefined) return `${file}: labeled ${label}, looks like ${suggested} (${score.toFixed(2)})`;
  if (other)
    return `${named} = ${other.file}${other.label === "" ? "" : ` (${other.label})`}${score < 0.99999 ? ` (${score.toFixed(3)})` : ""}`;
  return `${named} (${score.toFixed(2)})`;
}

function sheetParts({ findings }: AuditReport): SheetPart[] {
  return PROBLEMS.flatMap((problem) => {
    const groups = findings
      .filter((one) => one.problem === problem)
      .map(({ path, file, label, suggested, other, score }) => [
        {
          path,
          lines: [
            file,
            ...(label ? [label] : []),
            ...(suggested === undefined ? [] : [`looks like ${suggested}`]),
            score.toFixed(3),
          ],
        },
        ...(other ? [{ path: other.path, lines: [other.file, ...(other.label ? [other.label] : [])] }] : []),
      ]);
    return groups.length === 0 ? [] : [{ title: titles[problem], lines: [], groups }];
  });
}
