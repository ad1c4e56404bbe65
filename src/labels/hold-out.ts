/** Which pictures train and which test, where no test set is given: for folders and shards alike, by content. */
import { createHash } from "node:crypto";
import { DataError } from "../errors.js";
import type { Rng } from "../rng.js";
import { andMore, type Known } from "./by-content.js";

/**
 * Holds out round(share x n) of the n different labeled pictures of each class, one at least. The draw goes by content: copies of
 * one picture stay together, and an unlabeled copy of a test picture is left out of training. `who` (a data set) names itself in errors.
 * Throws DataError where a class has fewer than two different pictures.
 */
export function holdOut<T extends Known>(
  who: string,
  known: readonly T[],
  classes: readonly string[],
  share: number,
  rng: Rng,
): T[] {
  const tested = new Set<string>();
  const small: string[] = [];
  classes.forEach((name, k) => {
    const hashes = [...new Set(known.filter(({ label }) => label === k).map(({ hash }) => hash))].sort();
    if (hashes.length < 2) small.push(`"${name}" (${hashes.length})`);
    const wanted = Math.min(hashes.length - 1, Math.max(1, Math.round(share * hashes.length)));
    for (const hash of rng.split(name).shuffle(hashes).slice(0, Math.max(0, wanted))) tested.add(hash);
  });
  if (small.length > 0) {
    throw new DataError(
      `${who}: classes with too few readable pictures: ${small.slice(0, 5).join(", ")}${andMore(small.length - 5)}. ` +
        `Each needs two, one to train and one to test with (or ${testAdvice(who)})`,
    );
  }
  return known
    .filter(({ label, hash }) => label >= 0 || !tested.has(hash))
    .map((picture) => (tested.has(picture.hash) ? { ...picture, part: "test" } : picture));
}

function testAdvice(who: string): string {
  if (who === "shards") return "give --dataset.testShards";
  return `put test pictures into DIR/${who === "imagenet" ? "val" : "test"}/<class>`;
}

/** Throws DataError where a class has nothing to train on, or nothing at all is left to test with. */
export function checkClasses(who: string, kept: readonly Known[], classes: readonly string[]): void {
  const trained = new Set(kept.flatMap(({ part, label }) => (part === "train" ? [label] : [])));
  const empty = classes.filter((_, k) => !trained.has(k)).map((name) => `"${name}"`);
  if (empty.length > 0) {
    throw new DataError(
      `${who}: no readable picture to train on is left of class ${empty.slice(0, 5).join(", ")}${andMore(empty.length - 5)}`,
    );
  }
  if (!kept.some(({ part }) => part === "test")) {
    throw new DataError(
      `${who}: no readable picture with a label is there to test with, so there is no error to report; ${testAdvice(who)}`,
    );
  }
}

/** Over contents and labels in order, not over pixels: decoders may round differently on another machine. `about`: what else counts. */
export function fingerprintOf(about: readonly unknown[], kept: readonly Known[]): string {
  const hash = createHash("sha256").update(JSON.stringify(about));
  for (const part of ["train", "test"]) {
    hash.update(`${part}\n`);
    for (const { hash: content, label, part: own } of kept) {
      if ((own === "test") === (part === "test")) hash.update(`${content} ${label}\n`);
    }
  }
  return hash.digest("hex");
}
