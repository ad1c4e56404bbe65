/**
 * `shards`: WebDataset tar files. Labeled and test pictures are few and are decoded into memory; unlabeled ones
 * (`--unlabeled`) may be any number and stay on disk.
 */
import { DataError } from "../errors.js";
import type { DamagedFile, Decoding, ImageSet } from "../images/image-set.js";
import { decodingOf, decodingOptions, holdOutOptions } from "../images/picture-options.js";
import { andMore, type Known, rejectConflicts, testOverlap } from "../labels/by-content.js";
import { checkClasses, fingerprintOf, holdOut } from "../labels/hold-out.js";
import { choice, integer, number, path } from "../options.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { listShards } from "./shards/list.js";
import { findManifest } from "./shards/manifest.js";
import { type ReadShards, readShards } from "./shards/memory.js";
import { indexPool } from "./shards/pool.js";

const options = {
  testShards: path("", {
    several: true,
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
    const kept = test
      ? [...train, ...test]
      : holdOut("shards", train, classes, options.testShare, rng.split(`test:${options.testSeed}`));
    checkClasses("shards", kept, classes);
    const trains = kept.filter(({ part }) => part !== "test");

    const memory = memoryMB * 1e6 - labeled.pixels.length - (tests?.pixels.length ?? 0);
    const pool =
      unlabeledDir &&
      (await indexPool(listShards(unlabeledDir), { decoding, onDamaged, maxDamaged, shuffleBuffer, memory }));
    const damaged = [...labeled.damaged, ...(tests?.damaged ?? []), ...(pool ? pool.damaged : [])];
    return {
      name: "shards",
      classes,
      train: imagesOf(labeled, trains, decoding),
      test: imagesOf(
        tests ?? labeled,
        kept.filter(({ part }) => part === "test"),
        decoding,
      ),
      flip: true,
      translate: Math.max(1, Math.round(size / 16)),
      normalize: "channel",
      nameOf: (index) => trains[index]!.name,
      remarks: remarksOf(damaged),
      damaged,
      fingerprint: fingerprintOf([decoding, classes, pool ? pool.fingerprint : ""], kept),
      decoding,
      ...(pool ? { pool } : {}),
    };
  },
});

interface Row extends Known {
  /** Position among the pictures that were read. */
  readonly at: number;
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
