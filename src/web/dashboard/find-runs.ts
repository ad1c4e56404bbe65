/** Run folders below a folder. */
import { type Dirent, existsSync, readdirSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";

/** Folders deeper than this below the one given are not looked into. */
const DEPTH = 4;
/** More than this are left out: a page of them helps nobody. */
const MOST = 5000;

export interface FoundRuns {
  /** Paths below `root`, with "/", in name order; "." for `root` itself. */
  readonly ids: readonly string[];
  readonly leftOut: number;
}

/** A run folder has a config.json, and metrics.jsonl or checkpoints/ beside it. Links are not followed: they may lead anywhere. */
export function findRuns(root: string): FoundRuns {
  const ids: string[] = [];
  const look = (below: string, depth: number): void => {
    const entries = entriesOf(join(root, below));
    const names = new Set(entries.map(({ name }) => name));
    if (names.has("config.json") && (names.has("metrics.jsonl") || names.has("checkpoints"))) {
      ids.push(below === "" ? "." : below);
      return;
    }
    if (depth === DEPTH) return;
    const folders = entries.filter(
      (one) => one.isDirectory() && !one.name.startsWith(".") && one.name !== "node_modules",
    );
    for (const { name } of folders) look(below === "" ? name : `${below}/${name}`, depth + 1);
  };
  look("", 0);
  ids.sort();
  return { ids: ids.slice(0, MOST), leftOut: Math.max(0, ids.length - MOST) };
}

/** None of a folder that cannot be read. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** True where `id` is one of those paths, written as `findRuns` writes them, and leads to a run below `root`; nothing else is opened. */
export function isRunId(root: string, id: string): boolean {
  // A backslash is a letter like others where it does not stand between folders.
  const isBad = (part: string) => part === "" || /^\.|\0/.test(part) || (sep !== "/" && part.includes(sep));
  if (id !== "." && id.split("/").some(isBad)) return false;
  if (!existsSync(join(root, id, "config.json"))) return false;
  const [top, real] = [realpathSync(root), realpathSync(join(root, id))];
  return real === top || real.startsWith(top + sep);
}
