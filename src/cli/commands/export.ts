/** `fewlabels export RUN --format F --out PATH`: the trained network for elsewhere. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ExportOptions, type ExportReport, exportRun, formats } from "../../export/export.js";
import { dtypes } from "../../export/onnx/shrink.js";
import { bytes } from "../../files/packed.js";
import { count, percent, quoted, table } from "../format.js";
import { print, printError } from "../output.js";

export function addExport(program: Command): void {
  program
    .command("export")
    .argument("<run>", "run folder")
    .summary("the trained network for elsewhere: ONNX, safetensors, a transformers.js folder, a web page")
    .description(
      "Write the network of a run for other programs. What is written is read back and compared with the network before it is called done.",
    )
    .addOption(new Option("--format <format>", "what to write").choices(formats).makeOptionMandatory())
    .requiredOption("--out <path>", "file (onnx) or folder to write")
    .addOption(
      new Option("--dtype <type>", "fp16: weights in half precision; int8: dynamic quantization")
        .choices(dtypes)
        .default("fp32"),
    )
    .option("--checkpoint <which>", "last, best (of --save-best val), or a step", "last")
    .option("--role <model>", "student or teacher (default: the one whose error is the method's result)")
    .option("--data <dir>", "folder with the data set's files, where it is not the one of the training run")
    .option(
      "--test-pictures <n>",
      "test pictures to compare on (default: 2000 with --dtype fp16 or int8 and with --format web, else 0)",
      atLeastZero,
    )
    .option("--sure <share>", "page: share of right answers among those it is sure of", aShare, 0.95)
    .option("--threads <n>", "CPU threads of the engine (default: the run's)", atLeastZero)
    .option("--force", "replace what is there")
    .option("--json", "print what was written as one JSON line")
    .addHelpText(
      "after",
      `
Examples:
  fewlabels export runs/mine --format onnx --out mine.onnx
  fewlabels export runs/mine --format onnx --dtype int8 --out mine-int8.onnx
  fewlabels export runs/mine --format transformers --out mine-transformers
  fewlabels export runs/mine --format web --out page && fewlabels serve page`,
    )
    .action(async (run: string, { json, ...options }: ExportOptions & { readonly json?: boolean }) => {
      const report = await exportRun(run, options);
      for (const remark of report.remarks) printError(`fewlabels export: ${remark}`);
      if (json) print(JSON.stringify(report));
      else print(...reportLines(report));
    });
}

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
      `the page is sure from ${percent(100 * threshold.threshold)} on: ${percent(100 * sure)} of the test pictures, of which ${percent(100 * rightWhenSure)} are right (at least ${percent(100 * wanted)} asked for)`,
    );
  }
  if (format === "web") lines.push(`See it: fewlabels serve ${quoted(out)}`);
  return lines;
}

function atLeastZero(raw: string): number {
  const value = Number(raw);
  if (!Number.isSafeInteger(value) || value < 0 || raw.trim() === "")
    throw new InvalidArgumentError(`Expected a whole number of at least 0, got "${raw}".`);
  return value;
}

function aShare(raw: string): number {
  const value = Number(raw);
  if (!(value > 0 && value <= 1))
    throw new InvalidArgumentError(`Expected a number above 0 and up to 1, got "${raw}".`);
  return value;
}
