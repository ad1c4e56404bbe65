// Draws docs/pictures/two-moons.png: what a network makes of the plane after supervised training and after Mean Teacher, with the same
// few labels.
//   node scripts/moons-picture.mjs [--seed N] [OUT.png]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noGrad, openTrainedRun, RunFolder, resolveConfig, scope, setThreads, tensor, train } from "fewlabels/internal";
import sharp from "sharp";

const at = process.argv.indexOf("--seed");
const seed = at < 0 ? 1 : Number(process.argv[at + 1]);
const out = process.argv.slice(2).find((arg) => arg.endsWith(".png")) ?? "docs/pictures/two-moons.png";

const shared = {
  dataset: "two-moons",
  "dataset.train": 500,
  "dataset.test": 500,
  "dataset.noise": 0.08,
  labels: 4,
  model: "mlp",
  "model.hidden": 64,
  "model.activation": "relu",
  "model.inputNoise": 0.1,
  batch: 60,
  steps: 800,
  evalEvery: 0,
  threads: 1,
  precision: "fp32",
  seed,
  labelSeed: seed,
  "optimizer.lr": 0.02,
  "optimizer.schedule": "constant",
  "optimizer.warmupSteps": 0,
};
const runs = [
  { title: "4 labeled points alone", method: "supervised" },
  {
    title: "with 496 unlabeled ones: Mean Teacher",
    method: "mean-teacher",
    labeledBatch: 4,
    "method.consistencyWeight": 20,
    "method.rampUpSteps": 0,
    "method.emaDecay": 0.8,
    "method.classReduction": "labeled",
  },
];

/** Points of the grid for a side of the picture, and the part of the plane that is shown. */
const [columns, rows, cell] = [90, 60, 4];
const [left, right, low, high] = [-1.9, 1.9, -1.27, 1.27];
const [width, height] = [columns * cell, rows * cell];
const x = (/** @type {number} */ value) => ((value - left) / (right - left)) * width;
const y = (/** @type {number} */ value) => ((high - value) / (high - low)) * height;

/** @param {Record<string, unknown>} settings @param {string} folder */
async function panel({ title, ...settings }, folder) {
  const config = resolveConfig(new Map(Object.entries({ ...shared, ...settings, out: folder })));
  const run = train(config);
  while (!(await run.next()).done);
  const { session } = await openTrainedRun(RunFolder.open(folder));
  const { data, method } = session;
  const model = method.models[method.predictor];
  if (!model) throw new Error("the run has no predictor");
  const grid = new Float32Array(columns * rows * 2);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = 2 * (row * columns + column);
      grid[at] = left + ((column + 0.5) / columns) * (right - left);
      grid[at + 1] = high - ((row + 0.5) / rows) * (high - low);
    }
  }
  const upper = noGrad(() =>
    scope(() =>
      model
        .forward(tensor(grid, [columns * rows, 2, 1, 1]), "eval")
        .softmax(1)
        .toArray(),
    ),
  );
  const cells = Array.from({ length: columns * rows }, (_, i) => {
    const p = Number(upper[2 * i]);
    const mix = (/** @type {number} */ a, /** @type {number} */ b) => Math.round(a * p + b * (1 - p));
    const color = `rgb(${mix(178, 250)},${mix(210, 205)},${mix(236, 170)})`;
    return `<rect x="${(i % columns) * cell}" y="${Math.floor(i / columns) * cell}" width="${cell}" height="${cell}" fill="${color}" shape-rendering="crispEdges"/>`;
  });
  const labeled = new Set(data.split.labeled);
  const pixels = data.train.pixels;
  const points = Array.from({ length: data.trainLabels.length }, (_, i) => {
    const [px, py] = [x(Number(pixels[2 * i])), y(Number(pixels[2 * i + 1]))];
    if (!labeled.has(i))
      return `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="1.4" fill="#555" opacity="0.6"/>`;
    const fill = data.trainLabels[i] === 0 ? "#0072b2" : "#d55e00";
    return `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="5.5" fill="${fill}" stroke="#fff" stroke-width="1.5"/>`;
  });
  const result = RunFolder.open(folder).result();
  data.release();
  const error = Number(result?.error);
  return { svg: [...cells, ...points.sort()].join(""), title: String(title), error };
}

setThreads(1);
const folder = mkdtempSync(join(tmpdir(), "fewlabels-moons-"));
try {
  const panels = [];
  for (const settings of runs) panels.push(await panel(settings, join(folder, settings.method)));
  const gap = 20;
  const body = panels.map(
    ({ svg, title, error }, i) =>
      `<g transform="translate(${gap + i * (width + gap)} 6)"><text x="0" y="20" font-size="15">${title}</text>` +
      `<svg y="30" width="${width}" height="${height}">${svg}</svg>` +
      `<text x="0" y="${height + 50}" font-size="14" fill="#444">test error ${error.toFixed(1)} %</text></g>`,
  );
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * width + 3 * gap}" height="${height + 68}" font-family="DejaVu Sans, sans-serif"><rect width="100%" height="100%" fill="#fff"/>${body.join("")}</svg>`;
  await sharp(Buffer.from(picture), { density: 96 }).png({ palette: true, colours: 128 }).toFile(out);
  console.log(`${out}: ${panels.map(({ title, error }) => `${title}: ${error.toFixed(2)} %`).join("; ")}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
