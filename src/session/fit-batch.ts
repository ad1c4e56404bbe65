/** Small sets work by default: the rows of a batch that nobody chose follow from how many images there are. */
import { shareable, sharedRows } from "../batches/shared-batch.js";
import type { RunConfig } from "../config/resolve.js";
import { UsageError } from "../errors.js";
import type { MethodDefinition } from "../methods/index.js";
import { type Spread, world } from "../torch/index.js";
import type { PreparedData } from "./data.js";
import { shownRows } from "./shown.js";

/**
 * The configuration with a batch that the data can fill and the processes can share; only numbers that were not given are changed, and each change is a remark.
 * What was given and cannot be filled is refused where the batches are made. Throws UsageError where no label is left, or a method wants unlabeled images and
 * none is left.
 */
export function fitBatch(
  config: RunConfig,
  method: Pick<MethodDefinition, "name" | "usesUnlabeled" | "agreesOnLabeled" | "subBatches" | "onFeatures">,
  { split, pool }: Pick<PreparedData, "split" | "pool">,
  { size }: Spread = world(),
): { readonly config: RunConfig; readonly fitted: readonly string[] } {
  const { name, usesUnlabeled, agreesOnLabeled, subBatches, onFeatures = false } = method;
  const { byDefault = [], given: _, ...rest } = config;
  const [labeled, unlabeled] = [split.labeled.length, pool ? pool.count : split.unlabeled.length];
  if (labeled === 0) {
    const [what, whose] = unlabeled === 0 ? ["image", "of them"] : ["labeled image", "labels"];
    throw new UsageError(`no ${what} is left to train on: --val ${config.val} holds all ${whose} out. Hold fewer out`);
  }
  const mixed = config.sampler === "mixed";
  const learnable = pool ? pool.count : shownRows(config, method, { split, pool }).unlabeled.length;
  if (usesUnlabeled && learnable === 0 && !(mixed && agreesOnLabeled?.(config.methodOptions))) {
    const rest = config.unlabeled === "rest" ? ", and --unlabeled rest leaves those out" : "";
    throw new UsageError(
      `method ${name} learns from unlabeled images, and none is left: all ${labeled} have labels${mixed ? ", which --sampler mixed never hides" : rest}. ` +
        `Use ${mixed ? "--sampler two-stream with " : ""}--unlabeled all, keep fewer labels (--labels N), or train with --method supervised`,
    );
  }
  let { batch, labeledBatch } = rest;
  const free = (option: "batch" | "labeledBatch") => byDefault.includes(option);
  if (mixed) {
    const all = new Set([...split.labeled, ...split.unlabeled]).size;
    if (free("batch")) batch = Math.min(batch, all);
    if (!usesUnlabeled) labeledBatch = batch;
  } else if (usesUnlabeled) {
    const wanted = batch - labeledBatch;
    if (free("labeledBatch")) labeledBatch = Math.min(labeledBatch, labeled);
    if (free("batch")) batch = labeledBatch + Math.min(wanted, unlabeled);
  }
  const filled = { batch, labeledBatch };
  const groups = subBatches?.(config.methodOptions) ?? 1;
  if (size > 1 && !mixed) {
    if (usesUnlabeled) {
      const [part, whole] = [free("labeledBatch"), free("batch")];
      const rows = sharedRows([labeledBatch, batch - labeledBatch], { labeled: part, batch: whole }, size, groups);
      if (rows) [batch, labeledBatch] = [rows[0] + rows[1], rows[0]];
    } else if (free("batch")) batch = labeledBatch = shareable(batch, size);
  }
  const few = `there are only ${labeled} labeled and ${unlabeled} unlabeled images`;
  const fitted = [
    ...remarkOf(rest, filled, few),
    ...remarkOf(
      filled,
      { batch, labeledBatch },
      `${size} processes share the batch${groups > 1 ? ` and its ${groups} sub-batches` : ""}`,
    ),
  ];
  // Methods on features go over the data by themselves.
  return { config: { ...rest, batch, labeledBatch }, fitted: onFeatures ? [] : fitted };
}

type Rows = Pick<RunConfig, "batch" | "labeledBatch">;

function remarkOf(before: Rows, now: Rows, why: string): string[] {
  const changed = [
    ...(now.batch === before.batch ? [] : [`--batch ${now.batch} in place of ${before.batch}`]),
    ...(now.labeledBatch === before.labeledBatch
      ? []
      : [`--labeled-batch ${now.labeledBatch} in place of ${before.labeledBatch}`]),
  ];
  return changed.length > 0 ? [`${changed.join(" and ")}, because ${why}`] : [];
}
