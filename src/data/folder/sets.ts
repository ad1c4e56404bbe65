/** The pictures of a folder as image sets: in memory, or decoded on demand. */
import type { Decoding, ImageSet, PictureFiles } from "../../images/image-set.js";
import type { Known } from "../../labels/by-content.js";
import type { DataSet } from "../dataset.js";
import type { FolderLayout, PictureFile } from "./layout.js";
import { type Contents, levelsOf } from "./read.js";

/** A picture that was read, and where its pixels lie. */
export interface Slot extends PictureFile, Known {
  readonly slot: number;
}

type Sets = Pick<DataSet, "train" | "test">;

export function inMemory(
  pixels: Uint8Array,
  trains: readonly Slot[],
  tests: readonly Slot[],
  decoding: Decoding,
): Sets {
  const shape = shapeOf(decoding);
  const test: ImageSet = { ...takeRows(pixels, tests, shape), labels: labelsOf(tests) };
  return { test, train: { ...compactRows(pixels, trains, shape), labels: labelsOf(trains) } };
}

/** All files that could be read, those too that neither train nor test. */
export function readable({ files }: FolderLayout, { hashes }: Contents): (PictureFile & { readonly slot: number })[] {
  return files.flatMap((file, slot) => (hashes[slot] === undefined ? [] : [{ ...file, slot }]));
}

/**
 * `counted`: all files whose gray levels were counted. Test pictures get a quarter of the memory at the most: they are looked at now and then,
 * the others all the time.
 */
export function onDemand(
  { levels }: Contents,
  counted: ReturnType<typeof readable>,
  trains: readonly Slot[],
  tests: readonly Slot[],
  { decoding, room, maxDamaged }: Pick<PictureFiles, "decoding" | "maxDamaged"> & { readonly room: number },
): Sets {
  const forTests = Math.min(tests.length, Math.max(Math.floor(room / 4), room - trains.length));
  const trained = new Set(trains.map(({ slot }) => slot));
  const others = counted.filter(({ slot }) => !trained.has(slot));
  const set = (slots: readonly Slot[], residents: number, sums: Contents["levels"]): ImageSet => {
    const labels = labelsOf(slots);
    const files: PictureFiles = {
      paths: slots.map(({ path }) => path),
      nameOf: (row) => slots[row]!.name,
      labels,
      decoding,
      residents,
      maxDamaged,
      levels: () => levelsOf(sums, slots, others, decoding),
    };
    return { pixels: new Uint8Array(0), count: slots.length, ...shapeOf(decoding), labels, files };
  };
  return { train: set(trains, room - forTests, levels), test: set(tests, forTests, undefined) };
}

export function demandRemark(
  count: number,
  rowBytes: number,
  { memoryMB, most, decoding }: { readonly memoryMB: number; readonly most: number; readonly decoding: Decoding },
): string[] {
  const needed = count * rowBytes;
  if (needed <= Math.min(memoryMB * 1e6, most)) return [];
  const limit =
    needed > memoryMB * 1e6
      ? `--dataset.memoryMB ${memoryMB}`
      : `the ${Math.floor(most / 1e6)} MB that Node ${process.version} can keep of one set`;
  return [
    `${count} pictures of ${decoding.size}x${decoding.size} pixels take ${Math.ceil(needed / 1e6)} MB, more than ${limit}: those that do not fit are decoded again each time they are needed`,
  ];
}

function labelsOf(slots: readonly Slot[]): Int32Array {
  return Int32Array.from(slots, ({ label }) => label);
}

type Shape = Pick<ImageSet, "channels" | "height" | "width">;

function shapeOf({ channels, size }: Decoding): Shape {
  return { channels, height: size, width: size };
}

function takeRows(pixels: Uint8Array, slots: readonly Slot[], shape: Shape) {
  const size = shape.channels * shape.height * shape.width;
  const out = new Uint8Array(slots.length * size);
  slots.forEach(({ slot }, i) => {
    out.set(pixels.subarray(slot * size, (slot + 1) * size), i * size);
  });
  return { pixels: out, count: slots.length, ...shape };
}

/** Moves the rows to the front of their own memory: the pictures are never there twice. Slots are ascending. */
function compactRows(pixels: Uint8Array, slots: readonly Slot[], shape: Shape) {
  const size = shape.channels * shape.height * shape.width;
  slots.forEach(({ slot }, i) => {
    if (slot !== i) pixels.copyWithin(i * size, slot * size, (slot + 1) * size);
  });
  return { pixels: pixels.subarray(0, slots.length * size), count: slots.length, ...shape };
}
