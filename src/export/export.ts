/** Writes the network of a run for elsewhere, and checks what was written before it is called done. */
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { refuseIdle, UsageError } from "../errors.js";
import { writeWhole, writeWholeFolder } from "../files/write-whole.js";
import { encodeImage } from "../images/encode.js";
import type { ImageSet } from "../images/image-set.js";
import { noPictures } from "../session/inference-record.js";
import { threads as engineThreads } from "../torch/index.js";
import {
  checkGolden,
  compareOnTest,
  goldenPictures,
  sureThreshold,
  type TestComparison,
  type Threshold,
} from "./check.js";
import { type ExportFacts, factsOf, metadataOf } from "./facts.js";
import { writeWeights } from "./formats/safetensors.js";
import { dtypeFiles, type Golden, modelCard, preprocessorConfig, transformersConfig } from "./formats/transformers.js";
import { copyPage } from "./formats/web.js";
import { buildOnnx, INPUT, OUTPUT } from "./onnx/build.js";
import { decodeOnnx, encodeOnnx, writeChunks } from "./onnx/file.js";
import type { Chunks } from "./onnx/protobuf.js";
import { loadGraph } from "./onnx/run-graph.js";
import { type Dtype, shrink } from "./onnx/shrink.js";
import { checkPlace } from "./place.js";
import { type FileRunner, onnxruntimeRunner } from "./runtime.js";
import { openSource, type Source, type SourceOptions } from "./source.js";
import { openTestSet, type TestSet } from "./test-set.js";

export const formats = ["onnx", "safetensors", "transformers", "web"] as const;
export type Format = (typeof formats)[number];

export interface ExportOptions extends SourceOptions {
  readonly format: Format;
  /** File (onnx) or folder to write. */
  readonly out: string;
  readonly dtype?: Dtype | undefined;
  /** Replaces what is there. */
  readonly force?: boolean | undefined;
  /** Test pictures to compare on; default: 2,000 where a smaller dtype or the page's threshold needs them, else none. */
  readonly testPictures?: number | undefined;
  /** Share of right answers above the page's threshold, default 0.95. */
  readonly sure?: number | undefined;
}

export interface ExportReport {
  readonly format: Format;
  readonly out: string;
  readonly dtype: Dtype;
  readonly files: readonly { readonly file: string; readonly bytes: number }[];
  /** What computed the golden logits again: onnxruntime-node where it is installed, else our own engine from the file. */
  readonly checkedBy?: string;
  /** Largest difference of golden logits, relative to the largest logit, and on how many pictures. */
  readonly difference?: number;
  readonly golden?: number;
  readonly test?: Omit<TestComparison, "confidence" | "right">;
  readonly threshold?: Threshold;
  readonly seconds: number;
  /** What the user should know. */
  readonly remarks: readonly string[];
}

const defaultTestPictures = 2000;

/** Throws UsageError, DataError; leaves nothing behind then. */
export async function exportRun(run: string, options: ExportOptions): Promise<ExportReport> {
  const started = performance.now();
  const { format, out, dtype = "fp32", force = false } = options;
  checkPlace(run, { out, isFile: format === "onnx", force });
  if (format === "safetensors" && dtype !== "fp32")
    throw new UsageError("export: safetensors files are float32; leave --dtype out");
  const { sure, data, labels, testPictures } = options;
  if (format !== "web") refuseIdle("export", { sure }, "needs --format web");
  if (format === "safetensors")
    refuseIdle(
      "export",
      { data, labels, "test-pictures": testPictures },
      "needs another --format: no picture goes through it",
    );
  const source = await openSource(run, { ...options, weightsOnly: format === "safetensors" });
  const facts = factsOf(source);
  if (format !== "safetensors") refuseUnknownSize(source);
  if (format !== "safetensors") refuseResizing(source);
  if (format === "transformers" || format === "web") requirePictures(source, format);
  const remarks: string[] = [];
  const job = { source, facts, dtype, options, remarks };
  const written = format === "safetensors" ? weightsOnly(job) : await withNetwork(job, format);
  return { format, out, dtype, ...written, seconds: (performance.now() - started) / 1000, remarks };
}

/** The graph begins with the whole image, of which evaluation takes a part. */
function refuseUnknownSize({ run, record: { evaluation, decoding, stored } }: Source): void {
  if (!evaluation || decoding || stored) return;
  throw new UsageError(
    `${run}: evaluation cuts a part out of its images, and how large they are was not kept: the run was started by an older version. Train again; --format safetensors has the weights alone`,
  );
}

/** What evaluation cuts out may be part of a graph; resizing it is not. */
function refuseResizing({ run, record: { evaluation } }: Source): void {
  if (!evaluation || evaluation.box[2] - evaluation.box[0] === evaluation.side) return;
  const [x0, , x1] = evaluation.box;
  throw new UsageError(
    `${run}: its pictures are cut to ${x1 - x0} pixels and then resized to ${evaluation.side}, and resizing is not part of exported networks. Train with --crop ${x1 - x0}, or with pictures of another --dataset.size; --format safetensors has the weights alone`,
  );
}

function requirePictures({ run, record, decoding, normalizing }: Source, format: Format): void {
  if (decoding) return;
  throw new UsageError(
    `${run}: the run was trained on ${noPictures(record.input, normalizing.unit === 1)}, so --format ${format} makes no sense. Use onnx`,
  );
}

interface Job {
  readonly source: Source;
  readonly facts: ExportFacts;
  readonly dtype: Dtype;
  readonly options: ExportOptions;
  readonly remarks: string[];
}

type Written = Omit<ExportReport, "format" | "out" | "dtype" | "seconds" | "remarks">;

function weightsOnly({ source, facts, options }: Job): Written {
  return { files: makeFolder(options.out, (folder) => writeWeights(folder, source, facts)) };
}

/** Whole or not at all. Returns what is in it. */
function makeFolder(out: string, fill: (folder: string) => void): ExportReport["files"] {
  writeWholeFolder(out, fill);
  return readdirSync(out, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(out, name)).isFile())
    .sort()
    .map((file) => ({ file, bytes: statSync(join(out, file)).size }));
}

async function withNetwork(job: Job, format: Exclude<Format, "safetensors">): Promise<Written> {
  const { source, facts, dtype, options, remarks } = job;
  const fromColor = format !== "onnx";
  const exact = buildOnnx(source.network, {
    ...source.picture,
    ...source.normalizing,
    numClasses: facts.classes.length,
    metadata: metadataOf(facts, dtype, source.normalizing.unit),
    fromColor,
  });
  const encoded = (kind: Dtype) => encodeOnnx(shrink(exact, kind), facts.run.fewlabels);
  const wanted = options.testPictures ?? (dtype !== "fp32" || format === "web" ? defaultTestPictures : 0);
  const test = await testSetOf(job, wanted > 0 || format === "transformers");
  const golden = await goldenPictures(source, test);
  // What is wrong in the graph would pass for rounding in a smaller type.
  if (dtype !== "fp32")
    await withRunner(encoded("fp32"), source, fromColor, (exactly) => checkGolden(source, exactly, golden, true));
  const chunks = encoded(dtype);
  return await withRunner(chunks, source, fromColor, async (runner) => {
    const difference = await checkGolden(source, runner, golden, dtype === "fp32");
    const compared = test && wanted > 0 ? await compareOnTest(source, runner, test, wanted) : undefined;
    const threshold = format === "web" ? sureThreshold(compared, options.sure) : undefined;
    if (threshold && !compared)
      remarks.push("the page's threshold is 50 %, not measured: there was no test set to calibrate it on");
    if (!test && wanted > 0) remarks.push("the change of error was not measured");
    const result = {
      checkedBy: runner.name,
      difference,
      golden: golden.count,
      ...(compared ? { test: withoutLists(compared) } : {}),
      ...(threshold ? { threshold } : {}),
    };
    return { ...result, files: await write(job, format, chunks, golden, threshold, compared) };
  });
}

async function withRunner<T>(
  chunks: Chunks,
  source: Source,
  fromColor: boolean,
  use: (runner: FileRunner) => Promise<T>,
): Promise<T> {
  const runner = await runnerOf(chunks, source, fromColor);
  try {
    return await use(runner);
  } finally {
    await runner.release();
  }
}

async function testSetOf({ source, remarks }: Job, needed: boolean): Promise<TestSet | undefined> {
  if (!needed) return undefined;
  const test = await openTestSet(source);
  if (typeof test !== "string") return test;
  remarks.push(
    `no test set: ${test}. Where its files lie elsewhere now, give its folder with --data, the labels file with --labels`,
  );
  return undefined;
}

/** Computes from the bytes that go into the file. */
async function runnerOf(chunks: Chunks, { picture }: Source, fromColor: boolean): Promise<FileRunner> {
  const inner = (await onnxruntimeRunner(chunks, INPUT, OUTPUT, engineThreads())) ?? ownRunner(chunks);
  if (!fromColor || picture.channels !== 1) return inner;
  // The file takes color, and gray pictures are three equal planes of it.
  return {
    ...inner,
    logits(pixels, [count = 0, , height = 0, width = 0]) {
      const area = height * width;
      const color = new Float32Array(3 * pixels.length);
      for (let i = 0; i < count; i++) {
        for (let c = 0; c < 3; c++) color.set(pixels.subarray(i * area, (i + 1) * area), (3 * i + c) * area);
      }
      return inner.logits(color, [count, 3, height, width]);
    },
  };
}

function ownRunner(chunks: Chunks): FileRunner {
  const graph = loadGraph(decodeOnnx(Buffer.concat(chunks), "export"), "export");
  return {
    name: "fewlabels' own engine",
    logits: async (pixels, shape) => graph.logits(pixels, shape),
    release: async () => graph.release(),
  };
}

function withoutLists({ confidence, right, ...rest }: TestComparison) {
  return rest;
}

async function write(
  { source, facts, dtype, options }: Job,
  format: Exclude<Format, "safetensors">,
  chunks: Chunks,
  golden: ImageSet,
  threshold: Threshold | undefined,
  compared: TestComparison | undefined,
): Promise<ExportReport["files"]> {
  const { out } = options;
  if (format === "onnx") {
    return [{ file: out, bytes: writeChunks(out, chunks) }];
  }
  const pictures = await Promise.all(
    Array.from({ length: golden.count }, (_, i) => encodeImage(pictureOf(golden, i), sizeOf(golden), "png")),
  );
  const answers = source.logits(golden);
  const classes = facts.classes.length;
  const known: Golden = {
    tolerance: dtype === "fp32" ? 0.001 : 0.5,
    pictures: pictures.map((_, i) => {
      const logits = Array.from(answers.subarray(i * classes, (i + 1) * classes));
      return { file: `golden/${i}.png`, class: facts.classes[logits.indexOf(Math.max(...logits))]!, logits };
    }),
  };
  return makeFolder(out, (folder) => {
    const json = (name: string, content: object) =>
      writeWhole(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
    if (format === "transformers") {
      mkdirSync(join(folder, "onnx"));
      mkdirSync(join(folder, "golden"));
      writeChunks(join(folder, dtypeFiles[dtype].file), chunks);
      json("config.json", transformersConfig(facts, dtype));
      json("preprocessor_config.json", preprocessorConfig(facts));
      json("golden.json", known);
      for (const [i, png] of pictures.entries()) writeWhole(join(folder, `golden/${i}.png`), png);
      writeWhole(join(folder, "README.md"), modelCard(facts, known, perClassOf(source)));
    } else {
      writeChunks(join(folder, "model.onnx"), chunks);
      json("model.json", { ...facts, threshold, ...(compared ? { test: withoutLists(compared) } : {}) });
      copyPage(folder);
    }
  });
}

/** The result's classes, where they are those of these weights. */
function perClassOf({ result, role, step }: Source) {
  return result?.predictor === role && result.steps === step ? result.perClass : [];
}

function pictureOf({ pixels, channels, height, width }: ImageSet, i: number): Uint8Array {
  const size = channels * height * width;
  return Uint8Array.from(pixels.subarray(i * size, (i + 1) * size));
}

function sizeOf({ channels, height, width }: ImageSet) {
  return { channels: channels as 1 | 3, height, width };
}
