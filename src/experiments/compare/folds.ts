/** Folds of the labeled training pictures, each an ordinary folder of pictures in which the held-out ones test. The test set is in none. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, linkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { DataError } from "../../errors.js";
import { fsPath, shownName } from "../../files/names.js";
import { makeFolder } from "../../files/write-whole.js";
import { atOnce, readContent } from "../../images/decode.js";
import type { FolderPictures } from "../../inference/folder-pictures.js";
import { rejectConflicts } from "../../labels/by-content.js";
import type { Rng } from "../../rng.js";

export interface Picture {
  readonly name: string;
  readonly path: string;
  /** Class, or -1. */
  readonly label: number;
  /** SHA-256 of the file. */
  readonly hash: string;
}

export interface Folds {
  readonly classes: readonly string[];
  readonly labeled: readonly Picture[];
  readonly unlabeled: readonly Picture[];
  /** Of each labeled picture the fold that it tests, 0 .. count - 1; -1: it is the only one of its class and always trains. */
  readonly of: Int32Array;
  readonly count: number;
  /** Changes with any picture, label or fold. */
  readonly fingerprint: string;
}

/**
 * Deals the different pictures of each class out to `wanted` folds, fewer where there are not two a fold; copies stay together. Pictures of the
 * test folder are left out. Throws DataError where no class has two different pictures, or one picture has two labels.
 */
export async function dealFolds(
  { files, classes }: Pick<FolderPictures, "files" | "classes">,
  dir: string,
  wanted: number,
  rng: Rng,
): Promise<Folds> {
  const used = files.filter(({ part }) => part !== "test");
  const hashes = new Map<number, string>();
  await atOnce(used.length, async (i) => {
    const content = await readContent(used[i]!.path);
    if (!("reason" in content)) hashes.set(i, createHash("sha256").update(content).digest("hex"));
  });
  const pictures = used.flatMap(({ name, path, label }, i): Picture[] => {
    const hash = hashes.get(i);
    return hash === undefined ? [] : [{ name, path, label, hash }];
  });
  const labeled = pictures.filter(({ label }) => label >= 0);
  rejectConflicts(
    "folder",
    labeled.map((picture) => ({ ...picture, part: "train" as const })),
    classes,
  );
  const different = new Set(labeled.map(({ hash }) => hash)).size;
  const count = Math.min(wanted, Math.floor(different / 2));
  const byClass = classes.map((_, k) =>
    [...new Set(labeled.flatMap(({ label, hash }) => (label === k ? [hash] : [])))].sort(),
  );
  if (count < 2 || !byClass.some((own) => own.length > 1)) {
    throw new DataError(
      `${dir}: ${different} different labeled pictures cannot be split into folds; that takes four, and a class with two. Label some more (\`fewlabels data suggest\`)`,
    );
  }
  const foldOf = new Map<string, number>();
  let next = 0; // goes on from class to class: folds of one size
  for (const [k, own] of byClass.entries()) {
    if (own.length < 2) continue;
    for (const hash of rng.split(`class:${k}`).shuffle(own)) foldOf.set(hash, next++ % count);
  }
  const of = Int32Array.from(labeled, ({ hash }) => foldOf.get(hash) ?? -1);
  const unlabeled = pictures.filter(({ label }) => label < 0);
  const sum = createHash("sha256").update(JSON.stringify({ classes, count }));
  for (const { name, label, hash } of pictures) sum.update(`${name}\n${label} ${hash} ${foldOf.get(hash)}\n`);
  return { classes, labeled, unlabeled, of, count, fingerprint: sum.digest("hex") };
}

/** Folder of fold 1 .. count. */
export const foldFolder = (out: string, fold: number) => join(out, "folds", `fold-${fold}`);

/** Makes `out/folds/fold-1` and so on, whole or not at all; files are links to the pictures, copies where a file system has none. */
export function writeFolds(out: string, folds: Folds): void {
  const [whole, part] = [join(out, "folds"), join(out, "folds.part")];
  rmSync(whole, { recursive: true, force: true });
  rmSync(part, { recursive: true, force: true });
  const { classes, labeled, unlabeled, of, count } = folds;
  const names = folderNames(classes);
  for (let fold = 0; fold < count; fold++) {
    const root = join(part, `fold-${fold + 1}`);
    const held = new Set(labeled.flatMap(({ hash }, i) => (of[i] === fold ? [hash] : [])));
    let number = 0;
    const put = (folder: string, { path }: Picture) => {
      makeFolder(join(root, folder));
      link(path, join(root, folder, `${String(number++).padStart(6, "0")}${extname(shownName(path)).toLowerCase()}`));
    };
    for (const [i, picture] of labeled.entries())
      put(join(of[i] === fold ? "test" : "train", names[picture.label]!), picture);
    for (const picture of unlabeled) if (!held.has(picture.hash)) put("unlabeled", picture);
  }
  renameSync(part, whole);
}

/** A class may be called what no folder may; then its number stands in, under a name that no other class has. */
function folderNames(classes: readonly string[]): string[] {
  const taken = new Set(classes.map((name) => name.toLowerCase())); // some file systems do not tell A from a
  return classes.map((name, k) => {
    if (/^[\p{L}\p{N}][\p{L}\p{N} _+-]*$/u.test(name)) return name;
    let standIn = `class-${k}`;
    while (taken.has(standIn)) standIn = `${standIn}-`;
    return standIn;
  });
}

function link(from: string, to: string): void {
  const source = fsPath(resolve(from));
  for (const way of [linkSync, symlinkSync]) {
    try {
      way(source, to);
      return;
    } catch {
      // Another file system, or one without links: the next way.
    }
  }
  copyFileSync(source, to);
}

export const foldsAreThere = (out: string) => existsSync(join(out, "folds"));
