/** The process that thinks about pictures: features, what to ask next, the map, what a run says. One job after the other. */
import { DataError, FewlabelsError } from "../../errors.js";
import { Rng } from "../../rng.js";
import { setThreads } from "../../torch/index.js";
import { chooseNext } from "./choose.js";
import { type Features, featuresOf } from "./features.js";
import { doubtsOf, guessesOf } from "./judge.js";
import { mapOf } from "./map.js";
import type { Answered, Job, Work } from "./messages.js";

let opened:
  | { readonly features: Features; readonly paths: readonly string[]; readonly threads: number; readonly rng: Rng }
  | undefined;
let queue: Promise<void> = Promise.resolve();
/** Where the server is gone, nobody waits. */
const reply = (answer: Answered) =>
  void process.send?.(answer, undefined, undefined, (error) => error && process.exit(0));

process.on("message", (job: Job) => {
  queue = queue.then(async () => {
    try {
      reply({ id: job.id, give: await done(job) });
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      const user = error instanceof FewlabelsError;
      reply({ id: job.id, error: user ? message : (stack ?? message), user });
    }
  });
});
process.on("disconnect", () => process.exit(0));

async function done(job: Job): Promise<Work[keyof Work]["give"]> {
  if (job.do === "open") return open(job.take);
  if (!opened) throw new Error("nothing is open");
  const { features, paths, threads, rng } = opened;
  const { values, unit, size } = features;
  switch (job.do) {
    case "choose": {
      const { labels, numClasses, count, turn } = job.take;
      return chooseNext({ features: values, unit, size, numClasses }, labels, count, rng.split(`choose:${turn}`));
    }
    case "map":
      return mapOf(unit, size);
    case "guess":
      return guessesOf(job.take.run, features, paths, threads);
    case "doubts":
      return doubtsOf(features, job.take.labels, job.take.numClasses, rng.split("doubts"));
  }
}

async function open({ paths, source, threads, seed }: Work["open"]["take"]): Promise<Work["open"]["give"]> {
  setThreads(threads);
  const rng = Rng.fromSeed(seed);
  let told = 0;
  const onProgress = (count: number) => {
    if (performance.now() - told < 300) return;
    told = performance.now();
    reply({ progress: count });
  };
  const features = await featuresOf(paths, { source, threads, onProgress }, rng);
  if (features.rows.length === 0) throw new DataError("not one of the pictures could be read");
  opened = { features, paths, threads, rng };
  return { rows: features.rows, damaged: [...features.damaged].map(([at, reason]) => ({ at, reason })) };
}
