/** The settings of `fewlabels demo`: what unlabeled pictures are worth, in two short runs that differ in nothing else. */
import { join } from "node:path";
import { flatten } from "../config/given.js";
import { type RunConfig, resolveConfig } from "../config/resolve.js";

/** What both runs share: everything but the method. */
const shared = {
  dataset: { name: "digits", train: 6000, test: 2000 },
  labels: 100,
  model: { name: "cnn-13", width: 0.125, dropout: 0.3, inputNoise: 0.3 },
  steps: 600,
  evalEvery: 100,
  checkpointEvery: 0,
  optimizer: { name: "adam", lr: 0.003, warmupSteps: 50 },
} as const;

/**
 * The two runs: both see 50 labeled pictures a step; Mean Teacher 50 unlabeled ones beside them. Settings from
 * docs/presets.md, in fewer steps.
 */
const runs = [
  { method: { name: "supervised", emaDecay: 0.95 }, batch: 50 },
  {
    method: {
      name: "mean-teacher",
      consistencyWeight: 10,
      classReduction: "labeled",
      rampUpSteps: 300,
      emaDecay: 0.95,
      teacherDropout: 0,
      teacherNoise: 0,
    },
    batch: 100,
    labeledBatch: 50,
  },
] as const;

/** Labels and pictures of the demo. */
export const demoFacts = { labels: shared.labels, pictures: shared.dataset.train };

export interface DemoOptions {
  readonly seed?: number | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** Folder of both runs; default `runs/demo-TIME`. */
  readonly out?: string | undefined;
}

/** Two configurations to train one after the other, each with a folder of its own below `folder`. Throws UsageError. */
export function demoRuns({ out, ...given }: DemoOptions = {}): {
  readonly folder: string;
  readonly runs: readonly RunConfig[];
} {
  const configs = runs.map((own) => resolveConfig(flatten({ ...shared, ...own, ...given })));
  const folder = out ?? configs[0]!.out.replace(/^runs\/[a-z-]+-(?=\d)/, "runs/demo-");
  return { folder, runs: configs.map((config) => ({ ...config, out: join(folder, config.method) })) };
}
