// One of the processes that scaling.mjs starts: prints one JSON line. RANK, WORLD_SIZE, ... in the environment say whether it has company.
//   node bench/scaling-run.mjs steps CONFIGURATION WARMUP STEPS      the median of a training step
//   node bench/scaling-run.mjs messages                              sums over all processes, by size
import {
  closeWorld,
  flatten,
  median,
  openWorld,
  resolveConfig,
  scope,
  setThreads,
  tensor,
  train,
} from "fewlabels/internal";

const [what = "", given = "{}", warmup = "0", steps = "1"] = process.argv.slice(2);

/** Seconds of a step, their median after the warm-up. */
async function timeSteps() {
  /** @type {number[]} */
  const seconds = [];
  let precision = "";
  const wanted = Number(warmup) + Number(steps);
  // The run is stopped before its end, which would evaluate.
  const config = resolveConfig(flatten({ ...JSON.parse(given), steps: wanted + 10_000 }));
  for await (const event of train(config, { stop: () => seconds.length >= wanted })) {
    if (event.type === "start") precision = event.precision;
    if (event.type === "step") seconds.push(event.stepSeconds);
  }
  return { seconds: median(seconds.slice(Number(warmup), wanted)), precision };
}

/** A sum as training makes it, copies in and out included, after all have met. */
function timeMessages() {
  setThreads(1);
  const world = openWorld({ seconds: 60 });
  const floats = [1, 512, 4_096, 82_000, 1_000_000, 3_125_000, 25_000_000];
  const messages = floats.map((count) =>
    scope(() => {
      const t = tensor(new Float32Array(count), [count]);
      /** @type {number[]} */
      const seconds = [];
      for (let i = 0; i < (count > 5_000_000 ? 8 : 30); i++) {
        world.barrier();
        const start = performance.now();
        world.sum([t]);
        seconds.push((performance.now() - start) / 1000);
      }
      return { bytes: 4 * count, seconds: median(seconds.slice(2)), best: Math.min(...seconds) };
    }),
  );
  closeWorld({ failed: false });
  return { processes: world.size, messages };
}

try {
  console.log(JSON.stringify(what === "messages" ? timeMessages() : await timeSteps()));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
