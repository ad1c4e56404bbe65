/**
 * `shards`: WebDataset tar files. Labeled and test pictures are few and are decoded into memory; unlabeled ones
 * (`--unlabeled`) may be any number and stay on disk.
 */
import { createHash } from "node:crypto";
import { DataError } from "../errors.js";
import type { DamagedFile, Decoding, ImageSet } from "../images/image-set.js";
import { decodingOf, decodingOptions, holdOutOptions } from "../images/picture-options.js";
import { andMore, type Known, rejectConflicts, testOverlap } from "../labels/by-content.js";
import { choice, integer, number, type OptionsOf, text } from "../options.js";
import type { Rng } from "../rng.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { listShards } from "./shards/list.js";
import { findManifest } from "./shards/manifest.js";
import { type ReadShards, readShards } from "./shards/memory.js";
import { indexPool } from "./shards/pool.js";

const options = {
  testShards: text("", {
    doc: "shards of labeled pictures to test with (default: `testShare` of the labeled ones is held out)",
  }),
  ...decodingOptions,
  ...holdOutOptions("are no test shards"),
  shuffleBuffer: integer(10_000, {
    min: 2,
    doc: "unlabeled pictures in memory to draw from; the stream is mixed within half of it",
  }),
  onDamaged: choice(["fail", "skip"], "fail", {
    doc: "missing, truncated or damaged shards: end with an error that names them, or leave them out, counted and listed",
  }),
  maxDamaged: number(0.1, {
    min: 0,
    max: 0.9,
    doc: "share of the pictures that may be undecodable and left out before the run ends with an error",
  }),
  memoryMB: integer(4000, {
    min: 1,
    doc: "memory that labeled and test pictures may take once decoded, in megabytes; a pool that fits into the rest is decoded once",
  }),
} as const;

type ShardOptions = OptionsOf<typeof options>;

export const shards = defineDataSet({
  name: "shards",
  summary: "WebDataset tar files; unlabeled ones are streamed, so the pool may be larger than memory",
  source: "your disk; `fewlabels data pack` makes them",
  needsDir: true,
  takesFolders: true,
  streamsUnlabeled: true,
  options,
  async load({ dir, rng, options, unlabeledDir }): Promise<DataSet> {
    const { size, onDamaged, maxDamaged, shuffleBuffer, memoryMB } = options;
    const decoding = decodingOf(options);
    const limits = { decoding, onDamaged, maxDamaged, memoryMB };
    const paths = listShards(dir!);
    const labeled = await readShards(paths, limits);
    const tests = options.testShards === "" ? undefined : await readShards(listShards(options.testShards), limits);
    const classes = classesOf(labeled, paths[0]!);
    const train = withLabels(labeled, classes, "train");
    const test = tests && withLabels(tests, classes, "test").filter(({ label }) => label >= 0);
    rejectConflicts([...train, ...(test ?? [])], classes);
    if (test) checkOverlap([...train, ...test]);
    const parts = test ? { train, test } : holdOut(train, classes, options, rng.split(`test:${options.testSeed}`));
    checkClasses(parts, classes);

    const memory = memoryMB * 1e6 - labeled.pixels.length - (tests?.pixels.length ?? 0);
    const pool =
      unlabeledDir &&
      (await indexPool(listShards(unlabeledDir), { decoding, onDamaged, maxDamaged, shuffleBuffer, memory }));
    const damaged = [...labeled.damaged, ...(tests?.damaged ?? []), ...(pool ? pool.damaged : [])];
    return {
      name: "shards",
      classes,
      train: imagesOf(labeled, parts.train, decoding),
      test: imagesOf(tests ?? labeled, parts.test, decoding),
      flip: true,
      translate: Math.max(1, Math.round(size / 16)),
      normalize: "channel",
      nameOf: (index) => parts.train[index]!.name,
      remarks: remarksOf(damaged),
      damaged,
      fingerprint: fingerprintOf(decoding, classes, parts, pool ? pool.fingerprint : ""),
      decoding,
      ...(pool ? { pool } : {}),
    };
  },
});

interface Row extends Known {
  /** Position among the pictures that were read. */
  readonly at: number;
}

interface Parts {
  readonly train: readonly Row[];
  readonly test: readonly Row[];
}

/** Names of a manifest; else whole numbers 0 .. K-1; else the labels in the order of their code units. */
function classesOf({ pictures }: ReadShards, shard: string): readonly string[] {
  const manifest = findManifest(shard);
  const found = [...new Set(pictures.flatMap(({ label }) => (label === undefined ? [] : [label])))].sort();
  if (found.length === 0) {
    throw new DataError(
      `shards: none of the ${pictures.length} pictures of --data has a label (KEY.cls, or KEY.json with "label"). Shards without labels go to --unlabeled`,
    );
  }
  if (manifest) return manifest.classes;
  if (found.length === 1) {
    throw new DataError(`shards: the labeled shards know one class only, "${found[0]}"; a classifier needs two`);
  }
  if (!found.every((label) => /^\d{1,6}$/.test(label))) return found;
  return Array.from({ length: 1 + Math.max(...found.map(Number)) }, (_, k) => String(k));
}

function withLabels({ pictures }: ReadShards, classes: readonly string[], part: "train" | "test"): Row[] {
  const positions = new Map(classes.map((name, k) => [name, k]));
  return pictures.map(({ key, shard, hash, label }, at) => {
    const number = label !== undefined && /^\d{1,6}$/.test(label) ? Number(label) : -1;
    const k = label === undefined ? -1 : (positions.get(label) ?? (number < classes.length ? number : -1));
    if (label !== undefined && k < 0) {
      throw new DataError(
        `${shard}: "${key}" has the label "${label.slice(0, 80)}", which is none of the ${classes.length} classes: ${classes.slice(0, 10).join(", ")}`,
      );
    }
    return { name: key, hash, label: k, part: part === "train" && k < 0 ? "unlabeled" : part, at };
  });
}

function checkOverlap(rows: readonly Row[]): void {
  const { labeled } = testOverlap(rows);
  if (labeled.length === 0) return;
  throw new DataError(
    `shards: ${labeled.length} labeled pictures are also in the test shards, the first "${rows[labeled[0]!]!.name}": the error would be too good. Remove them from one of the two`,
  );
}

/** round(share x n) of the n labeled pictures of each class, by content, so that copies stay on one side. */
function holdOut(rows: readonly Row[], classes: readonly string[], { testShare }: ShardOptions, rng: Rng): Parts {
  const tested = new Set<string>();
  classes.forEach((name, k) => {
    const hashes = [...new Set(rows.filter(({ label }) => label === k).map(({ hash }) => hash))].sort();
    const wanted = Math.min(hashes.length - 1, Math.max(1, Math.round(testShare * hashes.length)));
    for (const hash of rng.split(name).shuffle(hashes).slice(0, Math.max(0, wanted))) tested.add(hash);
  });
  return {
    train: rows.filter(({ hash }) => !tested.has(hash)),
    test: rows.filter(({ hash, label }) => label >= 0 && tested.has(hash)),
  };
}

function checkClasses({ train, test }: Parts, classes: readonly string[]): void {
  const known = new Set(train.map(({ label }) => label));
  const empty = classes.filter((_, k) => !known.has(k)).map((name) => `"${name}"`);
  if (empty.length > 0) {
    throw new DataError(
      `shards: no labeled picture to train on of class ${empty.slice(0, 5).join(", ")}${andMore(empty.length - 5)}`,
    );
  }
  if (test.length === 0) throw new DataError("shards: there is no labeled picture to test with");
}

function imagesOf({ pixels }: ReadShards, rows: readonly Row[], { size, channels }: Decoding): ImageSet {
  const imageBytes = channels * size * size;
  const out = new Uint8Array(rows.length * imageBytes);
  rows.forEach(({ at }, i) => {
    out.set(pixels.subarray(at * imageBytes, (at + 1) * imageBytes), i * imageBytes);
  });
  const labels = Int32Array.from(rows, ({ label }) => label);
  return { pixels: out, count: rows.length, channels, height: size, width: size, labels };
}

function remarksOf(damaged: readonly DamagedFile[]): string[] {
  if (damaged.length === 0) return [];
  const shown = damaged.slice(0, 3).map(({ file, reason }) => `${file} (${reason})`);
  return [
    `${damaged.length} shards or pictures are damaged and left out: ${shown.join("; ")}${andMore(damaged.length - shown.length)}; damaged.json in the run folder lists them`,
  ];
}

/** Over contents and labels in memory, and keys and sizes of the pool. */
function fingerprintOf(decoding: Decoding, classes: readonly string[], { train, test }: Parts, pool: string): string {
  const hash = createHash("sha256").update(JSON.stringify([decoding, classes, pool]));
  for (const rows of [train, test]) hash.update(rows.map((row) => `${row.hash} ${row.label}\n`).join("")).update("\n");
  return hash.digest("hex");
}
