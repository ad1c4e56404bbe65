// Where a Mean Teacher step goes: oneDNN's own timings (ONEDNN_VERBOSE) of convolutions and products by direction, against
// the step's median. What is left is batch norm, pooling, dropout, noise, casts, losses, optimizer and EMA.
//   node bench/profile.mjs [WIDTH] [STEPS] [PRECISION]        on a quiet machine
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const [width = "0.25", steps = "30", precision = ""] = process.argv.slice(2);
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const flags = [
  "--dataset",
  "digits",
  "--normalize",
  "channel",
  "--model.width",
  width,
  ...(precision ? ["--precision", precision] : []),
  "--steps",
  steps,
];
const args = [cli, "bench", ...flags, "--warmup", "0", "--json"];
/** @type {import("node:child_process").SpawnSyncOptionsWithStringEncoding} */
const options = {
  encoding: "utf8",
  maxBuffer: 2 ** 30,
  env: { ...process.env, ONEDNN_VERBOSE: "1", DNNL_VERBOSE: "1" },
};
const { stdout, status, stderr } = spawnSync(process.execPath, args, options);
if (status !== 0) throw new Error(stderr);

const lines = stdout.split("\n");
const result = JSON.parse(lines.filter((line) => line.startsWith("{")).at(-1) ?? "{}");
/** @type {Map<string, Map<string, number[]>>} */
const calls = new Map(); // kind -> problem -> milliseconds of each call
for (const line of lines) {
  const fields = line.replace(/,v1,primitive,/, ",").split(","); // the two fields that oneDNN 3 has more
  if (!/^(onednn|dnnl)_verbose$/.test(fields[0] ?? "") || fields[1] !== "exec") continue;
  const kind = fields[3] === "convolution" ? `convolution ${fields[5]?.replace("_", " ")}` : (fields[3] ?? "");
  const problems = calls.get(kind) ?? new Map();
  calls.set(kind, problems);
  const problem = `${fields[6]} ${fields.at(-2)}`;
  problems.set(problem, [...(problems.get(problem) ?? []), Number(fields.at(-1))]);
}
/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
/** @param {Map<string, number[]>} problems */
const totalOf = (problems) => [...problems.values()].reduce((sum, times) => sum + median(times) * times.length, 0);
const perStep = [...calls].map(([kind, problems]) => /** @type {const} */ ([kind, totalOf(problems) / Number(steps)]));
const step = result.stepSecondsMedian * 1000;
const accounted = perStep.reduce((sum, [, ms]) => sum + ms, 0);
/** @type {(readonly [string, number])[]} */
const rows = [...[...perStep].sort((a, b) => b[1] - a[1]), ["everything else", step - accounted], ["step", step]];
console.log("| part | ms a step | share |\n| --- | --- | --- |");
for (const [name, ms] of rows) console.log(`| ${name} | ${ms.toFixed(1)} | ${((100 * ms) / step).toFixed(0)} % |`);
