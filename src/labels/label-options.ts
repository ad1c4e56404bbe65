/** What a run may say about labels: how many, which, whether some are wrong, and who is held out. */
import { choice, integer, needThat, number, type OptionsOf, path } from "../options.js";
import { labelDraws } from "./draw.js";

export const labelOptions = {
  labels: path(undefined, {
    except: /^(all|\d+)$/,
    doc: "how many labels: a number, a labels file (`file,label` or `name label`), or `all` (default: 100; all of a folder's)",
  }),
  labelDraw: choice(labelDraws, "balanced", {
    needs: [needThat("labels", "a number", (labels) => /^\d+$/.test(String(labels)), { labels: 6 })],
    doc: "which images keep their label: the same number a class, as many as the classes are large, the first ones, or any",
  }),
  imbalance: number(1, {
    min: 0.001,
    max: 1000,
    doc: "long-tailed labels: class k of K gets ratio^(-k / (K - 1)) times as many as class 0, see docs/data.md (1: off)",
  }),
  unlabeledImbalance: number(1, {
    min: 0.001,
    max: 1000,
    doc: "long-tailed unlabeled stream, by true classes, in the same way (1: off)",
  }),
  labelSeed: integer(1, {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    doc: "seed of the label draw and of the validation split",
  }),
  labelNoise: number(0, {
    min: 0,
    max: 100,
    doc: "percent of the labels of training that are drawn anew from all classes; validation and test labels stay true",
  }),
  val: integer(0, { min: 0, doc: "labeled training images held out for validation (0: none)" }),
  unlabeled: path("all", {
    except: /^(all|rest)$/,
    several: true,
    doc: "unlabeled stream: `all` training images, or the `rest` without a label; or a folder of unlabeled pictures (data set folder: in place of DIR/unlabeled; any other: after its own images, brought to their size; the stream is then `all`), or .tar shards, which are streamed and are then the whole stream",
  }),
} as const;

/** As a run has them: how many labels is settled. */
export type LabelOptions = Omit<OptionsOf<typeof labelOptions>, "labels"> & { readonly labels: string };

/** Whether `labels` names a file. */
export function isLabelsFile(labels: string): boolean {
  return !labelOptions.labels.except?.test(labels);
}

/** Whether `unlabeled` names no pictures of its own. */
export function isStream(unlabeled: string): unlabeled is "all" | "rest" {
  return unlabeled === "all" || unlabeled === "rest";
}
