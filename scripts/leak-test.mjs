#!/usr/bin/env node
/**
 * Trains for a while and fails if tensors or memory pile up: `node scripts/leak-test.mjs [steps]` after `npm run setup`.
 * The number of live tensors must be exactly flat, and resident memory too, once the allocator has given back what it only keeps: how much
 * that is depends on when V8 collects garbage, so on the version of Node.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Steps after which everything that is allocated once has been. */
const WARM_UP = 0.2;
/** Growth of resident memory after the warm-up that is still taken for noise (V8's heap), MiB. */
const ALLOWED_MIB = 4;

/**
 * @param {number} steps
 * @param {(line: string) => void} say
 * @returns {Promise<string[]>} what leaks; empty if nothing does
 */
export async function leakTest(steps, say = () => {}) {
  const { flatten, liveTensors, releaseMemory, resolveConfig, train } = await import("fewlabels/internal");
  const folder = mkdtempSync(join(tmpdir(), "fewlabels-leak-"));
  const every = Math.max(1, Math.round(steps / 30));
  const given = {
    dataset: "digits",
    "dataset.train": 400,
    "dataset.test": 100,
    labels: 40,
    method: "mean-teacher",
    model: "convnet-tiny",
    batch: 50,
    threads: 1,
    steps,
    logEvery: every,
    evalEvery: 4 * every,
    checkpointEvery: 4 * every,
    out: join(folder, "run"),
  };
  /** @type {{ step: number, live: number, mib: number }[]} */
  const samples = [];
  try {
    for await (const event of train(resolveConfig(flatten(given)))) {
      if (event.type !== "step") continue;
      releaseMemory();
      const mib = process.memoryUsage.rss() / 2 ** 20;
      samples.push({ step: event.step, live: liveTensors(), mib });
      say(`step ${event.step}: ${liveTensors()} live tensors, ${mib.toFixed(1)} MiB resident`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return judge(samples.filter(({ step }) => step >= WARM_UP * steps));
}

/** @param {{ step: number, live: number, mib: number }[]} samples */
function judge(samples) {
  const leaks = [];
  const first = samples[0];
  const more = samples.find(({ live }) => first && live > first.live);
  if (first && more) leaks.push(`${first.live} live tensors at step ${first.step}, ${more.live} at step ${more.step}`);
  const half = Math.ceil(samples.length / 2);
  const median = (/** @type {typeof samples} */ part) =>
    part.map(({ mib }) => mib).sort((a, b) => a - b)[part.length >> 1] ?? 0;
  const growth = median(samples.slice(half)) - median(samples.slice(0, half));
  if (growth > ALLOWED_MIB)
    leaks.push(`resident memory grew by ${growth.toFixed(1)} MiB between the halves of the run`);
  return leaks;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const steps = Number(process.argv[2] ?? 300);
  const leaks = await leakTest(steps, (line) => console.log(line));
  for (const leak of leaks) console.error(`leak: ${leak}`);
  if (leaks.length === 0) console.log(`no leak in ${steps} steps`);
  process.exitCode = leaks.length === 0 ? 0 : 1;
}
