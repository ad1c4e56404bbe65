/** A table of predictions on disk for tests: mostly right, never certain. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rng } from "../../src/rng.js";
import { type TableInfo, writePredictionTable } from "../../src/targets/index.js";

/** Rows of probabilities: row i leans to class i mod K. */
export function tinyProbs(rows: number, numClasses: number): number[][] {
  const rng = Rng.fromSeed(11);
  return Array.from({ length: rows }, (_, i) => {
    const weights = Array.from({ length: numClasses }, (_, k) => rng.float() + 0.1 + (k === i % numClasses ? 1 : 0));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / sum);
  });
}

export function tinyInfo(rows: number, numClasses: number, more: Partial<TableInfo> = {}): TableInfo {
  const classes = Array.from({ length: numClasses }, (_, k) => `class ${k}`);
  return { rows, classes, dtype: "float32", dataFingerprint: "tiny", source: "test", ...more };
}

let folder: string | undefined;

/** Path of a table of that size, removed when the process ends. */
export function tinyTable(rows: number, numClasses: number): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "fewlabels-table-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const path = join(folder, `${rows}x${numClasses}.table`);
  writePredictionTable(path, tinyInfo(rows, numClasses), [Float32Array.from(tinyProbs(rows, numClasses).flat())]);
  return path;
}
