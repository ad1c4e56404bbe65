// One training step of a network, ours: the twin of torch_network_step.py, for networks.mjs. Prints one JSON line.
import { resourceUsage } from "node:process";
import { parseArgs } from "node:util";
import {
  createModel,
  createOptimizer,
  crossEntropy,
  findModel,
  minimize,
  normal,
  optimizerOptions,
  parseOptions,
  Rng,
  scope,
  setThreads,
  tensor,
} from "fewlabels/internal";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "32" },
    batch: { type: "string", default: "2" },
    classes: { type: "string", default: "10" },
    steps: { type: "string", default: "5" },
    warmup: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
    precision: { type: "string", default: "bf16" },
    options: { type: "string", default: "{}" },
    recompute: { type: "boolean", default: false },
  },
});
const [size, batch, classes] = [Number(values.size), Number(values.batch), Number(values.classes)];
setThreads(Number(values.threads));
const { definition, preset } = findModel(positionals[0] ?? "");
const options = parseOptions(definition.options, { ...preset, ...JSON.parse(values.options) }, definition.name);
const rng = Rng.fromSeed(1);
const precision = values.precision === "fp32" ? "fp32" : "bf16";
const net = definition.create({ channels: 3, height: size, width: size, numClasses: classes }, options);
const model = createModel(net, { rng, precision, device: "cpu", recompute: values.recompute });
const sgd = { name: "sgd", lr: 0.01, schedule: "constant", momentum: 0.9, nesterov: true, weightDecay: 1e-4 };
const steps = Number(values.warmup) + Number(values.steps);
const optimizer = createOptimizer(model.parameters, parseOptions(optimizerOptions, sgd, "optimizer"), steps);
const x = normal([batch, 3, size, size], 0, 1, rng).contiguous("channelsLast").keep();
const classNumbers = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes));
const y = tensor(classNumbers, [batch]).keep();
/** @type {number[]} */
const times = [];
/** @type {number[]} */
const cpu = [];
let loss = Number.NaN;
for (let step = 0; step < steps; step++) {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  loss = scope(() => {
    const cost = crossEntropy(model.forward(x, "train"), y);
    minimize(cost, optimizer, { step, totalSteps: steps });
    return cost.item();
  });
  times.push((performance.now() - start) / 1000);
  const { user, system } = process.cpuUsage(cpuStart);
  cpu.push((user + system) / 1e6);
  await new Promise((resolve) => void setImmediate(resolve));
}
/** @param {number[]} list */
const median = (list) => list.slice(Number(values.warmup)).sort((a, b) => a - b)[Number(values.steps) >> 1];
const parameters = model.parameters.reduce((sum, { tensor: t }) => sum + t.numel, 0);
const peakMemoryMB = resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds: median(times), cpuSeconds: median(cpu), peakMemoryMB, parameters, loss }));
