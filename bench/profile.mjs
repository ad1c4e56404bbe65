// Where a Mean Teacher step goes: oneDNN's own timings (ONEDNN_VERBOSE) of convolutions and products by direction, against
// the step's median. What is left is batch norm, pooling, dropout, noise, casts, losses, optimizer and EMA.
//   node bench/profile.mjs [WIDTH] [STEPS]        on a quiet machine
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const [width = "0.25", steps = "30"] = process.argv.slice(2);
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const flags = [
  "--dataset",
  "digits",
  "--normalize",
  "channel",
  "--model.width",
  width,
  "--precision",
  "bf16",
  "--steps",
  steps,
];
const args = [cli, "bench", ...flags, "--warmup", "0", "--json"];
const options = {
  encoding: "utf8",
  maxBuffer: 2 ** 30,
  env: { ...process.env, ONEDNN_VERBOSE: "1", DNNL_VERBOSE: "1" },
};
const { stdout, status, stderr } = spawnSync(process.execPath, args, options);
if (status !== 0) throw new Error(stderr);

const lines = stdout.split("\n");
const result = JSON.parse(lines.findLast((line) => line.startsWith("{")));
const calls = new Map(); // kind -> problem -> milliseconds of each call
for (const line of lines) {
  const fields = line.split(",");
  if (!/^(onednn|dnnl)_verbose$/.test(fields[0]) || fields[1] !== "exec") continue;
  const kind = fields[3] === "convolution" ? `convolution ${fields[5].replace("_", " ")}` : fields[3];
  const problems = calls.get(kind) ?? calls.set(kind, new Map()).get(kind);
  const problem = `${fields[6]} ${fields.at(-2)}`;
  problems.set(problem, [...(problems.get(problem) ?? []), Number(fields.at(-1))]);
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const perStep = [...calls].map(([kind, problems]) => {
  const total = [...problems.values()].reduce((sum, times) => sum + median(times) * times.length, 0);
  return [kind, total / Number(steps)];
});
const step = result.stepSecondsMedian * 1000;
const accounted = perStep.reduce((sum, [, ms]) => sum + ms, 0);
const rows = [...perStep.toSorted((a, b) => b[1] - a[1]), ["everything else", step - accounted], ["step", step]];
console.log("| part | ms a step | share |\n| --- | --- | --- |");
for (const [name, ms] of rows) console.log(`| ${name} | ${ms.toFixed(1)} | ${((100 * ms) / step).toFixed(0)} % |`);
