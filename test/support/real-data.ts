/** Where the real data sets lie, if they do: `FEWLABELS_DATA`, else `../shared/data` beside the repository. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";

export const dataRoot = process.env.FEWLABELS_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
export const cifar10Dir = join(dataRoot, "cifar-10-batches-bin");
export const cifar10LabelsDir = join(dataRoot, "cifar10-labels");
export const mnistDir = join(dataRoot, "mnist");

/** `describe`, skipped (saying so) where `path` is absent. */
export function describeData(path: string): (title: string, body: () => void) => void {
  const present = existsSync(path);
  return (title, body) => describe.skipIf(!present)(present ? title : `${title} (skipped: no ${path})`, body);
}
