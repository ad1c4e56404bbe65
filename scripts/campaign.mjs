// Attacks: kills runs at random moments and resumes them, gives parsers damaged inputs, and trains for long.
//   node scripts/campaign.mjs kill [--times 200] [--seed 1]        kill -9, resume, compare the last checkpoint bit for bit
//   node scripts/campaign.mjs experiment [--times 10]              kill -9 a whole experiment, go on, compare its table
//   node scripts/campaign.mjs mutate [--times 10000] [--only NAME] damaged inputs for each parser
//   node scripts/campaign.mjs memory [--minutes 180]               a run whose resident memory is to stay flat
// Each appends what it found to --out (default bench/results/campaign.json) and exits with 1 where something is wrong.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { median, Rng } from "fewlabels/internal";
import { parsers } from "./campaign/parsers.mjs";

const binary = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: "string" },
    minutes: { type: "string", default: "180" },
    only: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: fileURLToPath(new URL("../bench/results/campaign.json", import.meta.url)) },
  },
});
const scratch = mkdtempSync(join(tmpdir(), "campaign-"));
const rng = Rng.fromSeed(Number(values.seed));
/** @param {number} limit */
const below = (limit) => Math.floor(rng.float() * limit);

/** @param {string[]} args @param {number} [killAfterMs] @returns {Promise<{ code: number | null, err: string }>} */
function fewlabels(args, killAfterMs) {
  const child = spawn(process.execPath, [binary, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let err = "";
  child.stderr.on("data", (text) => {
    err += text;
  });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  return new Promise((resolve) =>
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, err });
    }),
  );
}

/** Everything of the last checkpoint and the errors of the result, as text; times are left out. @param {string} run */
function stateOf(run) {
  const folder = join(run, "checkpoints");
  const last =
    readdirSync(folder)
      .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)))
      .at(-1) ?? "";
  const files = readdirSync(join(folder, last))
    .sort()
    .map((name) => {
      const bytes = readFileSync(join(folder, last, name));
      if (name !== "state.json") return bytes.toString("base64");
      const { extra: _, ...state } = JSON.parse(bytes.toString("utf8"));
      return JSON.stringify(state);
    });
  const { test } = JSON.parse(readFileSync(join(run, "result.json"), "utf8"));
  return JSON.stringify([last, files, test]);
}

async function kill() {
  const times = Number(values.times ?? 200);
  const digits =
    "--dataset digits --dataset.train 120 --dataset.test 60 --labels 20 --model convnet-tiny --model.width 0.25".split(
      " ",
    );
  const pictures = await picturesAsFolderAndShards();
  const common =
    "--batch 12 --labeled-batch 4 --steps 24 --threads 1 --precision fp32 --eval-every 6 --checkpoint-every 3".split(
      " ",
    );
  const tiny = "--model convnet-tiny --model.width 0.25".split(" ");
  /** @type {[string, string[]][]} */
  const cases = [
    ["mean-teacher", [...digits, "--method", "mean-teacher"]],
    ["fixmatch with CTAugment", [...digits, "--method", "fixmatch", "--strong", "ctaugment"]],
    ["self-training (stages)", [...digits, "--method", "self-training"]],
    ["temporal-ensembling", [...digits, "--method", "temporal-ensembling"]],
    ["meta-pseudo-labels (phases)", [...digits, "--method", "meta-pseudo-labels", "--method.finetuneSteps", "8"]],
    [
      "supervised, cnn-13 weight norm",
      [
        ...digits.slice(0, -4),
        "--model",
        "cnn-13",
        "--model.width",
        "0.125",
        "--model.norm",
        "weight",
        "--method",
        "supervised",
      ],
    ],
    [
      "uda, wide-resnet, Adam",
      [
        ...digits.slice(0, -4),
        "--model",
        "wide-resnet",
        "--model.depth",
        "10",
        "--model.width",
        "1",
        "--method",
        "uda",
        "--optimizer.name",
        "adam",
      ],
    ],
    [
      "folder of pictures, best on validation",
      [
        "--dataset",
        "folder",
        "--data",
        pictures.folder,
        "--dataset.size",
        "16",
        "--val",
        "6",
        "--save-best",
        "val",
        ...tiny,
        "--method",
        "fixmatch",
      ],
    ],
    [
      "shards",
      [
        "--dataset",
        "shards",
        "--data",
        pictures.labeled,
        "--unlabeled",
        pictures.pool,
        "--dataset.testShards",
        pictures.test,
        "--dataset.size",
        "16",
        ...tiny,
        "--method",
        "mean-teacher",
      ],
    ],
  ];
  /** @type {Map<string, { state: string, seconds: number }>} */
  const whole = new Map();
  /** @type {Record<string, { kills: number, differ: number, failed: string[] }>} */
  const found = {};
  for (let k = 0; k < times; k++) {
    const [name, args] = cases[k % cases.length] ?? ["", []];
    const out = join(scratch, `run-${k}`);
    if (!whole.has(name)) {
      const begun = performance.now();
      const { code, err } = await fewlabels(["train", ...args, ...common, "--out", out]);
      if (code !== 0) throw new Error(`${name}: ${err}`);
      whole.set(name, { state: stateOf(out), seconds: (performance.now() - begun) / 1000 });
      rmSync(out, { recursive: true });
    }
    const { state, seconds } = whole.get(name) ?? { state: "", seconds: 0 };
    found[name] ??= { kills: 0, differ: 0, failed: [] };
    const mine = found[name];
    mine.kills += 1;
    await fewlabels(["train", ...args, ...common, "--out", out], 1000 * seconds * (0.1 + 0.9 * rng.float()));
    const again = existsSync(join(out, "result.json"))
      ? { code: 0, err: "" }
      : await fewlabels(["train", ...args, ...common, "--out", out, "--resume"]);
    if (again.code !== 0) mine.failed.push(again.err.slice(-300));
    else if (stateOf(out) !== state) mine.differ += 1;
    console.log(
      `${k + 1}/${times} ${name}: ${again.code !== 0 ? `FAILED ${again.err.slice(-200)}` : mine.differ ? "DIFFERS" : "equal"}`,
    );
    rmSync(out, { recursive: true, force: true });
    if ((k + 1) % 10 > 0 && k + 1 < times) continue;
    const wrong = Object.values(found).some(({ differ, failed }) => differ > 0 || failed.length > 0);
    record("kill", { times: k + 1, seed: Number(values.seed), found }, wrong);
  }
}

/** Whole experiments: killed until they are done, each must end with the table of one that was never killed. */
async function experiment() {
  const times = Number(values.times ?? 10);
  const file = join(scratch, "tiny.yaml");
  writeFileSync(
    file,
    `title: Tiny
paper: none
profile: as-is
settings:
  { dataset: { name: two-moons, train: 200, test: 200 }, labels: 10, batch: 20, labeledBatch: 10, steps: 300, evalEvery: 100, model: mlp-two-moons }
rows: { supervised: { method: supervised }, pi-model: { method: pi-model } }
seeds: { small: [1, 2] }
`,
  );
  /** @param {string} out */
  const args = (out) => ["experiment", file, "--out", out, "--jobs", "2", "--threads", "1", "--checkpoint-every", "50"];
  /** All but the times. @param {string} out */
  const table = (out) =>
    JSON.stringify(
      JSON.parse(readFileSync(join(out, "results.json"), "utf8")).arms.map(
        (/** @type {{ seconds: unknown }} */ { seconds: _, ...rest }) => rest,
      ),
    );
  const straight = join(scratch, "straight");
  const begun = performance.now();
  const whole = await fewlabels(args(straight));
  if (whole.code !== 0) throw new Error(whole.err);
  const ms = performance.now() - begun;
  const found = { kills: 0, experiments: 0, differ: 0, killedAtSeconds: /** @type {number[]} */ ([]) };
  while (found.kills < times) {
    const out = join(scratch, `killed-${found.experiments}`);
    let code = null;
    while (code === null && found.kills < times) {
      const after = ms * (0.05 + 0.6 * rng.float());
      ({ code } = await fewlabels(args(out), after));
      if (code !== null) break;
      found.kills += 1;
      found.killedAtSeconds.push(Number((after / 1000).toFixed(2)));
    }
    const last = await fewlabels(args(out));
    if (last.code !== 0) throw new Error(last.err);
    found.experiments += 1;
    if (table(out) !== table(straight)) found.differ += 1;
    console.log(`${found.kills}/${times} kills: ${found.differ ? "DIFFERS" : "equal"}`);
  }
  record("experiment", { times, seed: Number(values.seed), found }, found.differ > 0);
}

/** The same pictures as a folder and as shards. */
async function picturesAsFolderAndShards() {
  const folder = join(scratch, "pictures");
  const { encodeImage } = await import("fewlabels/internal");
  for (const [k, name] of ["ant", "bee", "cat"].entries()) {
    for (const part of [`train/${name}`, `test/${name}`, "unlabeled"])
      mkdirSync(join(folder, part), { recursive: true });
    for (let i = 0; i < 40; i++) {
      const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, at) => (at % 3 === k ? 180 : 40) + below(60));
      const bytes = await encodeImage(pixels, { width: 16, height: 16, channels: 3 }, "png");
      writeFileSync(
        join(folder, i < 12 ? `train/${name}` : i < 18 ? `test/${name}` : "unlabeled", `${name}-${i}.png`),
        bytes,
      );
    }
  }
  const run = promisify(execFile);
  await run(process.execPath, [binary, "data", "pack", folder, "--out", join(scratch, "packed")]);
  const shard = (/** @type {string} */ part) => join(scratch, `packed-${part}-000000.tar`);
  return { folder, labeled: shard("labeled"), pool: shard("unlabeled"), test: shard("test") };
}

/** Bytes flipped, cut, repeated, inserted, or set to what often breaks things. @param {Uint8Array} whole */
function mutated(whole) {
  let bytes = Uint8Array.from(whole);
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const [at, kind] = [below(bytes.length || 1), below(6)];
    const extremes = [0, 0xff, 0x7f, 0x80, 10, 44];
    if (kind === 0) bytes = bytes.slice(0, at);
    else if (kind === 1) bytes[at] = below(256);
    else if (kind === 2)
      bytes = Uint8Array.from([
        ...bytes.subarray(0, at),
        ...Array.from({ length: 1 + below(8) }, () => below(256)),
        ...bytes.subarray(at),
      ]);
    else if (kind === 3) bytes.fill(extremes[below(extremes.length)] ?? 0, at, at + 1 + below(9));
    else if (kind === 4) bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + below(16))]);
    else bytes = Uint8Array.from([...bytes, ...bytes.subarray(at, at + 64)]);
  }
  return bytes;
}

async function mutate() {
  const times = Number(values.times ?? 10_000);
  /** @type {Record<string, object>} */
  const found = {};
  let wrong = false;
  for (const { name, whole, parse } of await parsers(join(scratch, "parsers"))) {
    if (!name.includes(values.only)) continue;
    await parse(whole); // an undamaged input must pass
    const counts = { inputs: times, passed: 0, refused: 0, crashed: 0, mostExtraMB: 0 };
    /** @type {Set<string>} */
    const crashes = new Set();
    const begun = process.memoryUsage().rss;
    for (let k = 0; k < times; k++) {
      const bytes = mutated(whole);
      try {
        await parse(bytes);
        counts.passed += 1;
      } catch (error) {
        const { exitCode, message, stack } = /** @type {Error & { exitCode?: number }} */ (error);
        if (exitCode === 2 || exitCode === 3) counts.refused += 1;
        else {
          counts.crashed += 1;
          if (crashes.size < 5) crashes.add(`${message} ${stack?.split("\n").slice(1, 3).join(" ")}`);
        }
      }
      if (k % 100 === 0)
        counts.mostExtraMB = Math.max(counts.mostExtraMB, Math.round((process.memoryUsage().rss - begun) / 2 ** 20));
    }
    wrong ||= counts.crashed > 0;
    found[name] = { ...counts, ...(crashes.size > 0 ? { crashes: [...crashes] } : {}) };
    console.log(`${name}: ${JSON.stringify(found[name])}`);
  }
  record("mutate", { times, seed: Number(values.seed), found }, wrong);
}

async function memory() {
  const minutes = Number(values.minutes);
  const args =
    "train --dataset digits --dataset.test 200 --labels 100 --method fixmatch --model convnet-tiny --batch 16 --labeled-batch 4 --steps 100000000 --threads 1 --eval-every 100 --checkpoint-every 100".split(
      " ",
    );
  const child = spawn(process.execPath, [binary, ...args, "--out", join(scratch, "long")], { stdio: "ignore" });
  const begun = Date.now();
  /** Resident memory every 20 s, in MB. @type {number[]} */
  const samples = [];
  while (Date.now() - begun < 60_000 * minutes && child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    if (child.exitCode !== null || child.signalCode !== null) break;
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    samples.push(Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024));
  }
  const ended = child.exitCode !== null || child.signalCode !== null;
  const ran = Math.round((Date.now() - begun) / 60_000);
  child.kill("SIGINT");
  await new Promise((resolve) => (ended ? resolve(0) : child.once("close", resolve)));
  const steps = readFileSync(join(scratch, "long", "metrics.jsonl"), "utf8")
    .trim()
    .split("\n").length;
  const quarter = samples.length >> 2;
  const [secondQuarterMB, lastQuarterMB] = [
    median(samples.slice(quarter, 2 * quarter)),
    median(samples.slice(-quarter)),
  ];
  const everyMinuteMB = samples.filter((_, k) => k % 3 === 0);
  record(
    "memory",
    { minutes: ran, metricLines: steps, secondQuarterMB, lastQuarterMB, everyMinuteMB },
    ended || lastQuarterMB > secondQuarterMB + 30,
  );
}

/** @param {string} what @param {object} result @param {boolean} wrong */
function record(what, result, wrong) {
  const before = existsSync(values.out) ? JSON.parse(readFileSync(values.out, "utf8")) : {};
  writeFileSync(
    values.out,
    `${JSON.stringify({ ...before, [what]: { date: new Date().toISOString().slice(0, 10), ...result } }, null, 1)}\n`,
  );
  if (wrong) process.exitCode = 1;
}

try {
  const [what = ""] = positionals;
  const attacks = { kill, experiment, mutate, memory };
  if (!(what in attacks))
    throw new Error("usage: node scripts/campaign.mjs kill|experiment|mutate|memory [--times N] [--minutes N]");
  await attacks[/** @type {keyof typeof attacks} */ (what)]();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
