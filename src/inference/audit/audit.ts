/** What is probably wrong with a folder of pictures: labels, copies, copies across training and test, pictures like no other. */
import { farOut, loneliness } from "../../features/alike.js";
import { labelErrors } from "../../features/confident.js";
import { rowsOf } from "../../features/logistic.js";
import { outOfFold } from "../../features/out-of-fold.js";
import { Rng } from "../../rng.js";
import { setThreads } from "../../torch/index.js";
import { folderPictures } from "../folder-pictures.js";
import { type Copy, findCopies } from "./copies.js";
import { type AuditPictures, type ReadOptions, readForAudit } from "./pictures.js";

export interface AuditOptions extends ReadOptions {
  readonly labelsFile?: string | undefined;
  /** Parts the labeled pictures are judged in, each by a classifier fitted to the others; default 5. */
  readonly folds?: number;
  readonly seed?: number;
}

export const PROBLEMS = ["label", "copy-in-test", "near-copy-in-test", "copy", "near-copy", "outlier"] as const;
export type Problem = (typeof PROBLEMS)[number];

interface Named {
  /** As labels files call it. */
  readonly file: string;
  readonly path: string;
  readonly part: "train" | "test" | "unlabeled";
  /** Name of the class, "" where none is known. */
  readonly label: string;
}

export interface Finding extends Named {
  readonly problem: Problem;
  /** label: the class it probably has. */
  readonly suggested?: string;
  /** Copies: what it is a copy of. */
  readonly other?: Named;
  /** label: p of the suggested class less p of its label; copies: cosine of the small versions; outlier: 1 less the mean cosine to its neighbors. */
  readonly score: number;
}

export interface AuditReport {
  readonly dir: string;
  readonly train: number;
  readonly unlabeled: number;
  readonly test: number;
  /** Numbers a picture, and where they come from. */
  readonly features: { readonly size: number; readonly from: string };
  /** Undefined where no label can be judged. */
  readonly labels?: {
    readonly judged: number;
    /** Percent of the labels that the classifiers disagree with out of fold: wrong labels and errors of their own. */
    readonly disagreement: number;
    /** Percent of wrong labels as confident learning estimates them. */
    readonly estimatedWrong: number;
    readonly l2: number;
  };
  /** By problem in the order of `PROBLEMS`, the surest of each first. */
  readonly findings: readonly Finding[];
  readonly damaged: readonly { readonly file: string; readonly reason: string }[];
  readonly remarks: readonly string[];
}

/** Reads every picture. Throws DataError where the folder is none or holds no readable picture, UsageError where the source is none. */
export async function auditFolder(dir: string, options: AuditOptions = {}): Promise<AuditReport> {
  const { labelsFile, folds = 5, seed = 1, source, threads } = options;
  if (threads !== undefined) setThreads(threads);
  const rng = Rng.fromSeed(seed);
  const { files, classes, remarks: told } = folderPictures(dir, { labelsFile, fewestFolders: 0, fewestNamed: 1 });
  const read = await readForAudit(dir, files, options, rng);
  const { pictures, features, size } = read;
  const named = (row: number): Named => {
    const { name, path, part, label } = pictures[row]!;
    // In a flat folder what a labels file names is trained on.
    return { file: name, path, part: part === "unlabeled" && label >= 0 ? "train" : part, label: classes[label] ?? "" };
  };
  const { copies, groups } = findCopies(read);
  const remarks = [...told];
  const judged = judgeLabels(read, classes, groups, folds, rng, remarks);
  const lonely = loneliness(features, size);
  const found: Finding[] = [
    ...(judged?.doubts ?? []).map(({ row, suggested, margin }) => ({
      ...named(row),
      problem: "label" as const,
      suggested: classes[suggested]!,
      score: margin,
    })),
    ...copies.map(({ kind, row, other, similarity }: Copy) => ({
      ...named(row),
      problem: kind,
      other: named(other),
      score: similarity,
    })),
    ...farOut(lonely).map((row) => ({ ...named(row), problem: "outlier" as const, score: lonely[row]! })),
  ];
  const parts = pictures.map((_, row) => named(row).part);
  const countOf = (part: Named["part"]) => parts.filter((one) => one === part).length;
  return {
    dir,
    train: countOf("train"),
    unlabeled: countOf("unlabeled"),
    test: countOf("test"),
    features: { size, from: source ?? "pixels" },
    ...(judged && { labels: judged.labels }),
    findings: PROBLEMS.flatMap((problem) => found.filter((one) => one.problem === problem)),
    damaged: read.damaged,
    remarks,
  };
}

function judgeLabels(
  { pictures, features, size }: AuditPictures,
  classes: readonly string[],
  groups: Int32Array,
  folds: number,
  rng: Rng,
  remarks: string[],
) {
  const K = classes.length;
  const different = Array.from({ length: K }, () => new Set<number>());
  for (const [row, { label }] of pictures.entries()) if (label >= 0) different[label]!.add(groups[row]!);
  const few = classes.filter((_, k) => different[k]!.size < 2);
  const rows = [...pictures.keys()].filter((row) => (different[pictures[row]!.label]?.size ?? 0) >= 2);
  if (K - few.length < 2) {
    remarks.push("no labels are judged: that takes two classes with two different pictures each");
    return undefined;
  }
  if (few.length > 0) {
    const some = few.slice(0, 5).map((name) => `"${name}"`);
    remarks.push(
      `not judged, since they have one picture or none: ${some.join(", ")}${few.length > 5 ? ` and ${few.length - 5} more` : ""}`,
    );
  }
  const y = Int32Array.from(pictures, ({ label }) => label);
  const examples = rowsOf({ features, size, y, numClasses: K }, rows);
  const own = Int32Array.from(rows, (row) => groups[row]!);
  const parts = Math.min(folds, new Set(own).size);
  const { probabilities, error, l2 } = outOfFold(examples, own, parts, rng.split("folds"));
  const { doubts, joint } = labelErrors({ probabilities, y: examples.y, numClasses: K });
  const right = Array.from({ length: K }, (_, k) => joint[k * K + k]!).reduce((a, b) => a + b, 0);
  return {
    doubts: doubts.map((doubt) => ({ ...doubt, row: rows[doubt.row]! })),
    labels: { judged: rows.length, disagreement: error, estimatedWrong: 100 * Math.max(0, 1 - right), l2 },
  };
}
