/**
 * A folder that is being labelled: pictures, what people said of them, the test set, and the labels files that follow from it. Everything
 * stands in one folder beside nobody's pictures; several processes may have it open at once.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DataError, UsageError } from "../errors.js";
import { FolderLock } from "../files/lock/lock.js";
import { makeFolder } from "../files/write-whole.js";
import { Rng } from "../rng.js";
import { type Answer, createAnswers } from "./answers.js";
import { classWord } from "./class-word.js";
import { labelFilesOf, type NamedLabel, writeLabelFile } from "./label-files.js";
import { type Action, openLog } from "./log.js";
import { runsIn } from "./models.js";
import { type StudioPicture, type StudioPictures, studioPictures } from "./pictures.js";
import { openRecord } from "./record.js";
import { drawReserve, type TestSet, testSet } from "./reserve.js";

export interface StudioOptions {
  readonly dir: string;
  /** Where everything is written. */
  readonly out: string;
  readonly labelsFile?: string | undefined;
  readonly classes?: readonly string[];
  readonly testShare: number;
  readonly seed: number;
}

/** Answers as numbers: a class by its place, or one of these. */
export const [OPEN, SKIPPED, NO_CLASS] = [-1, -2, -3] as const;

export interface Changes {
  /** Rows whose answer changed. */
  readonly rows: readonly number[];
  /** The classes are others. */
  readonly classes: boolean;
  /** Classes that were there have other places: codes of all pictures may have changed. */
  readonly moved: boolean;
}

export interface Studio {
  readonly dir: string;
  readonly out: string;
  /** The two as they were given, for people. */
  readonly shown: { readonly dir: string; readonly out: string };
  /** Unlike that of any other list of pictures. */
  readonly key: string;
  readonly pictures: readonly StudioPicture[];
  readonly remarks: readonly string[];
  /** Classes are those of class folders; none can be added. */
  readonly fixed: boolean;
  readonly classes: readonly string[];
  readonly testShare: number;
  readonly seed: number;
  /** `[N]`: `OPEN`, `SKIPPED`, `NO_CLASS`, or the place of the class. */
  readonly codes: Int32Array;
  /** Rows that are for the test set, in the order in which they are asked. */
  readonly reserve: readonly number[];
  /** Pictures that cannot be read: nobody is asked about them. */
  markDamaged(rows: Iterable<number>): void;
  answerOf(row: number): Answer | undefined;
  tests(): TestSet;
  /** Throws UsageError where rows, class or name are none. */
  act(by: string, kind: "skip" | "none" | "clear", rows: readonly number[]): void;
  label(by: string, name: string, rows: readonly number[]): void;
  /** The rows that changed; none where there is nothing to undo. */
  undo(by: string): readonly number[];
  redo(by: string): readonly number[];
  addClass(by: string, name: string): void;
  dropClass(by: string, name: string): void;
  /** Takes in what other processes have written. */
  poll(): void;
  subscribe(listener: (changes: Changes) => void): () => void;
  /** Grows with every change. */
  readonly version: number;
  /** Labels for training: all but those of the test set. */
  trainRows(): NamedLabel[];
  /** Writes the labels files where something has changed; false where another process is writing them just now. Throws DiskError. */
  save(): boolean;
  close(): void;
}

const MOST_PERSON = 60;
const studioFiles = ["labels.csv", "train.csv", "test.csv", "answers.jsonl", "models.jsonl"];

/** Opens what is there, or begins. Throws UsageError where the folder holds something else, DataError where there is nothing to label. */
export function openStudio(options: StudioOptions): Studio {
  const [dir, out] = [resolve(options.dir), resolve(options.out)];
  const wanted = (options.classes ?? []).map(classWord);
  const list = () => studioPictures(dir, { labelsFile: options.labelsFile, except: out });
  const found = list();
  const { pictures, given, fixed, taken } = found;
  refuseOthers(options.out);
  makeFolder(out);
  const { seed, testShare } = options;
  const record = openRecord(join(out, "studio.json"), { dir, out: options.out }, () => {
    const open = pictures.flatMap(({ name }) => (given.has(name) ? [] : [name]));
    return { seed, testShare, reserve: drawReserve(open, testShare, Rng.fromSeed(seed)), fixed };
  });
  if (record.fixed && !fixed)
    throw new DataError(
      `${options.out}: its classes are the class folders of ${options.dir}, which are none any more: ${found.unfixed}. Put them back as they were, or begin anew with another folder for --out`,
    );
  const log = openLog(join(out, "answers.jsonl"));
  const rowOf = new Map(pictures.map(({ name }, row) => [name, row]));
  const answers = createAnswers(given, found.classes);
  const codes = new Int32Array(pictures.length);
  const listeners = new Set<(changes: Changes) => void>();
  const reserveRows = record.reserve.flatMap((name) => rowOf.get(name) ?? []);
  const reserved = new Set(record.reserve);
  const damaged = new Set<string>();
  let [version, saved] = [0, -1];
  /** What the labels files speak of: another process may have started when more pictures were there, and answers of them have come. */
  let listed: Pick<StudioPictures, "pictures" | "given"> = found;
  let [opened, outdated] = [false, false];

  const codeOf = (answer: Answer | undefined): number => {
    if (answer === undefined) return OPEN;
    if (answer.kind === "label") return answers.classes.indexOf(answer.class);
    return answer.kind === "none" ? NO_CLASS : SKIPPED;
  };
  const recode = (rows: Iterable<number>) => {
    for (const row of rows) codes[row] = codeOf(answers.of(pictures[row]!.name));
  };
  const poll = () => {
    const before = [...answers.classes];
    const touched = new Set<number>();
    let others = false;
    for (const action of log.read()) {
      for (const name of answers.apply(action)) {
        const row = rowOf.get(name);
        if (row !== undefined) touched.add(row);
        else others = opened;
      }
    }
    outdated ||= others;
    const same = before.every((name, k) => name === answers.classes[k]);
    const classes = !same || before.length !== answers.classes.length;
    recode(same ? touched : pictures.keys());
    if (touched.size > 0 || classes || others) version++;
    if (touched.size > 0 || classes) for (const tell of listeners) tell({ rows: [...touched], classes, moved: !same });
    return [...touched];
  };
  /** The name as the log has it. */
  const personOf = (by: string) => {
    if (by.length > MOST_PERSON) throw new UsageError(`a name has ${MOST_PERSON} characters at the most`);
    return by.replace(/\p{Cc}/gu, "");
  };
  const sign = (by: string) => ({
    id: randomBytes(9).toString("base64url"),
    at: new Date().toISOString(),
    by: personOf(by),
  });
  const write = (action: Action) => {
    log.append(action);
    return poll();
  };
  const namesOf = (rows: readonly number[]): string[] => {
    if (rows.length === 0) throw new UsageError("no picture is chosen");
    return [...new Set(rows)].map((row) => {
      const picture = pictures[row];
      if (!picture) throw new UsageError(`there is no picture ${row}`);
      return picture.name;
    });
  };
  const checked = (text: string): string => {
    // A labels file may have brought classes that nobody could name here.
    if (answers.classes.includes(text)) return text;
    const name = classWord(text);
    if (answers.classes.includes(name)) return name;
    if (fixed) throw new UsageError(`the classes are the class folders of ${dir}; "${name}" is none of them`);
    if (taken.has(name))
      throw new UsageError(
        `"${name}" is a folder in ${dir}, which training would take for its class: use another name`,
      );
    return name;
  };
  const relist = () => {
    outdated = false;
    try {
      const now = list();
      if (now.fixed === fixed) listed = now;
    } catch (error) {
      if (!(error instanceof DataError)) throw error; // a folder that has gone: the list stays as it was
    }
  };
  const labeled = (): NamedLabel[] => {
    if (outdated) relist();
    return listed.pictures.flatMap(({ name }) => {
      const row = rowOf.get(name);
      const code = row === undefined ? codeOf(answers.of(name)) : codes[row]!;
      const own = row === undefined && code === OPEN ? listed.given.get(name) : answers.classes[code];
      return own === undefined ? [] : [[name, own] as const];
    });
  };
  const studio: Studio = {
    dir,
    out,
    shown: { dir: options.dir, out: options.out },
    key: createHash("sha256")
      .update(JSON.stringify([dir, pictures.map(({ name }) => name)]))
      .digest("hex")
      .slice(0, 16),
    pictures,
    remarks: found.remarks,
    fixed,
    classes: answers.classes,
    testShare: record.testShare,
    seed: record.seed,
    codes,
    reserve: reserveRows,
    answerOf: (row) => answers.of(pictures[row]!.name),
    markDamaged(rows) {
      for (const row of rows) damaged.add(pictures[row]!.name);
      version++;
    },
    get version() {
      return version;
    },
    tests: () => testSet(record.reserve, (name) => rowOf.has(name) && !damaged.has(name), answers.of),
    act: (by, kind, rows) => void write({ ...sign(by), do: kind, files: namesOf(rows) }),
    label: (by, name, rows) => void write({ ...sign(by), do: "label", files: namesOf(rows), class: checked(name) }),
    undo(by) {
      const of = answers.undoable(personOf(by));
      return of === undefined ? [] : write({ ...sign(by), do: "undo", of });
    },
    redo(by) {
      const of = answers.redoable(personOf(by));
      return of === undefined ? [] : write({ ...sign(by), do: "undo", of });
    },
    addClass: (by, name) => void write({ ...sign(by), do: "add-class", class: checked(name) }),
    dropClass(by, name) {
      const k = answers.classes.indexOf(name);
      if (k < 0 || fixed || codes.includes(k))
        throw new UsageError(`the class "${name}" stays: ${k < 0 ? "there is none" : "pictures have it"}`);
      write({ ...sign(by), do: "drop-class", class: name });
    },
    poll,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    trainRows: () => labeled().filter(([name]) => !reserved.has(name)),
    save() {
      if (version === saved) return true;
      const now = version;
      const [all, train] = [labeled(), studio.trainRows()];
      // A run can be tested on the classes that it has been shown.
      const shown = new Set(train.map(([, own]) => own));
      const tests = studio
        .tests()
        .rows.flatMap(({ name, class: own }) => (shown.has(own) ? [[name, own] as const] : []));
      const files = labelFilesOf(out);
      const done = alone(out, () => {
        writeLabelFile(files.all, all);
        writeLabelFile(files.train, train);
        writeLabelFile(files.test, tests);
      });
      if (done) saved = now;
      return done;
    },
    close: () => log.close(),
  };
  poll();
  opened = true;
  recode(pictures.keys());
  for (const name of wanted) if (!answers.classes.includes(name)) studio.addClass("", name);
  return studio;
}

/** Where no studio was before, files of the names that it writes are somebody's own. */
function refuseOthers(out: string): void {
  if (existsSync(join(out, "studio.json"))) return;
  const own = studioFiles.filter((name) => existsSync(join(out, name)));
  if (runsIn(out).length > 0) own.push("runs");
  if (own.length === 0) return;
  const they = own.length === 1 ? "it" : "them";
  throw new UsageError(
    `${out}: has ${own.join(", ")} and is no folder of the labelling studio, which would write over ${they}. Give another folder with --out`,
  );
}

/** Does the work unless another process is at it. Throws DiskError where that cannot be told. */
function alone(folder: string, work: () => void): boolean {
  let lock: FolderLock;
  try {
    lock = FolderLock.take(folder);
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
  try {
    work();
    return true;
  } finally {
    lock.release();
  }
}
