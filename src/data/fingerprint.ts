/** A data set's fingerprint: what a run folder records, and what a checkpoint is checked against. */
import { createHash } from "node:crypto";
import type { ImageSet } from "../images/image-set.js";
import type { DataSet } from "./dataset.js";

/** SHA-256 (hex) over shape, pixels and labels of the training and the test images, in order. */
export function fingerprint({ train, test }: Pick<DataSet, "train" | "test">): string {
  const hash = createHash("sha256");
  for (const set of [train, test]) {
    hash.update(describe(set));
    hash.update(set.pixels);
    hash.update(set.labels);
  }
  return hash.digest("hex");
}

function describe({ pixels, count, channels, height, width }: ImageSet): string {
  return `${pixels instanceof Uint8Array ? "uint8" : "float32"} ${count} ${channels} ${height} ${width}\n`;
}
