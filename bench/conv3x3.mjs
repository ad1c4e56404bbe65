// Each 3 x 3 convolution of cnn-13 alone, by Winograd's method and by oneDNN (FEWLABELS_WINOGRAD=1 and 0), in turns, a process each: forward, gradient of
// the input, gradient of the weights, float32.
//   node bench/conv3x3.mjs [--widths 0.25,1] [--batch 100] [--threads 2] [--turns 3] [--out FILE]        on a quiet machine
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { conv2d, median, noGrad, normal, Rng, scope, setThreads } from "fewlabels/internal";

const { values } = parseArgs({
  options: {
    widths: { type: "string", default: "0.25,1" },
    batch: { type: "string", default: "100" },
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "3" },
    out: { type: "string" },
    measure: { type: "string" }, // what a process of its own does
  },
});
/** @typedef {{ from: number, to: number, side: number, padding: number }} Layer */
/** @typedef {{ forward: number, input: number, weights: number }} Times milliseconds */

/** The layers of a width that serve more than one color. @param {number} width @returns {Layer[]} */
const layersOf = (width) =>
  /** @type {const} */ ([
    [128, 128, 32, 1],
    [128, 256, 16, 1],
    [256, 256, 16, 1],
    [256, 512, 8, 0],
  ]).map(([from, to, side, padding]) => ({ from: from * width, to: to * width, side, padding }));

/** @param {Layer} layer @returns {Times} */
function measure({ from, to, side, padding }) {
  const rng = Rng.fromSeed(1);
  const x = normal([Number(values.batch), from, side, side], 0, 1, rng).contiguous("channelsLast");
  const weight = normal([to, from, 3, 3], 0, 0.05, rng);
  /** @param {() => unknown} body */
  const timed = (body) => {
    const start = performance.now();
    body();
    return performance.now() - start;
  };
  /** @param {boolean} ofInput */
  const backward = (ofInput) =>
    scope(() => {
      const [a, w] = [x.detach(), weight.detach()];
      (ofInput ? a : w).requiresGrad_();
      const y = conv2d(a, w, { padding });
      const loss = y.mul(y.detach()).sum();
      return timed(() => loss.backward());
    });
  const runs = Array.from({ length: 7 }, () => ({
    forward: scope(() => timed(() => noGrad(() => conv2d(x, weight, { padding })))),
    input: backward(true),
    weights: backward(false),
  })).slice(2);
  const of = (/** @type {keyof Times} */ kind) => median(runs.map((run) => run[kind]));
  return { forward: of("forward"), input: of("input"), weights: of("weights") };
}

if (values.measure) {
  setThreads(Number(values.threads));
  console.log(JSON.stringify(scope(() => measure(JSON.parse(values.measure ?? "")))));
} else {
  /** @param {Layer} layer @param {"0" | "1"} winograd @returns {Times} */
  const run = (layer, winograd) => {
    const args = [
      fileURLToPath(import.meta.url),
      "--measure",
      JSON.stringify(layer),
      "--batch",
      values.batch,
      "--threads",
      values.threads,
    ];
    return JSON.parse(
      execFileSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, FEWLABELS_WINOGRAD: winograd } }),
    );
  };
  const before = loadavg()[0];
  const rows = values.widths
    .split(",")
    .flatMap((width) => layersOf(Number(width)))
    .map((layer) => {
      const turns = Array.from({ length: Number(values.turns) }, () => ({
        winograd: run(layer, "1"),
        onednn: run(layer, "0"),
      }));
      const middle = (/** @type {"winograd" | "onednn"} */ way, /** @type {keyof Times} */ kind) =>
        median(turns.map((turn) => turn[way][kind]));
      const cells = /** @type {const} */ (["forward", "input", "weights"]).map((kind) => {
        const [ours, theirs] = [middle("winograd", kind), middle("onednn", kind)];
        return `${theirs.toFixed(1)} -> ${ours.toFixed(1)} (${(theirs / ours).toFixed(2)})`;
      });
      console.log(`| ${layer.from} to ${layer.to}, ${layer.side} px | ${cells.join(" | ")} |`);
      return { layer, turns };
    });
  const machine = { processor: cpus()[0]?.model, cores: cpus().length, load: { before, after: loadavg()[0] } };
  const { batch, threads } = values;
  if (values.out)
    writeFileSync(
      values.out,
      `${JSON.stringify({ date: new Date().toISOString(), machine, batch, threads, rows }, undefined, 1)}\n`,
    );
}
