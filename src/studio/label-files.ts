/** The labels as files that every command takes: `file,label`, whole and in the order of the pictures. */
import { join } from "node:path";
import { writeWhole } from "../files/write-whole.js";
import { csvField } from "../labels/write-labels.js";

export interface LabelFiles {
  /** All labels; those to train on; those that only test. */
  readonly all: string;
  readonly train: string;
  readonly test: string;
}

export const labelFilesOf = (folder: string): LabelFiles => ({
  all: join(folder, "labels.csv"),
  train: join(folder, "train.csv"),
  test: join(folder, "test.csv"),
});

export type NamedLabel = readonly [file: string, label: string];

/** A file without labels has its header alone. Throws DiskError where it cannot be written. */
export function writeLabelFile(path: string, rows: readonly NamedLabel[]): void {
  writeWhole(
    path,
    ["file,label", ...rows.map(([file, label]) => `${nameField(file)},${csvField(label)}`), ""].join("\n"),
  );
}

/** What a spreadsheet would take for a formula gets a "./" in front: the same picture for whoever reads the file. */
function nameField(file: string): string {
  return csvField(/^[=+\-@\t\r]/.test(file) ? `./${file}` : file);
}
