/** Right by default for photos: what nobody chose follows from the weights, or from the pictures, their labels and the machine. */
import type { RunConfig } from "../config/resolve.js";
import { wantedBy } from "../config/weights-wanted.js";
import type { DataSetDefinition } from "../data/dataset.js";
import { scanFolder } from "../data/folder/layout.js";
import { defaultMaxMegapixels, readImages } from "../images/decode.js";
import type { MethodDefinition } from "../methods/index.js";
import { median } from "../statistics.js";

/** Data sets of people's own pictures. */
const ownPictures = ["folder", "shards"];
/** Pictures whose size is looked at. */
const SAMPLE = 64;
/** How often a run from scratch shows each label: short runs end before they have learned labels that they see seldom. */
const VIEWS_OF_A_LABEL = 500;

interface Defaults {
  readonly config: RunConfig;
  /** One line that says what was chosen, and a warning for each contradiction. */
  readonly remarks: readonly string[];
}

/** What the choices rest on. */
interface Facts {
  /** Median of the shorter side in pixels; undefined where it was not looked at. */
  readonly side?: number;
  readonly labels: number;
  readonly device: string;
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
  if (!asked.byDefault || asked.resume !== undefined || !ownPictures.includes(name)) return unchanged;
  const { weights } = asked.modelOptions;
  const wanted = typeof weights === "string" ? wantedBy(weights) : undefined;
  if (wanted) {
    const labels = countLabels(asked, name);
    const chosen = choose(asked, method.onFeatures === true, {
      size: asked.weak === "translate" ? (wanted.crop ?? wanted.size) : wanted.size,
      ...(asked.weak !== "translate" && wanted.crop !== undefined ? { crop: wanted.crop, weak: "photo" } : {}),
      ...(asked.weak !== "translate" && wanted.interpolation ? { interpolation: wanted.interpolation } : {}),
      normalize: wanted.normalize,
      backboneLrFactor: 0.1,
      headStart: "means",
      batch: 32,
      labeledBatch: asked.byDefault.includes("batch") ? Math.min(asked.labeledBatch, 8) : undefined,
      steps: device === "cpu" ? between(150, 5 * labels, 500) : between(1000, 20 * labels, 5000),
    });
    return { config: chosen.config, remarks: [...told("for these weights", chosen), ...contradictions(asked, wanted)] };
  }
  if (name !== "folder" || weights !== undefined) return unchanged;
  const facts = { ...(await lookAt(asked)), device };
  const scratch = fromScratch(asked, facts);
  const labeledBatch = labeledOfBatch(asked, facts.labels, scratch.steps);
  const chosen = choose(asked, method.onFeatures === true, { ...scratch, labeledBatch });
  const what = `for pictures of about ${facts.side} pixels, ${facts.labels} labels and a ${device === "cpu" ? "CPU" : "GPU"}`;
  return { config: chosen.config, remarks: told(what, chosen) };
}

const between = (least: number, value: number, most: number) => Math.max(least, Math.min(most, Math.round(value)));

/** On a CPU no larger than what it can do in a good half of an hour or so; on a GPU as in the papers. */
function fromScratch({ datasetOptions, byDefault = [] }: RunConfig, { side = 32, labels, device }: Facts): Choice {
  const largest = device === "cpu" ? 96 : 128;
  const size = side <= 48 ? 32 : side <= 80 ? 64 : largest;
  const used = byDefault.includes("dataset.size") ? size : Number(datasetOptions.size);
  const views = used > 32 ? { weak: "photo" } : {};
  if (device !== "cpu") return { size, ...views };
  const steps = between(1500, 15 * labels, 4000) * Math.min(1, 32 / used);
  return { size, ...views, width: 0.25, steps: Math.max(500, Math.round(steps / 100) * 100) };
}

/** A quarter of the batch; up to three quarters, and no more than there are, where that shows the labels too seldom. */
function labeledOfBatch(asked: RunConfig, labels: number, chosen: number | undefined) {
  const { batch, labeledBatch, byDefault = [] } = asked;
  const steps = byDefault.includes("steps") ? (chosen ?? asked.steps) : asked.steps;
  return between(labeledBatch, Math.min(labels, (VIEWS_OF_A_LABEL * labels) / steps), (3 * batch) / 4);
}

interface Choice {
  readonly size: number;
  readonly crop?: number;
  readonly weak?: string;
  readonly interpolation?: string;
  readonly normalize?: string;
  readonly backboneLrFactor?: number;
  readonly headStart?: string;
  readonly batch?: number;
  readonly labeledBatch?: number | undefined;
  readonly width?: number;
  readonly steps?: number;
}

/** Takes of `choice` what is open in `asked`. */
function choose(asked: RunConfig, onFeatures: boolean, choice: Choice) {
  const free = new Set<string>(asked.byDefault);
  const said: string[] = [];
  const take = <T>(key: string, option: string, value: T | undefined, open = free.has(key)): T | undefined => {
    if (value === undefined || !open) return undefined;
    said.push(`--${option} ${value}`);
    return value;
  };
  const { weak: views, crop: side, interpolation: resampling, normalize: scaling } = asked;
  const size = take("dataset.size", "dataset.size", choice.size);
  const weak = take("weak", "weak", choice.weak, views === undefined);
  const crop = take("crop", "crop", choice.crop, side === undefined && size !== undefined);
  const photo = (views ?? weak) === "photo";
  const interpolation = take(
    "",
    "interpolation",
    choice.interpolation,
    photo && resampling === undefined && choice.interpolation !== "bilinear",
  );
  const normalize = take("normalize", "normalize", choice.normalize, scaling === undefined);
  const trains = !onFeatures;
  const steps = take("steps", "steps", choice.steps, trains && free.has("steps"));
  const batch = take("batch", "batch", choice.batch, trains && free.has("batch"));
  const rows = choice.labeledBatch === asked.labeledBatch ? undefined : choice.labeledBatch;
  const mayShare = trains && asked.sampler === "two-stream" && free.has("labeledBatch");
  // Where a method reads no others, all rows have labels.
  const labeledBatch =
    asked.labeledBatch === asked.batch ? batch : take("labeledBatch", "labeled-batch", rows, mayShare);
  const usual = asked.model === "cnn-13" && asked.modelOptions.width === 1;
  const width = take("model.width", "model.width", choice.width, usual && free.has("model.width"));
  const factor = take(
    "",
    "optimizer.backbone-lr-factor",
    choice.backboneLrFactor,
    trains && free.has("optimizer.backboneLrFactor"),
  );
  const headStart = take("", "model.head-start", choice.headStart, trains && free.has("model.headStart"));
  const evalEvery = steps && free.has("evalEvery") ? Math.min(steps, Math.max(250, Math.round(steps / 10))) : undefined;
  const config = {
    ...asked,
    ...defined({ weak, crop, interpolation, normalize, steps, batch, labeledBatch, evalEvery }),
    ...(evalEvery && free.has("checkpointEvery") ? { checkpointEvery: Math.min(1000, evalEvery) } : {}),
    datasetOptions: { ...asked.datasetOptions, ...defined({ size }) },
    modelOptions: { ...asked.modelOptions, ...defined({ width, headStart }) },
    optimizerOptions: { ...asked.optimizerOptions, ...defined({ backboneLrFactor: factor }) },
  } as RunConfig;
  return { config, said };
}

const defined = (values: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

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

/** Median size of a sample, and the number of labels. */
async function lookAt(asked: RunConfig): Promise<Pick<Facts, "labels"> & { readonly side: number }> {
  const layout = layoutOf(asked);
  const { files } = layout;
  const every = Math.max(1, Math.floor(files.length / SAMPLE));
  const sides: number[] = [];
  const tiny = { size: 4, channels: 3, fit: "stretch", maxMegapixels: defaultMaxMegapixels } as const;
  await readImages(
    files.filter((_, i) => i % every === 0).map(({ path }) => path),
    tiny,
    (image) => {
      if ("dimensions" in image && image.dimensions) sides.push(Math.min(...image.dimensions));
    },
    { measure: true },
  );
  return { side: sides.length > 0 ? Math.round(median(sides)) : 32, labels: countLabels(asked, "folder", layout) };
}

function layoutOf({ data, labels, unlabeled }: RunConfig) {
  return scanFolder(data!, {
    labelsFile: /^(all|\d+)$/.test(labels) ? undefined : labels,
    unlabeledDir: unlabeled === "all" || unlabeled === "rest" ? undefined : unlabeled,
  });
}

/** About: pictures held out for tests and validation are no matter here. Of what is not a folder, as asked, or 100. */
function countLabels(asked: RunConfig, set: string, known?: ReturnType<typeof layoutOf>): number {
  if (/^\d+$/.test(asked.labels)) return Number(asked.labels);
  if (set !== "folder") return 100;
  const { files, table } = known ?? layoutOf(asked);
  return table?.rows.length ?? files.filter(({ part, label }) => part === "train" && label >= 0).length;
}
