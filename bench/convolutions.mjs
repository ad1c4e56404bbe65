// Each convolution of cnn-13 that is our own here (docs/setup.md), alone: ours and oneDNN's in turns, call by call, in one process; forward, gradient of the
// input, gradient of the weights. Milliseconds, medians of the calls, and the median over turns of oneDNN's time over ours.
//   node bench/convolutions.mjs [--precision bf16] [--widths 0.25,1] [--batch 100] [--threads 2] [--turns 11] [--out FILE]        on a quiet machine
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";

process.env.FEWLABELS_WINOGRAD = "1"; // read when the engine is loaded
const { autocast, callTensor, conv2d, median, noGrad, normal, Rng, scope, setThreads } = await import(
  "fewlabels/internal"
);
/** @typedef {import("fewlabels/internal").Tensor} Tensor */

const { values } = parseArgs({
  options: {
    precision: { type: "string", default: "fp32" },
    widths: { type: "string", default: "0.25,1" },
    batch: { type: "string", default: "100" },
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "11" },
    out: { type: "string" },
  },
});
const precision = /** @type {"fp32" | "bf16"} */ (values.precision);
/** @typedef {{ from: number, to: number, side: number, kernel: number, padding: number }} Layer */

/** The layers of a width that serve more than one color. @param {number} width @returns {Layer[]} */
const layersOf = (width) =>
  /** @type {const} */ ([
    [128, 128, 32, 3, 1],
    [128, 256, 16, 3, 1],
    [256, 256, 16, 3, 1],
    [256, 512, 8, 3, 0],
    [512, 256, 6, 1, 0],
    [256, 128, 6, 1, 0],
  ])
    .filter(([, , , kernel]) => kernel === 3 || precision === "bf16")
    .map(([from, to, side, kernel, padding]) => ({ from: from * width, to: to * width, side, kernel, padding }));

/** Milliseconds. @param {() => unknown} body */
function timed(body) {
  const start = performance.now();
  body();
  return performance.now() - start;
}

/** @param {Layer} layer */
function measure({ from, to, side, kernel, padding }) {
  const rng = Rng.fromSeed(1);
  const dtype = precision === "bf16" ? "bfloat16" : "float32";
  const x = normal([Number(values.batch), from, side, side], 0, 1, rng)
    .contiguous("channelsLast")
    .to(dtype);
  const weight = normal([to, from, kernel, kernel], 0, 0.05, rng).contiguous("channelsLast");
  /** @typedef {"ours" | "oneDNN"} Way */
  /** @param {Way} way @param {Tensor} a @param {Tensor} w */
  const of = (way, a, w) =>
    autocast(precision, "cpu", () =>
      way === "ours"
        ? conv2d(a, w, { padding })
        : callTensor("aten::conv2d", "", a, w, undefined, [1, 1], [padding, padding], [1, 1], 1),
    );
  /** @param {Way} way @param {boolean} ofInput */
  const backward = (way, ofInput) =>
    scope(() => {
      const [a, w] = [x.detach(), weight.detach()];
      (ofInput ? a : w).requiresGrad_();
      const y = of(way, a, w);
      const loss = y.mul(y.detach()).sum();
      return timed(() => loss.backward());
    });
  const call = (/** @type {Way} */ way) => ({
    forward: scope(() => timed(() => noGrad(() => of(way, x, weight)))),
    input: backward(way, true),
    weights: backward(way, false),
  });
  const turns = Array.from({ length: Number(values.turns) + 2 }, (_, i) =>
    i % 2 === 0 ? { ours: call("ours"), oneDNN: call("oneDNN") } : { oneDNN: call("oneDNN"), ours: call("ours") },
  );
  return turns.slice(2);
}

setThreads(Number(values.threads));
const before = loadavg()[0];
const rows = values.widths
  .split(",")
  .flatMap((width) => layersOf(Number(width)))
  .map((layer) => {
    const turns = scope(() => measure(layer));
    const cells = /** @type {const} */ (["forward", "input", "weights"]).map((kind) => {
      const [theirs, ours] = /** @type {const} */ (["oneDNN", "ours"]).map((way) =>
        median(turns.map((turn) => turn[way][kind])),
      );
      const ratio = median(turns.map((turn) => turn.oneDNN[kind] / turn.ours[kind]));
      return `${theirs?.toFixed(1)} -> ${ours?.toFixed(1)} (${ratio.toFixed(2)})`;
    });
    const window = layer.kernel === 1 ? ", 1 x 1" : "";
    console.log(`| ${layer.from} to ${layer.to}${window}, ${layer.side} px | ${cells.join(" | ")} |`);
    return { layer, turns };
  });
const machine = { processor: cpus()[0]?.model, cores: cpus().length, load: { before, after: loadavg()[0] } };
const { batch, threads } = values;
if (values.out)
  writeFileSync(
    values.out,
    `${JSON.stringify({ date: new Date().toISOString(), machine, precision, batch, threads, rows }, undefined, 1)}\n`,
  );
