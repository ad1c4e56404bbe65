/** Folders for what is to be written. */
import { mkdirSync } from "node:fs";
import { DataError } from "../errors.js";

/** Makes a folder and those above it. Throws DataError where that is not allowed, or a file is in the way. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new DataError(`cannot make the folder ${path}: ${(error as Error).message}`);
  }
}
