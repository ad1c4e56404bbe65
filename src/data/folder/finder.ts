/** Finds pictures by the names that label files use. */
import { posix, resolve, sep } from "node:path";
import { DataError } from "../../errors.js";
import { shownName } from "../../files/names.js";
import { composed } from "../../labels/class-names.js";

export interface Findable {
  readonly name: string;
  readonly path: string;
}

/** Position of a picture, or undefined. Throws DataError where a name may be one of several. */
export type PictureFinder = (name: string) => number | undefined;

/**
 * Takes the path in the data folder, in the folder of unlabeled pictures or in that of the class folders, an absolute path, or the file
 * name alone where only one file has it. `who` (a data set) names itself in errors. `roots`: the data folder first; of those outside it, none wins where a name leads to two pictures.
 */
export function pictureFinder(files: readonly Findable[], roots: readonly string[], who = "folder"): PictureFinder {
  const byPath = new Map(files.map(({ path }, i) => [key(path), i]));
  // Two names may differ in how their accents are written alone.
  const byExactPath = new Map(files.map(({ path }, i) => [exactly(path), i]));
  const byFileName = new Map<string, number[]>();
  files.forEach(({ path }, i) => {
    const own = posix.basename(key(path));
    const same = byFileName.get(own);
    if (same) same.push(i);
    else byFileName.set(own, [i]);
  });
  const [dir = "."] = roots;
  const [inside, outside] = [roots.filter((root) => isInside(dir, root)), roots.filter((root) => !isInside(dir, root))];
  const under = (of: readonly string[], name: string) =>
    of
      .map((root) => resolve(root, name))
      .map((path) => byExactPath.get(exactly(path)) ?? byPath.get(key(path)))
      .find((at) => at !== undefined);
  return (name) => {
    const found = [...new Set([under(inside, name), under(outside, name)])].filter((at) => at !== undefined);
    if (found.length > 1) throw severalMean(who, name, files, found, ` (such as ${files[found[1]!]!.name})`);
    if (found.length === 1) return found[0];
    const alike = name.includes("/") ? [] : (byFileName.get(composed(name)) ?? []);
    const own = alike.filter((i) => posix.basename(exactly(files[i]!.path)) === name);
    const same = own.length === 1 ? own : alike;
    if (same.length > 1) throw severalMean(who, name, files, same, "");
    return same[0];
  };
}

function severalMean(
  who: string,
  name: string,
  files: readonly Findable[],
  found: readonly number[],
  or: string,
): DataError {
  const examples = found.slice(0, 2).map((i) => files[i]!.name);
  return new DataError(
    `${who}: "${name}" in the labels file may be ${examples.join(" or ")}; write the path from the data folder${or}, or the whole path`,
  );
}

function isInside(dir: string, path: string): boolean {
  const [outer, inner] = [key(dir), key(path)];
  return inner === outer || inner.startsWith(`${outer}/`);
}

function key(path: string): string {
  return composed(exactly(path));
}

function exactly(path: string): string {
  return slashed(shownName(resolve(path)));
}

export function slashed(path: string): string {
  return sep === "/" ? path : path.replaceAll(sep, "/");
}
