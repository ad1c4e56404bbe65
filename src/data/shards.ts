/**
 * `shards`: WebDataset tar files. Labeled and test pictures are few and are decoded into memory; unlabeled ones
 * (`--unlabeled`) may be any number and stay on disk.
 */
import { DataError } from "../errors.js";
import type { DamagedFile, Decoding, ImageSet } from "../images/image-set.js";
import { decodingOf, decodingOptions, holdOutOptions } from "../images/picture-options.js";
import { andMore, type Known, rejectConflicts, testOverlap } from "../labels/by-content.js";
import { byNumberOrName, classReader, composed } from "../labels/class-names.js";
import { checkClasses, fingerprintOf, holdOut } from "../labels/hold-out.js";
import { type Found, parseLabelFile } from "../labels/label-file.js";
import { readLabelTable } from "../labels/label-rows.js";
import { choice, integer, needThat, number, path } from "../options.js";
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
  ...holdOutOptions("are no test shards", [
    needThat("dataset.testShards", "left out", (shards) => shards === "", { "dataset.testShards": "" }),
  ]),
  shuffleBuffer: integer(10_000, {
    needs: [needThat("unlabeled", "with shards to stream", (given) => given !== "all" && given !== "rest", {})],
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
  async load({ dir, rng, options, labelsFile, unlabeledDir }): Promise<DataSet> {
    const { size, onDamaged, maxDamaged, shuffleBuffer, memoryMB } = options;
    const decoding = decodingOf(options);
    const limits = { decoding, onDamaged, maxDamaged, memoryMB };
    const paths = listShards(dir!);
    const labeled = await readShards(paths, limits);
    const tests = options.testShards === "" ? undefined : await readShards(listShards(options.testShards), limits);
    const classes = classesOf(labeled, paths);
    const train = withLabels(labeled, classes, "train");
    const test = tests && withLabels(tests, classes, "test").filter(({ label }) => label >= 0);
    rejectConflicts("shards", [...train, ...(test ?? [])], classes);
    const everyone = [...labeled.pictures, ...(tests?.pictures ?? [])];
    if (test) {
      const named =
        labelsFile === undefined
          ? []
          : labeledByFile(labelsFile, classes, train, locator(everyone, labeled.damaged, train));
      checkOverlap([...train, ...test], new Set(named));
    }
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
      contents: trains.map(({ hash }) => hash),
      locate: locator(everyone, labeled.damaged, trains),
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

/**
 * The classes of all manifests together, by name; else the labels that were found. One manifest's order stays; else names are in their order,
 * numbers in them by value.
 */
function classesOf({ pictures }: ReadShards, paths: readonly string[]): readonly string[] {
  const found = pictures.flatMap(({ label }) => (label === undefined ? [] : [label]));
  if (found.length === 0) {
    throw new DataError(
      `shards: none of the ${pictures.length} pictures of --data has a label (KEY.cls, or KEY.json with "label"). Shards without labels go to --unlabeled`,
    );
  }
  const lists = paths.flatMap((path) => findManifest(path)?.classes ?? []);
  const [first] = paths.flatMap((path) => findManifest(path) ?? []);
  const names = [...new Map([...lists, ...found].map((name) => [composed(name).trim(), name])).values()];
  if (first && names.length === first.classes.length) return first.classes;
  if (names.length > 1) return names.sort(byNumberOrName);
  throw new DataError(`shards: the labeled shards know one class only, "${names[0]}"; a classifier needs two`);
}

function withLabels({ pictures }: ReadShards, classes: readonly string[], part: "train" | "test"): Row[] {
  const classOf = classReader(classes);
  return pictures.map(({ key, shard, hash, label }, at) => {
    const k = label === undefined ? -1 : classOf(label, `${shard}: label of "${key}"`);
    return { name: key, hash, label: k, part: part === "train" && k < 0 ? "unlabeled" : part, at };
  });
}

/** Pictures that get their label from the file; those of a model's guesses are none. Throws DataError. */
function labeledByFile(
  labelsFile: string,
  classes: readonly string[],
  train: readonly Row[],
  locate: ReturnType<typeof locator>,
): Row[] {
  const table = readLabelTable(labelsFile, classes);
  if (table.pseudo) return [];
  const { index } = parseLabelFile(table, { classes, train: { count: train.length }, locate }, labelsFile);
  return Array.from(index, (at) => train[at]!);
}

/** `named`: pictures that a labels file gives a label. */
function checkOverlap(rows: readonly Row[], named: ReadonlySet<Row>): void {
  const { labeled } = testOverlap(rows, (row) => row.label >= 0 || named.has(row));
  if (labeled.length === 0) return;
  throw new DataError(
    `shards: ${labeled.length} labeled pictures are also in the test shards, the first "${rows[labeled[0]!]!.name}": the error would be too good. Remove them from one of the two`,
  );
}

/** By key, never by place: a key may be a number. A model's guess (`pseudo`) is for a picture without a label. */
function locator(
  pictures: readonly { readonly key: string }[],
  damaged: readonly DamagedFile[],
  trains: readonly Row[],
) {
  const positions = new Map(trains.map(({ name }, i) => [name, i]));
  const others = new Set([
    ...pictures.map(({ key }) => key),
    ...damaged.map(({ file }) => file.replace(/^.*?: /s, "")),
  ]);
  return (name: string, pseudo = false): Found => {
    const at = positions.get(name);
    if (at === undefined) return others.has(name) ? "left out" : undefined;
    return pseudo && trains[at]!.label >= 0 ? "labeled" : at;
  };
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
