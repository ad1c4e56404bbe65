/** `fewlabels export RUN --format F --out PATH`: the trained network for elsewhere. */
import { type ExportReport, exportRun, formats } from "../../export/export.js";
import { dtypes } from "../../export/onnx/shrink.js";
import { bytes } from "../../files/packed.js";
import { boolean, choice, integer, number, required, text } from "../../options.js";
import { argument, defineCommand } from "../command.js";
import { count, percent, quoted, table } from "../format.js";
import { makePlaces, print, printError } from "../output.js";
import { threadsOption } from "../predictor-options.js";

export const exportCommand = defineCommand({
  name: "export",
  summary: "the trained network for elsewhere: ONNX, safetensors, a transformers.js folder, a web page",
  description:
    "Write the network of a run for other programs. What is written is read back and compared with the network before it is called done.",
  arguments: { run: argument("run folder") },
  options: {
    format: required(choice(formats, undefined, { doc: "what to write" })),
    out: required(text(undefined, { value: "path", doc: "file (onnx) or folder to write" })),
    dtype: choice(dtypes, "fp32", { doc: "fp16: weights in half precision; int8: dynamic quantization" }),
    checkpoint: text("last", { value: "step", doc: "last, best (of --save-best val), or a step" }),
    role: text(undefined, {
      value: "model",
      doc: "student, teacher, or what else the method has (default: the one whose error is the method's result)",
    }),
    data: text(undefined, {
      value: "folder",
      doc: "folder with the data set's files, where it is not the one of the training run",
    }),
    labels: text(undefined, {
      value: "file",
      doc: "the run's labels file, where it does not lie where the training run had it",
    }),
    testPictures: integer(undefined, {
      min: 0,
      doc: "test pictures to compare on (default: 2000 with --dtype fp16 or int8 and with --format web, else 0)",
    }),
    sure: number(undefined, {
      min: 0.01,
      max: 1,
      doc: "page: share of right answers among those that it is sure of (default: 0.95)",
    }),
    threads: threadsOption("the run's"),
    force: boolean(false, { doc: "replace what is there" }),
    json: boolean(false, { doc: "print what was written as one JSON line" }),
  },
  examples: [
    "fewlabels export runs/mine --format onnx --out mine.onnx",
    "fewlabels export runs/mine --format onnx --dtype int8 --out mine-int8.onnx",
    "fewlabels export runs/mine --format transformers --out mine-transformers",
    "fewlabels export runs/mine --format web --out page",
  ],
  async run({ run, json, ...options }, { who }) {
    if (options.format === "onnx") makePlaces(who, { out: options.out });
    const report = await exportRun(run, options);
    for (const remark of report.remarks) printError(`${who}: ${remark}`);
    if (json) print(JSON.stringify(report));
    else print(...reportLines(report));
  },
});

function reportLines(report: ExportReport): string[] {
  const { format, out, dtype, files, seconds, checkedBy, golden, difference, test, threshold } = report;
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const lines = [`${quoted(out)}: ${format}, ${dtype}, ${bytes(total)}, ${seconds.toFixed(1)} s`];
  if (files.length > 1) lines.push(...table(files.map((file) => [`  ${file.file}`, bytes(file.bytes)])));
  if (checkedBy !== undefined && difference !== undefined && golden !== undefined) {
    lines.push(
      `checked by ${checkedBy}: logits of ${golden} pictures differ by ${difference.toExponential(1)} of the largest`,
    );
  }
  if (test) {
    const { images, error, exportedError, changed } = test;
    lines.push(
      `error on ${count(images)} test pictures: ${percent(exportedError)}, the network itself ${percent(error)}; another class for ${count(changed)} of them`,
    );
  }
  if (threshold?.sure !== undefined) {
    const { wanted, rightWhenSure = 0, sure } = threshold;
    lines.push(
      sure === 0
        ? `the page is never sure: at no confidence are ${percent(100 * wanted)} of the test pictures right (--sure asks for less)`
        : `the page is sure from ${percent(100 * threshold.threshold)} on: ${percent(100 * sure)} of the test pictures, of which ${percent(100 * rightWhenSure)} are right (at least ${percent(100 * wanted)} asked for)`,
    );
  }
  if (format === "web") lines.push(`See it: fewlabels serve ${quoted(out)}`);
  return lines;
}
