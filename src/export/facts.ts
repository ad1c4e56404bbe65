/** What every export says about itself: classes, input, preprocessing, and the run it comes from. */
import type { Source } from "./source.js";

export interface ExportFacts {
  readonly format: 1;
  readonly classes: readonly string[];
  /** `[batch, channels, height, width]` float32: 0..255, or as the data set has them where those are real numbers. */
  readonly input: { readonly channels: number; readonly height: number; readonly width: number };
  /** What has to be done to a picture before; normalization is part of the network. Undefined where the images are no pictures. */
  readonly picture?: {
    readonly size: number;
    readonly fit: "crop" | "pad" | "stretch";
    readonly channels: 1 | 3;
    readonly resample: "lanczos3";
  };
  readonly normalize: string;
  readonly run: {
    readonly method: string;
    readonly model: string;
    readonly dataset: string;
    readonly labels: number | string;
    readonly labelSeed: number;
    readonly steps: number;
    readonly step: number;
    readonly role: string;
    readonly seed: number;
    /** Test error in percent of the weights after the last step; absent while the run is not done. */
    readonly error?: number;
    readonly dataFingerprint: unknown;
    readonly fewlabels: string;
  };
}

export function factsOf({ config, record, result, role, step, picture, decoding }: Source): ExportFacts {
  const { method, model, dataset, labels, labelSeed, steps, seed } = config;
  const error = result?.test[role]?.error;
  return {
    format: 1,
    classes: record.classes,
    input: picture,
    ...(decoding
      ? { picture: { size: decoding.size, fit: decoding.fit, channels: decoding.channels, resample: "lanczos3" } }
      : {}),
    normalize: record.normalize,
    run: {
      method,
      model,
      dataset,
      labels: result?.labels ?? labels,
      labelSeed,
      steps,
      step,
      role,
      seed,
      ...(error !== undefined && step === result?.steps ? { error } : {}),
      dataFingerprint: config.dataFingerprint,
      fewlabels: config.versions.fewlabels ?? "unknown",
    },
  };
}

/** What the metadata say of inputs that are no bytes. */
const AS_THEY_ARE = "as the data set has them";

/** Whether a file's network takes real numbers, by its metadata. */
export function takesReals({ input }: Readonly<Record<string, string>>): boolean {
  return input?.includes(AS_THEY_ARE) ?? false;
}

/** Key of the metadata of an ONNX file that holds the facts as JSON; the classes are there alone as well, for other readers. */
export const FACTS_KEY = "fewlabels";

export function metadataOf(facts: ExportFacts, dtype: string, unit = 255): Record<string, string> {
  const { classes, input, picture } = facts;
  return {
    [FACTS_KEY]: JSON.stringify(facts),
    classes: JSON.stringify(classes),
    input: `pixel_values [batch, ${input.channels}, ${input.height}, ${input.width}] float32, ${unit === 255 ? "0..255" : AS_THEY_ARE}; normalization is in the graph`,
    ...(picture
      ? {
          preprocessing: `${picture.channels === 1 ? "gray" : "sRGB"}, ${picture.fit} to ${picture.size} x ${picture.size}, Lanczos`,
        }
      : {}),
    dtype,
  };
}
