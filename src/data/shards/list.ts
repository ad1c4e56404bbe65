/**
 * Which shards are meant: paths with brace ranges (`pool-{000000..000099}.tar`), commas between patterns, or a folder.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError, UsageError } from "../../errors.js";
import { byCodeUnits } from "../../images/image-files.js";

/** More shards than this are a slip of the keyboard. */
const maxShards = 1_000_000;

/**
 * The paths of `pattern`, in its order; of a folder, its `.tar` files in the order of their code units. They need not
 * exist. Throws UsageError on a malformed range, DataError on a folder without shards.
 */
export function listShards(pattern: string): string[] {
  const paths = splitOutside(pattern).flatMap((part) => expandBraces(part.trim()));
  if (paths.length === 0) throw new UsageError(`shards: "${pattern}" names no shard`);
  return paths.flatMap((path) => {
    if (!isFolder(path)) return [path];
    const names = readdirSync(path).filter((name) => name.endsWith(".tar") && !name.startsWith("."));
    if (names.length === 0) {
      throw new DataError(`shards: there are no .tar files in the folder ${path}. \`fewlabels data pack\` makes some`);
    }
    return names.sort(byCodeUnits).map((name) => join(path, name));
  });
}

/** `a{00..11}b` and `a{x,y}b`, any number of them, the last varying fastest. Zeros in front are kept. */
export function expandBraces(pattern: string): string[] {
  if (pattern === "") return [];
  const match = /\{([^{}]*)\}/.exec(pattern);
  if (!match) {
    if (/[{}]/.test(pattern)) throw new UsageError(`shards: unbalanced braces in "${pattern}"`);
    return [pattern];
  }
  const [before, after] = [pattern.slice(0, match.index), pattern.slice(match.index + match[0].length)];
  const rest = after === "" ? [""] : expandBraces(after);
  const words = wordsOf(match[1]!, pattern);
  if (words.length * rest.length > maxShards) {
    throw new UsageError(`shards: "${pattern}" stands for more than ${maxShards} files`);
  }
  return words.flatMap((word) => rest.map((tail) => `${before}${word}${tail}`));
}

function wordsOf(inner: string, pattern: string): string[] {
  if (inner.includes(",")) return inner.split(",");
  const range = /^(\d{1,15})\.\.(\d{1,15})$/.exec(inner);
  const [first, last] = [Number(range?.[1]), Number(range?.[2])];
  if (!range || last < first || last - first >= maxShards) {
    throw new UsageError(
      `shards: expected a range such as {000000..000099} or a list such as {a,b} in "${pattern}", got {${inner}}`,
    );
  }
  const width = range[1]!.length;
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i).padStart(width, "0"));
}

/** Splits at commas that are in no braces. */
function splitOutside(pattern: string): string[] {
  return pattern.split(/,(?![^{]*\})/);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
