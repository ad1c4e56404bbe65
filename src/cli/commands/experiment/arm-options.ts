/** Options of a run as `experiment` and `experiment tune` take them: laid over arms that have values of their own. */
import { runOptions } from "../../../config/run-options.js";
import type { OptionSpec } from "../../../options.js";

const ofArms = Object.entries(runOptions satisfies OptionSpec as OptionSpec).map(
  ([key, option]) => [key, { ...option, default: undefined }] as const,
);

export const armOptions: OptionSpec = {
  ...Object.fromEntries(ofArms),
  dataset: { ...runOptions.dataset, doc: "data set in place of the arms' own, see `fewlabels list datasets`" },
  data: { ...runOptions.data, doc: "folder that holds the data sets' folders (default: FEWLABELS_DATA)" },
  labels: { ...runOptions.labels, doc: "how many labels: a number, a labels file, or `all`" },
};
export const armHeading = "Run, laid over every arm (what is not given is as the arm has it):";

/** An experiment has seeds and a folder of its own, and each of its runs one process. */
export const notOfArms = ["out", "resume", "seed", "labelSeed", "syncBatchNorm", "worldTimeout"];
