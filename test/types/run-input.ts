// A run that names what does not exist is an error of the compiler: `tsc -p tsconfig.test.json` checks these lines.
import { catalog, extend } from "../../src/config/catalog.js";
import { resolveConfig } from "../../src/config/resolve.js";
import type { RunInput } from "../../src/config/run-input.js";
import { defineDataSet } from "../../src/data/dataset.js";
import { defineMethod } from "../../src/methods/index.js";
import { number } from "../../src/options.js";
import { train } from "../../src/train/run.js";

export const good: RunInput[] = [
  { dataset: "digits" },
  { dataset: { name: "digits", train: 100 }, labels: 20, model: "wrn-28-2", method: "fixmatch", steps: 500 },
  { dataset: "two-moons", labels: "all", model: { name: "mlp", hidden: 32 }, optimizer: { lr: 0.01 } },
  { dataset: "digits", model: { name: "wrn-28-2", weights: "there.safetensors", freeze: "backbone" } },
  { dataset: "digits", method: { emaDecay: 0.9 }, model: { width: 0.5 } }, // of the defaults
  { dataset: "digits", optimizer: { name: "sgd", momentum: 0.8, schedule: "constant" }, weak: "translate" },
  { dataset: "digits", seed: undefined },
];

export const wrong: RunInput[] = [
  // @ts-expect-error no data set
  { labels: 100 },
  // @ts-expect-error unknown data set
  { dataset: "digts" },
  // @ts-expect-error unknown key
  { dataset: "digits", labls: 100 },
  // @ts-expect-error unknown option of the data set
  { dataset: { name: "digits", trian: 100 } },
  // @ts-expect-error option of another data set
  { dataset: { name: "digits", extra: "all" } },
  // @ts-expect-error unknown option of this method
  { dataset: "digits", method: { name: "mean-teacher", emaDcay: 0.9 } },
  // @ts-expect-error option of another method
  { dataset: "digits", method: { name: "fixmatch", ensembleDecay: 0.9 } },
  // @ts-expect-error wrong type
  { dataset: "digits", method: { name: "mean-teacher", emaDecay: "high" } },
  // @ts-expect-error unknown choice
  { dataset: "digits", method: { name: "uda", tsa: "linea" } },
  // @ts-expect-error unknown choice of the run
  { dataset: "digits", strong: "rand" },
  // @ts-expect-error unknown preset
  { dataset: "digits", model: "wrn-28-3" },
  // @ts-expect-error option of another network
  { dataset: "digits", model: { name: "mlp", variant: "fm" } },
  // @ts-expect-error option of another optimizer
  { dataset: "digits", optimizer: { name: "sgd", beta1: 0.9 } },
  // @ts-expect-error option of another optimizer: adam is the default
  { dataset: "digits", optimizer: { momentum: 0.9 } },
];

const dots = defineDataSet({
  name: "dots",
  summary: "",
  source: "",
  needsDir: false,
  options: { count: number(3, { doc: "" }) },
  load: () => Promise.reject(new Error("for its types alone")),
});
const idle = defineMethod({
  name: "idle",
  paper: "",
  summary: "",
  usesUnlabeled: false,
  options: { strength: number(1, { doc: "" }) },
  views: () => ({ labeled: {}, unlabeled: {} }),
  create: () => {
    throw new Error("for its types alone");
  },
});
const mine = extend(catalog, { dataSets: [dots], methods: [idle] });

/** Never called. */
export function extended(): void {
  resolveConfig({ dataset: { name: "dots", count: 4 }, method: { name: "idle", strength: 2 } }, mine);
  resolveConfig({ dataset: "digits", method: "fixmatch" }, mine);
  train({ dataset: "dots" }, { catalog: mine });
  // @ts-expect-error unknown option of a data set of one's own
  resolveConfig({ dataset: { name: "dots", cuont: 4 } }, mine);
  // @ts-expect-error unknown to the package's own catalog
  resolveConfig({ dataset: "dots" });
  // @ts-expect-error the same
  train({ dataset: "dots" });
}
