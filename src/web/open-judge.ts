/** The network that `serve` judges with: of a run folder, or of what `export` wrote. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError, refuseIdle, UsageError } from "../errors.js";
import { type ExportFacts, FACTS_KEY, takesReals } from "../export/facts.js";
import { readOnnx } from "../export/onnx/file.js";
import { loadGraph } from "../export/onnx/run-graph.js";
import type { ImageSet } from "../images/image-set.js";
import { openPredictor } from "../inference/predict.js";
import { noPictures } from "../session/inference-record.js";
import { setThreads } from "../torch/index.js";
import type { Judge } from "./classifier.js";

export interface OpenedJudge {
  readonly judge: Judge;
  /** What `/health` says of it. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Folder of an exported page. */
  readonly page?: string;
}

export interface JudgeOptions {
  readonly role?: string | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** Pictures with more megapixels are refused. */
  readonly maxMegapixels: number;
}

/** `path`: a run folder, an exported folder, or an exported .onnx file. Throws UsageError and DataError. */
export async function openJudge(path: string, options: JudgeOptions): Promise<OpenedJudge> {
  if (!existsSync(path)) throw new UsageError(`${path}: there is no such file or folder`);
  if (existsSync(join(path, "config.json")) && existsSync(join(path, "checkpoints"))) return ofRun(path, options);
  const files = ["model.onnx", "onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_quantized.onnx"];
  const file = statSync(path).isDirectory()
    ? files.map((name) => join(path, name)).find((name) => existsSync(name))
    : path;
  if (!file) {
    throw new UsageError(
      `${path}: expected a run folder, or a file or folder that \`fewlabels export\` wrote (onnx, transformers or web)`,
    );
  }
  const opened = ofFile(file, options);
  return existsSync(join(path, "index.html")) ? { ...opened, page: path } : opened;
}

async function ofRun(path: string, { maxMegapixels, ...options }: JudgeOptions): Promise<OpenedJudge> {
  const { classes, role, decoding, probabilities } = await openPredictor(path, options);
  return {
    judge: { classes, decoding: limited(decoding, maxMegapixels), probabilities },
    about: { classes: classes.length, role },
  };
}

const limited = <T extends { readonly maxMegapixels: number }>(decoding: T, most: number): T => ({
  ...decoding,
  maxMegapixels: Math.min(decoding.maxMegapixels, most),
});

function ofFile(file: string, { role, device, threads, maxMegapixels }: JudgeOptions): OpenedJudge {
  refuseIdle(file, { role, device }, "is for run folders, and an exported file is one network, computed on the CPU");
  const model = readOnnx(file);
  const facts = factsIn(model.metadata[FACTS_KEY], file);
  const { classes, picture, input } = facts;
  const real = takesReals(model.metadata);
  if (!picture || real) throw new UsageError(`${file}: the network was trained on ${noPictures(input, real)}`);
  if (threads !== undefined) setThreads(threads);
  const graph = loadGraph(model, file);
  const colors = model.input.shape[1] === 3 ? 3 : 1;
  return {
    judge: {
      classes,
      // A network that begins with the conversion to gray takes color.
      decoding: { size: picture.size, channels: colors, fit: picture.fit, maxMegapixels },
      probabilities: ({ pixels, count, channels, height, width }: ImageSet) =>
        softmaxRows(graph.logits(Float32Array.from(pixels), [count, channels, height, width]), classes.length),
    },
    about: { classes: classes.length, role: facts.run.role, model: facts.run.model },
  };
}

function factsIn(text: string | undefined, file: string): ExportFacts {
  try {
    return JSON.parse(text ?? "") as ExportFacts;
  } catch {
    throw new DataError(`${file}: does not say which classes it knows; was it written by \`fewlabels export\`?`);
  }
}

function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += classes) {
    const row = logits.subarray(at, at + classes);
    const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const powers = row.map((v) => Math.exp(v - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    out.set(
      powers.map((p) => p / sum),
      at,
    );
  }
  return out;
}
