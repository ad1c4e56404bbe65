/** Right by default for photos: what nobody chose follows from the weights, or from the pictures, their labels and the machine. */
import { flagOf } from "../../config/given.js";
import { type RunConfig, usualCheckpointEvery, usualEvalEvery } from "../../config/run-config.js";
import type { Group } from "../../config/run-options.js";
import { wantedBy } from "../../config/weights-wanted.js";
import type { DataSetDefinition } from "../../data/dataset.js";
import { isWhitening } from "../../images/image-set.js";
import type { MethodDefinition } from "../../methods/index.js";
import { countLabels, lookAt, type PictureFacts } from "./picture-facts.js";

/** Data sets of people's own pictures. */
const isOwnPictures = (name: string): name is "folder" | "shards" => name === "folder" || name === "shards";
/** How often a run from scratch shows each label: short runs end before they have learned labels that they see seldom. */
const VIEWS_OF_A_LABEL = 500;

interface Defaults {
  readonly config: RunConfig;
  /** One line that says what was chosen, and a warning for each contradiction. */
  readonly remarks: readonly string[];
}

/**
 * The configuration of a run on people's own pictures, where options were left open; other runs, and those that go on, stay as they
 * are. Throws DataError where the folder is none.
 */
export async function photoDefaults(
  asked: RunConfig,
  { name }: Pick<DataSetDefinition, "name">,
  method: Pick<MethodDefinition, "onFeatures">,
  device: string,
): Promise<Defaults> {
  const unchanged = { config: asked, remarks: [] };
  if (!asked.byDefault || asked.resume !== undefined || !isOwnPictures(name)) return unchanged;
  const { weights } = asked.modelOptions;
  const wanted = typeof weights === "string" ? wantedBy(weights) : undefined;
  if (wanted) {
    const labels = await countLabels(asked, name);
    const { size, crop, gray, interpolation, normalize } = wanted;
    const crops = asked.weak !== "translate" && !isWhitening(asked.normalize);
    const chosen = choose(asked, method.onFeatures === true, {
      "dataset.size": crops ? size : (crop ?? size),
      ...(gray && { "dataset.channels": "gray" }),
      ...(crops && crop !== undefined && { weak: "photo", crop }),
      ...(crops && interpolation !== "bilinear" && { interpolation }),
      normalize,
      steps: device === "cpu" ? between(150, 5 * labels, 500) : between(1000, 20 * labels, 5000),
      batch: batchOf(asked),
      labeledBatch: asked.byDefault.includes("batch") ? Math.min(asked.labeledBatch, 8) : undefined,
      "optimizer.backboneLrFactor": 0.1,
      "model.headStart": "means",
    });
    return { config: chosen.config, remarks: [...told("for these weights", chosen), ...contradictions(asked, wanted)] };
  }
  if (name !== "folder" || weights !== undefined) return unchanged;
  const facts = await lookAt(asked);
  const chosen = choose(asked, method.onFeatures === true, fromScratch(asked, facts, device));
  const what = `for pictures of about ${facts.side} pixels, ${facts.labels} labels and a ${device === "cpu" ? "CPU" : "GPU"}`;
  return { config: chosen.config, remarks: told(what, chosen) };
}

/** 32 rows; more where a given `--labeled-batch` would be more than a quarter of them, as far as the usual batch reaches. */
function batchOf({ batch, labeledBatch, sampler, byDefault = [] }: RunConfig): number {
  const given = sampler === "two-stream" && labeledBatch < batch && !byDefault.includes("labeledBatch");
  return given ? Math.max(32, Math.min(batch, 4 * labeledBatch)) : 32;
}

const between = (least: number, value: number, most: number) => Math.max(least, Math.min(most, Math.round(value)));

/**
 * On a GPU as in the papers. On a CPU what half an hour can do, as the presets do it (docs/presets.md): unlabeled pictures pay after a thousand
 * steps and more, so pictures are small, the network is narrow, and the teacher looks without noise.
 */
function fromScratch(asked: RunConfig, { side, labels }: PictureFacts, device: string): Choice {
  const { datasetOptions, modelOptions, methodOptions, model, byDefault = [] } = asked;
  const onCpu = device === "cpu";
  const whitened = isWhitening(asked.normalize); // of bytes alone crops can be made, and of few values a matrix
  const size = onCpu || side <= 48 ? 32 : side <= 80 || whitened ? 64 : 128;
  const used = byDefault.includes("dataset.size") ? size : Number(datasetOptions.size);
  const steps = onCpu
    ? Math.max(500, Math.round(between(15, 0.15 * labels, 40) * Math.min(1, 32 / used)) * 100)
    : undefined;
  const narrow = onCpu && model === "cnn-13" && modelOptions.width === 1;
  return {
    "dataset.size": size,
    weak: used > 32 && !whitened ? "photo" : undefined,
    steps,
    labeledBatch: labeledOfBatch(asked, labels, {
      steps: byDefault.includes("steps") ? (steps ?? asked.steps) : asked.steps,
      half: onCpu,
    }),
    ...(narrow && { "model.width": 0.25, "model.dropout": 0.2 }),
    ...(narrow && "teacherNoise" in methodOptions && { "method.teacherDropout": 0, "method.teacherNoise": 0 }),
  };
}

/**
 * A quarter of the batch, or half of it, but not all labels in every batch; up to three quarters, and no more than there are, where that
 * shows them too seldom.
 */
function labeledOfBatch(
  { batch, labeledBatch }: RunConfig,
  labels: number,
  { steps, half }: { readonly steps: number; readonly half: boolean },
): number | undefined {
  const seen = Math.min(labels, (VIEWS_OF_A_LABEL * labels) / steps);
  const rows = between(
    labeledBatch,
    Math.max(half ? Math.min(batch, labels) / 2 : 0, seen),
    Math.floor((3 * batch) / 4),
  );
  return rows === labeledBatch ? undefined : rows;
}

/** Values by option key, as in a flat configuration; undefined: nothing to say. */
type Choice = Readonly<Record<string, unknown>>;

/** Takes of `choice` what is open in `asked`, and says it as flags. */
function choose(asked: RunConfig, onFeatures: boolean, choice: Choice) {
  const free = new Set<string>(asked.byDefault);
  const ofSteps = ["steps", "batch", "labeledBatch", "optimizer.backboneLrFactor", "model.headStart"];
  const open = (key: string): boolean => {
    if (onFeatures && ofSteps.includes(key)) return false;
    if (key === "weak" || key === "normalize") return asked[key] === undefined;
    if (key === "crop") return asked.crop === undefined && free.has("dataset.size");
    if (key === "interpolation") return asked.interpolation === undefined && (asked.weak ?? choice.weak) === "photo";
    // Where a method reads no unlabeled rows, all rows of the batch have labels.
    if (key === "labeledBatch")
      return asked.sampler === "two-stream" && asked.labeledBatch < asked.batch && free.has(key);
    return free.has(key);
  };
  const taken = Object.entries(choice).filter(([key, value]) => value !== undefined && open(key));
  const said = taken.map(([key, value]) => `${flagOf(key)} ${value}`);
  const { steps, batch } = Object.fromEntries(taken) as { readonly steps?: number; readonly batch?: number };
  const evalEvery = steps && free.has("evalEvery") ? usualEvalEvery(steps) : undefined;
  const follows = {
    ...(evalEvery && { evalEvery }),
    ...(evalEvery && free.has("checkpointEvery") && { checkpointEvery: usualCheckpointEvery(evalEvery) }),
    ...(batch && asked.labeledBatch === asked.batch && { labeledBatch: batch }),
  };
  const config = taken.reduce((config, [key, value]) => withOption(config, key, value), { ...asked, ...follows });
  return { config, said };
}

function withOption(config: RunConfig, key: string, value: unknown): RunConfig {
  const [group, name] = key.split(".");
  if (name === undefined) return { ...config, [key]: value };
  const options = `${group as Group}Options` as const;
  return { ...config, [options]: { ...config[options], [name]: value } };
}

function told(why: string, { said }: { readonly said: readonly string[] }): string[] {
  return said.length === 0 ? [] : [`chosen ${why}: ${said.join(" ")}`];
}

/** Weights see best what they were trained on. */
function contradictions(asked: RunConfig, wanted: NonNullable<ReturnType<typeof wantedBy>>): string[] {
  const { normalize, crop, byDefault = [], datasetOptions } = asked;
  const seen = crop ?? (byDefault.includes("dataset.size") ? undefined : Number(datasetOptions.size));
  const trained = wanted.crop ?? wanted.size;
  const fits = seen === undefined || seen === trained || (crop === undefined && seen === wanted.size);
  const size = wanted.crop === undefined ? "" : ` --crop ${wanted.crop}`;
  return [
    ...(normalize === undefined || normalize === wanted.normalize
      ? []
      : [`these weights were trained with --normalize ${wanted.normalize}, and this run has ${normalize}`]),
    ...(fits
      ? []
      : [
          `these weights were trained on pictures of ${trained} pixels, and this run has ${seen}; --dataset.size ${wanted.size}${size} is theirs`,
        ]),
  ];
}
