// On paper: how long a paper's run takes in W processes, from the speed of one of them and a network. Nothing here is measured but what
// is given as --images-per-second; docs/scaling.md has the formula in words.
//   node scripts/scaling-table.mjs --run mpl-10 --images-per-second 22.8 [--network resnet-50] [--ranks 8,32,128,1024]
//     [--links 1:0.1,10:0.1,100:0.02]        Gbit/s : ms of latency
//   node scripts/scaling-table.mjs --page [--check]      writes the tables of docs/scaling.md; --check exits with 1 where they differ
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/**
 * @typedef {object} NetworkFacts
 * @property {number} classes
 * @property {number} parameters
 * @property {number} statistics   numbers in running statistics
 * @property {readonly number[]} channels   C of each layer of batch norm
 *
 * @typedef {object} Step   what a training step of the whole batch is made of
 * @property {number} rowsWithGradient   rows through a network forward and backward, of all views and networks
 * @property {number} rowsWithout        rows forward alone
 * @property {readonly Message[]} messages
 *
 * @typedef {{ what: string, kind: "sum" | "gather", bytes: number, times: number }} Message   `bytes`: of the sum, or of what all have gathered
 * @typedef {(name: string, given: Record<string, unknown>, size: { height: number, width: number }) => { parameters: number, layers: readonly { type: string, output: readonly number[] }[] }} ModelFacts   the package's; what is asked of it does not depend on the size
 * @typedef {{ gigabits: number, latency: number }} Link   of each process, both ways at once; latency in seconds
 */

/** A forward pass alone, in passes with gradient: the backward pass is two products a layer, the forward one. */
const FORWARD = 1 / 3;

/** Sums for batch norm of one pass forward and backward: 2 C + 1 doubles a layer, each way. @param {NetworkFacts} network @returns {Message[]} */
const synchronized = ({ channels }) =>
  channels.map((c) => ({ what: "batch norm", kind: "sum", bytes: 8 * (2 * c + 1), times: 2 }));

/** Those of a pass. @param {NetworkFacts} network @param {number} rows @param {number} [heads] @returns {Message} */
const logits = ({ classes }, rows, heads = 1) => ({
  what: "logits",
  kind: "gather",
  bytes: 4 * rows * classes,
  times: heads,
});

/** src/methods/mean-teacher.ts with two heads: the student's pass on all rows, the teacher's without gradient; statistics of each process. @param {NetworkFacts} network @param {number} labeled @param {number} unlabeled @returns {Step} */
export function meanTeacherStep(network, labeled, unlabeled) {
  const rows = labeled + unlabeled;
  return {
    rowsWithGradient: rows,
    rowsWithout: rows,
    messages: [
      { what: "gradients", kind: "sum", bytes: 4 * (network.parameters + 1), times: 1 },
      logits(network, rows, 2),
      logits(network, rows, 2),
      { what: "running statistics", kind: "sum", bytes: 4 * (2 * network.statistics + 1), times: 1 },
    ],
  };
}

/**
 * src/methods/meta-pseudo-labels.ts with its defaults (feedback `dot`) and --sync-batch-norm: the teacher's pass on labeled, weak and strong
 * rows, the student's on labeled and strong ones, and one on the labeled ones for gL. @param {NetworkFacts} network @param {number} labeled @param {number} unlabeled @returns {Step}
 */
export function metaPseudoLabelsStep(network, labeled, unlabeled) {
  const passes = [labeled + 2 * unlabeled, labeled + unlabeled, labeled];
  return {
    rowsWithGradient: passes.reduce((sum, rows) => sum + rows, 0),
    rowsWithout: 0,
    messages: [
      // The teacher's; the student's for gS, for its optimizer, and gL.
      { what: "gradients", kind: "sum", bytes: 4 * (network.parameters + 1), times: 4 },
      ...passes.map((rows) => logits(network, rows)),
      ...passes.flatMap(() => synchronized(network)),
    ],
  };
}

/** The papers' runs on ImageNet: experiments/papers. */
export const runs = {
  "mt-10": {
    title: "Mean Teacher, 10 % of the labels",
    network: "resnext-152",
    heads: 2,
    labeled: 200,
    unlabeled: 200,
    steps: 345_900,
    step: meanTeacherStep,
  },
  "mpl-10": {
    title: "Meta Pseudo Labels, 10 % of the labels",
    network: "resnet-50",
    heads: 1,
    labeled: 1024,
    unlabeled: 15_360,
    steps: 700_000,
    step: metaPseudoLabelsStep,
  },
  "mpl-all": {
    title: "Meta Pseudo Labels, all labels",
    network: "resnet-50",
    heads: 1,
    labeled: 4096,
    unlabeled: 32_768,
    steps: 500_000,
    step: metaPseudoLabelsStep,
  },
};

/** Seconds that a message takes in a ring of `ranks`: a sum goes around twice, a gathering once. @param {Message} message @param {number} ranks @param {Link} link */
export function messageSeconds({ kind, bytes, times }, ranks, { gigabits, latency }) {
  const rounds = (kind === "sum" ? 2 : 1) * (ranks - 1);
  return times * rounds * ((8 * bytes) / ranks / (gigabits * 1e9) + latency);
}

/** Seconds of a step in `ranks` processes, each of which takes `imagesPerSecond` rows forward and backward. @param {Step} step @param {number} ranks @param {number} imagesPerSecond @param {Link} link */
export function stepSeconds({ rowsWithGradient, rowsWithout, messages }, ranks, imagesPerSecond, link) {
  const compute = (rowsWithGradient + FORWARD * rowsWithout) / ranks / imagesPerSecond;
  return { compute, messages: messages.reduce((sum, message) => sum + messageSeconds(message, ranks, link), 0) };
}

/** @param {ReturnType<ModelFacts>} facts @param {number} classes @returns {NetworkFacts} */
export function networkFacts({ parameters, layers }, classes) {
  const channels = layers.filter(({ type }) => type.startsWith("batch norm")).map(({ output }) => output[0] ?? 0);
  return { classes, parameters, channels, statistics: 2 * channels.reduce((sum, c) => sum + c, 0) };
}

const bad = (/** @type {string} */ message) => new RangeError(`scaling-table: ${message}`);

/** @param {string | undefined} text @param {string} name */
function positive(text, name) {
  const value = Number(text);
  if (!(value > 0)) throw bad(`expected a number above 0 for ${name}, got ${text}`);
  return value;
}

/** Hours or days. @param {number} seconds */
const long = (seconds) =>
  seconds < 172_800
    ? `${(seconds / 3600).toPrecision(3)} h`
    : `${(seconds / 86_400).toFixed(seconds < 8.64e6 ? 1 : 0)} days`;

/** The table that `args` ask for. Throws RangeError that says what is wrong with them. @param {readonly string[]} args @param {ModelFacts} modelFacts */
export function table(args, modelFacts) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      run: { type: "string", default: "" },
      network: { type: "string" },
      "images-per-second": { type: "string" },
      ranks: { type: "string", default: "8,32,128,1024" },
      links: { type: "string", default: "1:0.1,10:0.1,100:0.02" },
    },
  });
  const run = Object.entries(runs).find(([name]) => name === values.run)?.[1];
  if (!run) throw bad(`expected one of ${Object.keys(runs).join(", ")} for --run, got "${values.run}"`);
  const speed = positive(values["images-per-second"], "--images-per-second");
  const links = values.links.split(",").map((text) => {
    const [gigabits, milliseconds] = text.split(":");
    return {
      gigabits: positive(gigabits, "Gbit/s in --links"),
      latency: positive(milliseconds, "ms in --links") / 1000,
    };
  });
  const { labeled, unlabeled, steps } = run;
  const step = run.step(
    networkFacts(modelFacts(values.network ?? run.network, { heads: run.heads }, { height: 64, width: 64 }), 1000),
    labeled,
    unlabeled,
  );
  const head = [
    "processes",
    "rows each",
    "computing, s",
    ...links.map(({ gigabits, latency }) => `messages, s; run: ${gigabits} Gbit/s, ${1000 * latency} ms`),
  ];
  const rows = values.ranks.split(",").map((text) => {
    const ranks = positive(text, "--ranks");
    if (labeled % ranks !== 0 || unlabeled % ranks !== 0) {
      return [`${ranks}`, `${labeled} + ${unlabeled} rows do not divide`, "-", ...links.map(() => "-")];
    }
    const each = `${labeled / ranks} + ${unlabeled / ranks}`;
    const cells = links.map((link) => {
      const { compute, messages } = stepSeconds(step, ranks, speed, link);
      return `${messages.toPrecision(2)}; ${long(steps * (compute + messages))}`;
    });
    return [
      `${ranks}`,
      each,
      stepSeconds(step, ranks, speed, links[0] ?? { gigabits: 1, latency: 0 }).compute.toPrecision(3),
      ...cells,
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** `page` with every table between `<!-- scaling ARGS -->` and `<!-- end -->` made anew. @param {string} page @param {ModelFacts} modelFacts */
export function renewedPage(page, modelFacts) {
  return page.replaceAll(
    /(<!-- scaling (.*?) -->)[\s\S]*?(?=<!-- end -->)/g,
    (_, mark, args) => `${mark}\n\n${table(args.split(/\s+/), modelFacts)}\n\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { modelFacts } = await import("fewlabels/internal");
  const args = process.argv.slice(2);
  const path = new URL("../docs/scaling.md", import.meta.url);
  try {
    if (args.includes("--page")) {
      const text = readFileSync(path, "utf8");
      const wanted = renewedPage(text, modelFacts);
      if (wanted !== text && args.includes("--check")) {
        console.log("docs/scaling.md: differs from the formula. Run node scripts/scaling-table.mjs --page");
        process.exitCode = 1;
      } else if (wanted !== text) writeFileSync(path, wanted);
    } else console.log(table(args, modelFacts));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
