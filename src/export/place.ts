/** Where an export may be written: --force replaces earlier exports, and nothing else. */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { UsageError } from "../errors.js";

/** One of these is in every folder that `export` writes. */
const marks = ["model.safetensors", "model.json", "golden.json"];

export interface Place {
  readonly out: string;
  /** Whether a single file is written. */
  readonly isFile: boolean;
  readonly force: boolean;
}

/** Throws UsageError where `out` is there and may not be replaced. */
export function checkPlace(run: string, { out, isFile, force }: Place): void {
  if (!existsSync(out)) return;
  const folder = statSync(out).isDirectory();
  if (folder && isFile)
    throw new UsageError(`${out} is a folder. Give a file with --out, such as ${join(out, "model.onnx")}`);
  const names = folder ? readdirSync(out) : [];
  if (folder && names.length === 0 && !holds(out, process.cwd())) return;
  if (!force) throw new UsageError(`${out} is already there. Give another --out, or --force to replace it`);
  if (!folder) return;
  if (holds(out, run))
    throw new UsageError(`${out} holds the run itself, which --force would remove. Give another --out`);
  if (holds(out, process.cwd())) throw new UsageError(`${out} holds the working folder. Give another --out`);
  if (!marks.some((name) => names.includes(name)))
    throw new UsageError(
      `${out} is no earlier export, and --force replaces nothing else. Give another --out, or remove it yourself`,
    );
}

/** Whether `path` is `folder` or lies in it. */
function holds(folder: string, path: string): boolean {
  if (!existsSync(path)) return false; // a run that is none is told by who opens it
  const way = relative(realpathSync(folder), realpathSync(path));
  return way === "" || !(way === ".." || way.startsWith("../") || way.startsWith("..\\"));
}
