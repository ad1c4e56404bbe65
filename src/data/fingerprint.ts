/** A data set's fingerprint: what a run folder records, and what a checkpoint is checked against. */
import { createHash, type Hash } from "node:crypto";
import type { ImageSet } from "../images/image-set.js";
import type { DataSet } from "./dataset.js";

/** SHA-256 (hex) over shape, pixels and labels of the training and the test images, in order. */
export function fingerprint({ train, test }: Pick<DataSet, "train" | "test">): string {
  const hash = createHash("sha256");
  for (const set of [train, test]) {
    hash.update(describe(set));
    updateInPieces(hash, set.pixels);
    hash.update(set.labels);
  }
  return hash.digest("hex");
}

function describe({ pixels, count, channels, height, width }: ImageSet): string {
  return `${pixels instanceof Uint8Array ? "uint8" : "float32"} ${count} ${channels} ${height} ${width}\n`;
}

/** Node hashes at most 2 GiB at once. `most`: bytes of a piece. */
export function updateInPieces(hash: Pick<Hash, "update">, data: ImageSet["pixels"], most = 2 ** 30): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let from = 0; from < bytes.length; from += most) hash.update(bytes.subarray(from, from + most));
}
