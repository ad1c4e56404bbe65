/**
 * Predictions made before and looked up by image index: `[N, K]` probabilities on disk, of which only the rows of a batch
 * are ever read, so that 1.28 million images of 1,000 classes (2.6 GB in float16) need next to no memory.
 *
 * The file is a safetensors file with one tensor, "predictions" (F16 or F32). Metadata: `format`, `dataFingerprint`, `classes` (a JSON
 * list), `source`.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { DataError } from "../errors.js";
import { openRows, type RawDType, type Rows, writeSafetensors } from "../files/safetensors.js";
import { besidePath, writing } from "../files/write-whole.js";
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
const rawTypes = { float16: "F16", float32: "F32" } as const;
const bytesOf = { float16: 2, float32: 4 } as const;

/**
 * Writes the rows chunk by chunk (each `[n, K]` row-major probabilities, in order): a table is there whole or not at all. Throws DataError
 * if the chunks do not add up to N rows, DiskError where they cannot be written.
 */
export function writePredictionTable(path: string, info: TableInfo, chunks: Iterable<Float32Array>): void {
  const { rows, classes, dtype, dataFingerprint, source } = info;
  const k = classes.length;
  function* pieces() {
    let numbers = 0;
    for (const chunk of chunks) {
      yield packed(chunk, dtype);
      numbers += chunk.length;
    }
    if (numbers !== rows * k) {
      throw new DataError(`${path}: expected ${rows} rows of ${k} predictions, got ${numbers / k} rows`);
    }
  }
  const metadata = { format: FORMAT, dataFingerprint, classes: JSON.stringify(classes), source };
  writeSafetensors(path, { [NAME]: { dtype: rawTypes[dtype], shape: [rows, k], bytes: pieces } }, metadata);
}

/** The same for chunks that come over time: they wait in a file beside the table. Call `abandon` at the end in any case. Throws DiskError. */
export class PredictionWriter {
  readonly #path: string;
  readonly #info: TableInfo;
  readonly #waiting: string;
  #file: number | undefined;
  #numbers = 0;

  constructor(path: string, info: TableInfo) {
    this.#path = path;
    this.#info = info;
    this.#waiting = `${besidePath(path)}-rows`;
    this.#file = writing(this.#path, () => openSync(this.#waiting, "w+"));
  }

  /** Rows so far. */
  get rows(): number {
    return this.#numbers / this.#info.classes.length;
  }

  /** `[n, K]` row-major probabilities, the next n rows. */
  append(chunk: Float32Array): void {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    writing(this.#path, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file!, bytes, at);
    });
    this.#numbers += chunk.length;
  }

  /** Writes the table. Throws as `writePredictionTable`. */
  finish(): void {
    const file = this.#file!;
    const k = this.#info.classes.length;
    function* chunks(numbers: number): Generator<Float32Array> {
      const most = READ_ROWS * k;
      for (let start = 0; start < numbers; start += most) {
        const chunk = new Float32Array(Math.min(most, numbers - start));
        readSync(file, new Uint8Array(chunk.buffer), 0, chunk.byteLength, start * 4);
        yield chunk;
      }
    }
    writePredictionTable(this.#path, this.#info, chunks(this.#numbers));
  }

  /** Leaves nothing behind but a finished table. */
  abandon(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    rmSync(this.#waiting, { force: true });
  }
}

/** Rows read back at a time. */
const READ_ROWS = 1000;

export interface ExpectedTable {
  readonly rows: number;
  readonly numClasses: number;
  readonly dataFingerprint: string;
}

/** An opened table: nothing of it is in memory. */
export class PredictionTable {
  readonly path: string;
  readonly info: TableInfo;
  readonly #rows: Rows;

  private constructor(path: string, info: TableInfo, rows: Rows) {
    this.path = path;
    this.info = info;
    this.#rows = rows;
  }

  /** Throws DataError if there is no such file, it is damaged or cut short, or it was made for other images or classes. */
  static open(path: string, expected: ExpectedTable): PredictionTable {
    const found = advised(() => openRows(path, NAME));
    const info = infoOf(path, found);
    const k = info.classes.length;
    if (info.rows !== expected.rows || k !== expected.numClasses || info.dataFingerprint !== expected.dataFingerprint) {
      throw new DataError(
        `${path}: holds predictions for ${info.rows} images of ${k} classes (data ${info.dataFingerprint}), ` +
          `but the run has ${expected.rows} of ${expected.numClasses} (data ${expected.dataFingerprint}). ${ADVICE}, of a run on the same data`,
      );
    }
    return new PredictionTable(path, info, found);
  }

  /**
   * Rows at the positions `index` -> `[n, K]` float32 on the CPU. Throws DataError if one is not a distribution (finite,
   * not negative, sum 1 within 2 %): the file was damaged after it was written.
   */
  read(index: ArrayLike<number>): Tensor {
    const { classes, dtype } = this.info;
    const bytes = advised(() => this.#rows.read(index));
    return noGrad(() =>
      scope(() => {
        const probs = tensor(bytes, [index.length, classes.length * bytesOf[dtype]])
          .viewAs(dtype)
          .float();
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

function infoOf(path: string, { dtype, shape, metadata }: Rows): TableInfo {
  const fail = (what: string): never => {
    throw new DataError(`${path}: not a whole prediction table: ${what}. ${ADVICE}`);
  };
  const { format, dataFingerprint, source = "" } = metadata;
  if (format !== FORMAT) return fail(`expected the format ${JSON.stringify(FORMAT)}, found ${JSON.stringify(format)}`);
  const classes = namesOf(metadata.classes);
  const [rows, k] = shape;
  const type = TABLE_DTYPES.find((name) => rawTypes[name] === (dtype satisfies RawDType));
  const whole = rows !== undefined && k === classes.length && k > 0 && shape.length === 2;
  if (!whole || type === undefined || dataFingerprint === undefined) {
    return fail("its header lacks shape, type, classes or data fingerprint");
  }
  return { rows, classes, dtype: type, dataFingerprint, source };
}

function namesOf(json: string | undefined): readonly string[] {
  try {
    const names: unknown = JSON.parse(json ?? "");
    return Array.isArray(names) && names.every((name) => typeof name === "string") ? names : [];
  } catch {
    return [];
  }
}

/** What is wrong with the file itself, with how to get a new one. */
function advised<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof DataError ? new DataError(`${error.message}. ${ADVICE}`) : error;
  }
}
