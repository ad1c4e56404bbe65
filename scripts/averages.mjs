// Student and average of every method that averages, in short runs: with the published decay and the student's statistics
// (what defaults were), with a decay that follows the length of the run, and with statistics of the average's own.
//   node scripts/averages.mjs OUT.json [--steps 200,1000] [--methods a,b] [--datasets digits,mnist] [--data MNIST_FOLDER] [--write]
// OUT.json keeps what was measured: a cell that is in it is not measured again. One thread, one run at a time. Where the average
// is only evaluated, one run measures all of them; where it teaches, there is a run with the old and one with the new defaults.
// --write puts the table into docs/averages.md.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { decayOfRun, EmaTeacher, methods, recomputeStatistics, statisticsBatches } from "fewlabels/internal";

const self = fileURLToPath(import.meta.url);
const seeds = 1;

/** As a method: the one that INNER names, with more averages of its student beside its own. */
const inner = methods.find(({ name }) => name === (process.env.INNER ?? "supervised"));
if (!inner) throw new Error(`no method ${process.env.INNER}`);
/** @type {any} */
const definition = inner;
export const method = {
  ...definition,
  name: "averages",
  /** @param {import("fewlabels").Setup} setup @param {any} options */
  create(setup, options) {
    const made = definition.create(setup, options);
    const [short, most] = [decayOfRun(setup.totalSteps), definition.name === "uda" ? 0.9999 : 0.999];
    const biasWarmup = /** @type {const} */ ("oneMinusOneOverT");
    const extra = Object.entries({
      before: { decayAfterRampup: most, biasWarmup, buffers: /** @type {const} */ ("copy") },
      longAverage: { decayAfterRampup: most, biasWarmup, buffers: /** @type {const} */ ("average") },
      longRecompute: { decayAfterRampup: most, biasWarmup, buffers: /** @type {const} */ ("recompute") },
      copy: { decayAfterRampup: short, biasWarmup, buffers: /** @type {const} */ ("copy") },
      average: { decayAfterRampup: short, biasWarmup, buffers: /** @type {const} */ ("average") },
      recompute: { decayAfterRampup: short, biasWarmup, buffers: /** @type {const} */ ("recompute") },
    }).map(([role, given]) => ({
      role,
      given,
      ema: new EmaTeacher(made.models.student, setup.buildModel(role), given),
    }));
    const models = Object.fromEntries(extra.map(({ role, ema }) => [role, ema.model]));
    return {
      ...made,
      models: { ...made.models, ...models },
      state: { ...made.state, ...models },
      /** @param {any} batch @param {import("fewlabels").Progress} now */
      step(batch, now) {
        const metrics = made.step(batch, now);
        for (const { ema, given } of extra) {
          ema.update();
          if (given.buffers !== "recompute" || now.step + 1 < now.totalSteps) continue;
          recomputeStatistics(ema.model, statisticsBatches(setup));
        }
        return metrics;
      },
    };
  },
};

const onlyEvaluated =
  "supervised pi-model temporal-ensembling pseudo-label vat mixmatch uda fixmatch flexmatch freematch softmatch adamatch";
const teaching = "mean-teacher ict self-training meta-pseudo-labels";
/** The defaults as they were. @type {Record<string, string[]>} */
const old = {
  "mean-teacher": ["--method.emaDecay", "0.999"],
  ict: ["--method.emaDecay", "0.999", "--method.emaBuffers", "copy"],
  "self-training": ["--method.emaDecay", "0.999", "--method.emaBuffers", "copy"],
  "meta-pseudo-labels": ["--method.emaDecay", "0.995", "--method.emaBuffers", "copy"],
};

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      steps: { type: "string", default: "200,1000" },
      methods: { type: "string", default: `${onlyEvaluated} ${teaching}`.replaceAll(" ", ",") },
      datasets: { type: "string", default: "digits,mnist" },
      data: { type: "string", default: "mnist" },
      write: { type: "boolean", default: false },
    },
  });
  const [out] = positionals;
  if (!out)
    throw new Error(
      "usage: node scripts/averages.mjs OUT.json [--steps ...] [--methods ...] [--datasets ...] [--data DIR] [--write]",
    );
  /** @typedef {{ dataSet: string, method: string, steps: number, errors: Record<string, number> }} Cell */
  /** @type {Cell[]} */
  const cells = existsSync(out) ? JSON.parse(readFileSync(out, "utf8")) : [];
  const bin = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
  /** @type {Record<string, string[]>} */
  const sets = {
    digits: "--dataset digits --dataset.train 2000 --dataset.test 1000 --model convnet-tiny".split(" "),
    mnist: [
      "--dataset",
      "mnist",
      "--data",
      values.data,
      ..."--dataset.train 2000 --model cnn-13 --model.width 0.125".split(" "),
    ],
  };
  /** @param {string} dataSet @param {number} steps @param {string[]} more @param {NodeJS.ProcessEnv} env */
  async function errorsOf(dataSet, steps, more, env = {}) {
    const run = mkdtempSync(join(tmpdir(), "averages-"));
    const given = [
      ...(sets[dataSet] ?? []),
      "--labels",
      "100",
      "--steps",
      String(steps),
      "--batch",
      "32",
      "--labeled-batch",
      "8",
      "--optimizer.lr",
      "0.004",
      "--optimizer.warmupSteps",
      "20",
    ];
    const quiet = ["--seed", String(seeds), "--threads", "1", "--eval-every", "0", "--checkpoint-every", "0", "--json"];
    try {
      const args = [bin, "train", ...given, ...quiet, ...more, "--out", join(run, "run")];
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        env: { ...process.env, ...env },
        maxBuffer: 1 << 26,
      });
      /** @type {{ test: Record<string, { error: number }> }} */
      const { test } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
      return Object.fromEntries(Object.entries(test).map(([role, { error }]) => [role, error]));
    } finally {
      rmSync(run, { recursive: true, force: true });
    }
  }
  for (const steps of values.steps.split(",").map(Number)) {
    for (const dataSet of values.datasets.split(",")) {
      for (const name of values.methods.split(",")) {
        if (cells.some((cell) => cell.dataSet === dataSet && cell.method === name && cell.steps === steps)) continue;
        /** @type {Record<string, number>} */
        let errors;
        if (onlyEvaluated.split(" ").includes(name))
          errors = await errorsOf(dataSet, steps, ["--method", self], { INNER: name });
        else {
          const result = name === "meta-pseudo-labels" ? "studentAverage" : "teacher";
          const [before, after] = [
            await errorsOf(dataSet, steps, ["--method", name, ...(old[name] ?? [])]),
            await errorsOf(dataSet, steps, ["--method", name]),
          ];
          const of = (/** @type {Record<string, number>} */ all, /** @type {string} */ role) => all[role] ?? Number.NaN;
          errors = {
            studentBefore: of(before, "student"),
            before: of(before, result),
            student: of(after, "student"),
            recompute: of(after, result),
          };
        }
        cells.push({ dataSet, method: name, steps, errors });
        console.log(`${dataSet} ${name} ${steps}: ${JSON.stringify(errors)}`);
        writeFileSync(out, `${JSON.stringify(cells, null, 1)}\n`);
      }
    }
  }
  const columns = ["student", "before", "longAverage", "longRecompute", "copy", "average", "recompute"];
  const lines = [
    "| steps | data set | method | student | 0.999, copied | 0.999, averaged | 0.999, measured anew | 1 - 20/steps, copied | averaged | measured anew (default) |",
    `| --- | --- | --- |${" --- |".repeat(columns.length)}`,
    ...cells
      .toSorted((a, b) => a.steps - b.steps || a.dataSet.localeCompare(b.dataSet))
      .map(({ dataSet, method: name, steps, errors }) => {
        const shown = columns.map((key) => (errors[key] === undefined ? "" : errors[key].toFixed(1)));
        if (errors.studentBefore !== undefined) shown[0] = `${errors.studentBefore.toFixed(1)} before, ${shown[0]}`;
        return `| ${steps} | ${dataSet} | ${name} | ${shown.join(" | ")} |`;
      }),
  ];
  console.log(lines.join("\n"));
  if (!values.write) return;
  const page = fileURLToPath(new URL("../docs/averages.md", import.meta.url));
  const text = readFileSync(page, "utf8");
  const [begin, end] = ["<!-- averages -->", "<!-- end averages -->"];
  writeFileSync(page, `${text.split(begin)[0]}${begin}\n\n${lines.join("\n")}\n\n${end}${text.split(end)[1]}`);
}

if (process.argv[1] === self) await main();
