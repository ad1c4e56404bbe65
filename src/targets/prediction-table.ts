/**
 * Predictions made before and looked up by image index: `[N, K]` probabilities on disk, of which only the rows of a batch
 * are ever read, so that 1.28 million images of 1,000 classes (2.6 GB in float16) need next to no memory.
 *
 * The file is a safetensors file with one tensor, "predictions" (F16 or F32): 8 bytes header length, a JSON header padded
 * with spaces, the rows. Metadata: `format`, `dataFingerprint`, `classes` (a JSON list), `source`.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { DataError } from "../errors.js";
import { noGrad, scope, type Tensor, tensor } from "../torch/index.js";

export const TABLE_DTYPES = ["float16", "float32"] as const;
export type TableDType = (typeof TABLE_DTYPES)[number];

export interface TableInfo {
  /** N, the number of training images. */
  readonly rows: number;
  /** Names of the K classes, in the order of the columns. */
  readonly classes: readonly string[];
  readonly dtype: TableDType;
  /** The training images the rows belong to, by position. */
  readonly dataFingerprint: string;
  /** Where the predictions come from: the run folder. */
  readonly source: string;
}

const FORMAT = "fewlabels predictions 1";
const NAME = "predictions";
const ADVICE = "Make it again with `fewlabels predictions RUN --out TABLE`";
const MAX_HEADER = 10_000_000;
const bytesOf = (dtype: TableDType) => (dtype === "float16" ? 2 : 4);

/**
 * Writes the rows chunk by chunk (each `[n, K]` row-major probabilities, in order) to a file beside `path`, then renames it:
 * a table is there whole or not at all. Throws DataError if the chunks do not add up to N rows or cannot be written.
 */
export function writePredictionTable(path: string, info: TableInfo, chunks: Iterable<Float32Array>): void {
  const partial = `${path}.partial`;
  const k = info.classes.length;
  let file: number | undefined;
  try {
    file = openSync(partial, "w");
    writeAll(file, headerOf(info));
    let numbers = 0;
    for (const chunk of chunks) {
      writeAll(file, packed(chunk, info.dtype));
      numbers += chunk.length;
    }
    if (numbers !== info.rows * k) {
      throw new DataError(`${path}: expected ${info.rows} rows of ${k} predictions, got ${numbers / k} rows`);
    }
    fsyncSync(file);
    closeSync(file);
    file = undefined;
    renameSync(partial, path);
  } catch (error) {
    if (file !== undefined) closeSync(file);
    rmSync(partial, { force: true });
    if (error instanceof Error && "syscall" in error) {
      throw new DataError(`${path}: cannot write the prediction table: ${error.message}`);
    }
    throw error;
  }
}

export interface ExpectedTable {
  readonly rows: number;
  readonly numClasses: number;
  readonly dataFingerprint: string;
}

/** An opened table: nothing of it is in memory. */
export class PredictionTable {
  readonly path: string;
  readonly info: TableInfo;
  readonly #start: number;

  private constructor(path: string, info: TableInfo, start: number) {
    this.path = path;
    this.info = info;
    this.#start = start;
  }

  /** Throws DataError if there is no such file, it is damaged or cut short, or it was made for other images or classes. */
  static open(path: string, expected: ExpectedTable): PredictionTable {
    const { info, start, size } = withFile(path, (file) => ({
      ...readHeader(path, file),
      size: fstatSync(file).size,
    }));
    const k = info.classes.length;
    const wanted = start + info.rows * k * bytesOf(info.dtype);
    if (size !== wanted) {
      const what = size < wanted ? "it was cut short" : "there is something behind its rows";
      throw new DataError(
        `${path}: expected ${wanted} bytes for ${info.rows} x ${k}, found ${size}: ${what}. ${ADVICE}`,
      );
    }
    if (info.rows !== expected.rows || k !== expected.numClasses || info.dataFingerprint !== expected.dataFingerprint) {
      throw new DataError(
        `${path}: holds predictions for ${info.rows} images of ${k} classes (data ${info.dataFingerprint}), ` +
          `but the run has ${expected.rows} of ${expected.numClasses} (data ${expected.dataFingerprint}). ${ADVICE}, of a run on the same data`,
      );
    }
    return new PredictionTable(path, info, start);
  }

  /**
   * Rows at the positions `index` -> `[n, K]` float32 on the CPU. Throws DataError if one is not a distribution (finite,
   * not negative, sum 1 within 2 %): the file was damaged after it was written.
   */
  read(index: ArrayLike<number>): Tensor {
    const { classes, dtype, rows } = this.info;
    const stride = classes.length * bytesOf(dtype);
    const bytes = new Uint8Array(index.length * stride);
    withFile(this.path, (file) => {
      for (let i = 0; i < index.length; i++) {
        const row = index[i]!;
        if (!(row >= 0 && row < rows)) throw new DataError(`${this.path}: row ${row} of 0..${rows - 1} was asked for`);
        readAll(this.path, file, bytes.subarray(i * stride, (i + 1) * stride), this.#start + row * stride);
      }
    });
    return noGrad(() =>
      scope(() => {
        const probs = tensor(bytes, [index.length, stride]).viewAs(dtype).float();
        const off = probs
          .sum([1])
          .sub(1)
          .abs()
          .add(probs.lt(0).float().sum([1]))
          .toNumbers();
        const bad = off.findIndex((distance) => !(distance < 0.02));
        if (bad < 0) return probs;
        throw new DataError(`${this.path}: row ${index[bad]} is not a distribution over the classes. ${ADVICE}`);
      }),
    );
  }
}

function packed(chunk: Float32Array, dtype: TableDType): Uint8Array {
  if (dtype === "float32") return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return scope(() => tensor(chunk, [chunk.length]).to("float16").viewAs("uint8").toArray() as Uint8Array);
}

function headerOf({ rows, classes, dtype, dataFingerprint, source }: TableInfo): Uint8Array {
  const json = JSON.stringify({
    __metadata__: { format: FORMAT, dataFingerprint, classes: JSON.stringify(classes), source },
    [NAME]: {
      dtype: dtype === "float16" ? "F16" : "F32",
      shape: [rows, classes.length],
      data_offsets: [0, rows * classes.length * bytesOf(dtype)],
    },
  });
  const text = Buffer.from(json, "utf8");
  const header = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8), 0);
  text.copy(header, 8);
  return header;
}

function readHeader(path: string, file: number): { info: TableInfo; start: number } {
  const fail = (what: string): never => {
    throw new DataError(`${path}: not a whole prediction table: ${what}. ${ADVICE}`);
  };
  const prefix = Buffer.alloc(8);
  readAll(path, file, prefix, 0);
  const length = Number(prefix.readBigUInt64LE(0));
  if (!(length > 0 && length <= MAX_HEADER)) return fail(`its header claims ${length} bytes`);
  const text = Buffer.alloc(length);
  readAll(path, file, text, 8);
  let header: Record<string, Record<string, unknown>> | null = null;
  let classes: unknown;
  try {
    header = JSON.parse(text.toString("utf8"));
    classes = JSON.parse(String(header?.__metadata__?.classes));
  } catch {
    return fail("its header is not JSON");
  }
  const { format, dataFingerprint, source } = header?.__metadata__ ?? {};
  const { dtype, shape } = header?.[NAME] ?? {};
  if (format !== FORMAT) return fail(`expected the format ${JSON.stringify(FORMAT)}, found ${JSON.stringify(format)}`);
  const [rows, k] = Array.isArray(shape) ? (shape as unknown[]) : [];
  const names = Array.isArray(classes) && classes.every((name) => typeof name === "string") ? classes : [];
  const whole = Number.isSafeInteger(rows) && (rows as number) >= 0 && k === names.length && names.length > 0;
  if (!whole || (dtype !== "F16" && dtype !== "F32") || typeof dataFingerprint !== "string") {
    return fail("its header lacks shape, type, classes or data fingerprint");
  }
  const info: TableInfo = {
    rows: rows as number,
    classes: names,
    dtype: dtype === "F16" ? "float16" : "float32",
    dataFingerprint,
    source: String(source ?? ""),
  };
  return { info, start: 8 + length };
}

/** The file is opened for each read: a method has no moment at which to close it. */
function withFile<T>(path: string, body: (file: number) => T): T {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new DataError(`${path}: cannot open the prediction table: ${(error as Error).message}. ${ADVICE}`);
  }
  try {
    return body(file);
  } finally {
    closeSync(file);
  }
}

function readAll(path: string, file: number, into: Uint8Array, position: number): void {
  for (let at = 0; at < into.length; ) {
    const got = readSync(file, into, at, into.length - at, position + at);
    if (got === 0) throw new DataError(`${path}: ends after ${position + at} bytes: it was cut short. ${ADVICE}`);
    at += got;
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, Math.min(bytes.length - at, 1 << 28));
}
