/** What loaded weights ask for: the network they are of, and the pictures that it was trained on. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { FewlabelsError } from "../errors.js";
import { readWeightsFile } from "../files/torch-file.js";
import { findWeights, isWeightsFile } from "../pretrained/cache.js";
import { inOurNames } from "../pretrained/names.js";
import { recognize } from "../pretrained/recognize.js";

export interface WeightsWanted {
  /** As `--model` takes it, and the options its run had. */
  readonly model: string;
  readonly modelOptions: Readonly<Record<string, unknown>>;
  /** Side in pixels that pictures are brought to, and of the middle that the network sees, where that is less. */
  readonly size: number;
  readonly crop: number | undefined;
  /** Gray pictures; else they have colors. */
  readonly gray: boolean;
  readonly normalize: string;
  readonly interpolation: "bilinear" | "bicubic" | undefined;
}

/** What nearly all weights of known networks want. */
const usual = {
  modelOptions: {},
  size: 256,
  crop: 224,
  gray: false,
  normalize: "imagenet",
  interpolation: "bilinear",
} as const;

/** Undefined where there is no such file or name, or nothing is known of it: whoever loads it says what is wrong. */
export function wantedBy(nameOrFile: string): WeightsWanted | undefined {
  try {
    if (!isWeightsFile(nameOrFile)) {
      const official = findWeights(nameOrFile);
      if (!official) return undefined;
      const { model, resize: size, size: crop, normalize, interpolation } = official;
      return { model, modelOptions: {}, size, crop, gray: false, normalize, interpolation };
    }
    // RUN/checkpoints/step-N/ROLE.safetensors
    const own = ofRun(dirname(dirname(dirname(resolve(nameOrFile)))));
    if (own) return own;
    const found = recognize(inOurNames(readWeightsFile(nameOrFile).tensors));
    return found && { model: found.model, ...usual };
  } catch (error) {
    if (error instanceof FewlabelsError) return undefined;
    throw error;
  }
}

/** What weights say of how they are used, not what network they are of. */
const notOfTheNetwork = ["weights", "weightsRole", "freeze", "headStart", "headTemperature"];

function ofRun(run: string): WeightsWanted | undefined {
  const [configFile, recordFile] = [join(run, "config.json"), join(run, "inference.json")];
  if (!existsSync(configFile) || !existsSync(recordFile)) return undefined;
  const { model, modelOptions } = JSON.parse(readFileSync(configFile, "utf8"));
  const { decoding, evaluation, normalize } = JSON.parse(readFileSync(recordFile, "utf8"));
  if (typeof model !== "string" || typeof decoding?.size !== "number") return undefined;
  const kept = Object.entries(modelOptions ?? {}).filter(([key]) => !notOfTheNetwork.includes(key));
  const { side: crop, interpolation } = evaluation ?? {};
  const [size, gray] = [decoding.size, decoding.channels === 1];
  return { model, modelOptions: Object.fromEntries(kept), size, crop, gray, normalize, interpolation };
}
