// A folder that is being labelled: its pictures and classes, the test set, two processes, the files that follow.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scanFolder } from "../../src/data/folder/layout.js";
import { DataError } from "../../src/errors.js";
import { folderPictures } from "../../src/inference/folder-pictures.js";
import { Rng } from "../../src/rng.js";
import { createQueue } from "../../src/studio/queue.js";
import { drawReserve, testSet } from "../../src/studio/reserve.js";
import { type Changes, NO_CLASS, OPEN, openStudio, SKIPPED } from "../../src/studio/studio.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
let made = 0;
/** Files that nobody opens: names are all that counts here. */
function pictures(names: readonly string[]): string {
  const dir = join(folder, `pictures-${++made}`);
  for (const name of names) {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), "");
  }
  return dir;
}
const twenty = Array.from({ length: 20 }, (_, i) => `p${String(i).padStart(2, "0")}.png`);
const open = (dir: string, more: Partial<Parameters<typeof openStudio>[0]> = {}) =>
  openStudio({ dir, out: join(folder, `labels-${made}`), testShare: 0.2, seed: 1, ...more });

describe("pictures and classes", () => {
  test("a flat folder has no classes until somebody names them", () => {
    const studio = open(pictures(twenty), { classes: ["cat"] });
    expect(studio.pictures.map(({ name }) => name)).toEqual(twenty);
    expect(studio.classes).toEqual(["cat"]);
    studio.label("Ann", "dog", [0, 1]);
    studio.act("Ann", "skip", [2]);
    studio.act("Ann", "none", [3]);
    expect([...studio.codes.subarray(0, 5)]).toEqual([1, 1, SKIPPED, NO_CLASS, OPEN]);
    expect(() => studio.label("", "dog", [99])).toThrow(/no picture 99/);
    expect(() => studio.label("", "dog", [])).toThrow(/no picture is chosen/);
    expect(() => studio.label("", "=1", [0])).toThrow(/formula/);
    expect(() => studio.dropClass("", "dog")).toThrow(/pictures have it/);
    studio.dropClass("", "cat");
    expect([studio.classes, studio.codes[0]]).toEqual([["dog"], 0]);
    studio.close();
  });

  test("a class that was dropped comes back with the label that an undo brings back", () => {
    const studio = open(pictures(twenty), { classes: ["cat", "dog"] });
    studio.label("Ann", "dog", [0]);
    studio.undo("Ann");
    studio.dropClass("Ann", "dog");
    studio.redo("Ann");
    expect([studio.classes, studio.codes[0]]).toEqual([["cat", "dog"], 1]);
    studio.act("Ann", "clear", [0]);
    studio.dropClass("Ann", "dog");
    studio.undo("Ann");
    expect([studio.classes, studio.codes[0]]).toEqual([["cat", "dog"], 1]);
    studio.close();
  });

  test("a name with characters that cannot be seen takes back and does again its own answers", () => {
    const studio = open(pictures(twenty), { classes: ["cat"] });
    studio.label("Ann\t", "cat", [0]);
    expect(studio.undo("Ann\t")).toEqual([0]);
    expect(studio.redo("Ann")).toEqual([0]);
    studio.close();
  });

  test("class folders give labels where something is left to label, and are the only classes then", () => {
    const dir = pictures(["cat/a.png", "dog/b.png", "unlabeled/c.png", "test/cat/d.png"]);
    const studio = open(dir);
    expect(studio.pictures.map(({ name }) => name).sort()).toEqual(["cat/a.png", "dog/b.png", "unlabeled/c.png"]);
    expect(studio.trainRows()).toEqual([
      ["cat/a.png", "cat"],
      ["dog/b.png", "dog"],
    ]);
    expect(() => studio.addClass("", "bird")).toThrow(/class folders/);
    expect(studio.remarks.join()).toMatch(/1 pictures in a test folder/);
    studio.close();
  });

  test("class folders stay classes on the next start, whatever the studio has left in the folder", () => {
    const dir = pictures(["cat/a.png", "dog/b.png", "unlabeled/c.png", "unlabeled/d.png"]);
    for (const out of [join(dir, "labels", "x"), join(dir, "mine")]) {
      const first = open(dir, { out });
      first.label("", "cat", [2]);
      first.save();
      first.close();
      for (const left of ["runs/lock", "export/web/golden/0.png", "runs/0001/log.png"]) {
        const again = open(dir, { out });
        expect([again.fixed, again.classes, again.pictures.length]).toEqual([true, ["cat", "dog"], 4]);
        again.save();
        again.close();
        expect(readFileSync(join(out, "labels.csv"), "utf8")).toBe(
          "file,label\ncat/a.png,cat\ndog/b.png,dog\nunlabeled/c.png,cat\n",
        );
        mkdirSync(join(out, left, ".."), { recursive: true });
        writeFileSync(join(out, left), "");
      }
      expect(scanFolder(dir, { labelsFile: join(out, "train.csv") }).classes).toEqual(["cat", "dog"]);
    }
    expect(() => open(dir).addClass("", "labels")).toThrow(/class folders/);
  });

  test("classes of class folders that have gone are refused, and nothing is written over", () => {
    const dir = pictures(["cat/a.png", "dog/b.png", "unlabeled/c.png"]);
    const first = open(dir);
    first.save();
    first.close();
    const labels = readFileSync(join(first.out, "labels.csv"), "utf8");
    rmSync(join(dir, "dog/b.png"));
    expect(() => open(dir)).toThrow(DataError);
    expect(() => open(dir)).toThrow(/class folders of .* none any more: .*dog holds no pictures.*--out/);
    expect(readFileSync(join(first.out, "labels.csv"), "utf8")).toBe(labels);
  });

  test("the studio's own folder is none of the pictures'", () => {
    const dir = pictures(["a.png", "b.png"]);
    for (const _ of [1, 2]) {
      const studio = open(dir, { out: join(dir, "labels", "x") });
      studio.addClass("", "labels");
      expect([studio.remarks, studio.classes]).toEqual([[], ["labels"]]);
      studio.close();
    }
    expect(folderPictures(dir).files).toHaveLength(2);
  });

  test("folders that would leave nothing to label are mere folders, and no class may be called like one", () => {
    const studio = open(pictures(["2023/a.png", "2024/b.png"]));
    expect([studio.classes, studio.pictures.length]).toEqual([[], 2]);
    expect(() => studio.label("", "2023", [0])).toThrow(/another name/);
    studio.close();
  });

  test("a folder's name is no class however its accents are composed", () => {
    for (const name of ["cafe\u0301", "caf\u00e9"]) {
      const studio = open(pictures([`${name}/a.png`, "other/b.png"]));
      for (const word of ["cafe\u0301", "caf\u00e9"]) expect(() => studio.addClass("", word)).toThrow(/another name/);
      studio.close();
    }
  });

  test("what the studio writes into the very folder is no picture of it", () => {
    const dir = pictures(twenty);
    mkdirSync(join(dir, "labels", "x"), { recursive: true });
    writeFileSync(join(dir, "labels", "x", "sheet.png"), "");
    const studio = open(dir, { out: join(dir, "labels", "x") });
    expect(studio.pictures).toHaveLength(20);
    studio.close();
  });

  test("files of somebody else's are not written over, and what a studio wrote is opened again", () => {
    for (const name of ["labels.csv", "train.csv", "test.csv", "answers.jsonl", "models.jsonl", "runs/0001/x"]) {
      const dir = pictures(twenty);
      const path = join(dir, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "mine\n");
      expect(() => open(dir, { out: dir }).save()).toThrow(/has .* and is no folder of the labelling studio/);
      expect(readFileSync(path, "utf8")).toBe("mine\n");
      expect(existsSync(join(dir, "studio.json"))).toBe(false);
    }
    const dir = pictures(twenty);
    for (const _ of [1, 2]) {
      const studio = open(dir, { out: dir });
      expect(studio.save()).toBe(true);
      studio.close();
    }
  });

  test("a damaged studio.json is said to be, and that the answers are safe", () => {
    const dir = pictures(twenty);
    const studio = open(dir);
    studio.label("", "cat", [0]);
    studio.close();
    const path = join(studio.out, "studio.json");
    const record = JSON.parse(readFileSync(path, "utf8"));
    const spoilt = [{ seed: "1" }, { testShare: 2 }, { reserve: [1] }, { reserve: "" }, { dir: 3 }, { fixed: 1 }];
    const texts = ["", readFileSync(path, "utf8").slice(0, 20), "null", "[]"];
    for (const text of [...texts, ...spoilt.map((one) => JSON.stringify({ ...record, ...one }))]) {
      writeFileSync(path, text);
      expect(() => open(dir)).toThrow(DataError);
      expect(() => open(dir)).toThrow(/studio\.json: is damaged.*safe in answers\.jsonl/);
    }
    writeFileSync(path, JSON.stringify(record));
    expect(open(dir).codes[0]).toBe(0);
  });

  test("classes of a labels file can be given whatever they are called", () => {
    const dir = pictures(twenty);
    const labelsFile = join(folder, "signs.csv");
    writeFileSync(labelsFile, "file,label\np00.png,+\np01.png,-\n");
    const studio = open(dir, { labelsFile });
    studio.label("", "+", [2]);
    expect(studio.codes[2]).toBe(studio.classes.indexOf("+"));
    expect(() => studio.label("", "=", [3])).toThrow(/formula/);
    studio.close();
  });

  test("a labels file may know one class so far", () => {
    const dir = pictures(twenty);
    const labelsFile = join(folder, "one.csv");
    writeFileSync(labelsFile, "file,label\np00.png,cat\n");
    const studio = open(dir, { labelsFile });
    studio.label("", "dog", [1]);
    expect(studio.classes).toEqual(["cat", "dog"]);
    studio.close();
  });

  test("a labels file gives labels; another folder's studio is refused", () => {
    const dir = pictures(twenty);
    const labelsFile = join(folder, "given.csv");
    writeFileSync(labelsFile, "file,label\np00.png,cat\np01.png,dog\n");
    const studio = open(dir, { labelsFile });
    expect(studio.trainRows()).toEqual([
      ["p00.png", "cat"],
      ["p01.png", "dog"],
    ]);
    expect(studio.reserve.some((row) => row < 2)).toBe(false);
    studio.close();
    expect(() => openStudio({ dir: pictures(["x.png"]), out: studio.out, testShare: 0.2, seed: 1 })).toThrow(
      /holds the labels of .*--out/,
    );
  });
});

describe("two at once", () => {
  test("a class that went while others came has moved the places, however many there are then", () => {
    const dir = pictures(twenty);
    const options = { testShare: 0, classes: ["a", "b"] };
    const [mine, theirs] = [open(dir, options), open(dir, options)];
    const seen: Changes[] = [];
    theirs.subscribe((changes) => seen.push(changes));
    mine.label("", "b", [0]);
    theirs.poll();
    mine.dropClass("", "a");
    for (const name of ["c", "d"]) mine.addClass("", name);
    theirs.poll();
    mine.addClass("", "e");
    theirs.poll();
    expect(seen.map(({ classes, moved }) => [classes, moved])).toEqual([
      [false, false],
      [true, true],
      [true, false],
    ]);
    expect([theirs.classes, theirs.codes[0]]).toEqual([["b", "c", "d", "e"], 0]);
    mine.close();
    theirs.close();
  });

  test("one that started before a picture came writes the label that the other gave it", () => {
    const dir = pictures(twenty);
    const early = open(dir, { testShare: 0 });
    writeFileSync(join(dir, "late.png"), "");
    const late = open(dir, { testShare: 0 });
    late.label("", "cat", [late.pictures.findIndex(({ name }) => name === "late.png")]);
    late.save();
    early.poll();
    early.label("", "dog", [2]);
    const before = early.version;
    expect([early.save(), early.codes.length]).toEqual([true, 20]);
    const labels = () => readFileSync(join(early.out, "labels.csv"), "utf8");
    expect(labels()).toBe("file,label\nlate.png,cat\np02.png,dog\n");
    expect(early.trainRows()).toHaveLength(2);
    late.undo("");
    early.poll();
    expect(early.version).toBeGreaterThan(before);
    early.save();
    expect(labels()).toBe("file,label\np02.png,dog\n");
    early.close();
    late.close();
  });

  test("each sees what the other did, and the labels files hold both", () => {
    const dir = pictures(twenty);
    const [mine, theirs] = [open(dir, { testShare: 0 }), open(dir, { testShare: 0 })];
    const seen: (readonly number[])[] = [];
    theirs.subscribe(({ rows }) => seen.push(rows));
    mine.label("Ann", "cat", [4]);
    theirs.label("Bo", "dog", [5]);
    mine.poll();
    theirs.poll();
    expect(seen).toEqual([[4, 5]]);
    expect([...mine.codes]).toEqual([...theirs.codes]);
    expect(mine.save()).toBe(true);
    expect(readFileSync(join(mine.out, "labels.csv"), "utf8")).toBe("file,label\np04.png,cat\np05.png,dog\n");
    expect(theirs.undo("Ann")).toEqual([4]);
    mine.poll();
    mine.save();
    expect(readFileSync(join(mine.out, "train.csv"), "utf8")).toBe("file,label\np05.png,dog\n");
    expect(mine.redo("Ann")).toEqual([4]);
    expect(mine.redo("Ann")).toEqual([]);
    mine.close();
    theirs.close();
  });
});

describe("the test set", () => {
  test("is drawn once, stays, and never trains", () => {
    const dir = pictures(twenty);
    const first = open(dir);
    expect(first.reserve).toHaveLength(4);
    first.label("", "cat", [...first.pictures.keys()]);
    expect(first.trainRows()).toHaveLength(16);
    expect(first.tests().rows.map(({ name }) => name)).toEqual(first.reserve.map((row) => twenty[row]));
    first.close();
    writeFileSync(join(dir, "a-new-one.png"), "");
    const again = open(dir, { testShare: 0.9, seed: 2 });
    expect(again.reserve.map((row) => again.pictures[row]!.name)).toEqual(first.reserve.map((row) => twenty[row]));
    again.close();
  });

  test("is the beginning of its row: what was labeled out of turn waits", () => {
    const answers = new Map([
      ["a", "cat"],
      ["c", "dog"],
    ]);
    const answerOf = (name: string) => {
      const own = answers.get(name);
      return own === undefined ? undefined : ({ kind: "label", class: own, by: "" } as const);
    };
    const rows = () =>
      testSet(["a", "gone", "b", "c"], (name) => name !== "gone", answerOf).rows.map(({ name }) => name);
    expect(rows()).toEqual(["a"]);
    answers.set("b", "cat");
    expect(rows()).toEqual(["a", "b", "c"]);
  });

  test("every picture is as likely in it as any other", () => {
    const counts = new Map(twenty.map((name) => [name, 0]));
    for (let seed = 0; seed < 1000; seed++)
      for (const name of drawReserve(twenty, 0.2, Rng.fromSeed(seed))) counts.set(name, counts.get(name)! + 1);
    // 1000 draws of 4 in 20: 200 each, standard deviation 12.6
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(60);
  });
});

describe("the queue", () => {
  const state = (done: Set<number>, tests = [90, 91, 92, 93, 94, 95]) => ({
    suggested: [5, 6, 7, 8, 9, 10, 11, 12, 90],
    others: Array.from({ length: 100 }, (_, i) => 99 - i),
    tests,
    share: 0.2,
    answered: done.size,
    tested: tests.filter((row) => done.has(row)).length,
    isOpen: (row: number) => !done.has(row),
  });

  test("every fifth picture is the next of the test set, the others are those that help most", () => {
    expect(createQueue().next("a", 10, state(new Set()))).toEqual([5, 6, 7, 8, 90, 9, 10, 11, 12, 91]);
  });

  test("two pages get different pictures; the same page gets its own again; a page that is gone loses them", () => {
    let now = 0;
    const queue = createQueue(() => now);
    const done = new Set<number>();
    const first = queue.next("a", 5, state(done));
    const second = queue.next("b", 5, state(done));
    expect(first.filter((row) => second.includes(row))).toEqual([]);
    expect(queue.next("a", 5, state(done))).toEqual(first);
    now = 130_000;
    expect(queue.next("b", 5, state(done))).toEqual(first);
  });

  test("after many labels at once every second picture is for the test set, no more", () => {
    const done = new Set(Array.from({ length: 50 }, (_, i) => 30 + i));
    expect(createQueue().next("a", 6, state(done))).toEqual([90, 5, 91, 6, 92, 7]);
  });

  test("ends with what there is", () => {
    const all = new Set(Array.from({ length: 98 }, (_, i) => i));
    expect(createQueue().next("a", 10, state(all))).toEqual([99, 98]);
  });
});
