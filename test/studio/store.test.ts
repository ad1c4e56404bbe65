// The store of the labelling studio: what survives a kill, two processes, undo without end, and the labels files made of it.
import { spawn } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DiskError } from "../../src/errors.js";
import { folderPictures } from "../../src/inference/folder-pictures.js";
import { readLabelTable } from "../../src/labels/label-rows.js";
import { createAnswers } from "../../src/studio/answers.js";
import { classWord } from "../../src/studio/class-word.js";
import { writeLabelFile } from "../../src/studio/label-files.js";
import { type Action, openLog } from "../../src/studio/log.js";
import { flat, pictureFolder } from "../support/pictures.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
let made = 0;
const signed = (by = "") => ({ id: `${++made}`, at: "2026-11-26T08:00:00.000Z", by });
const label = (files: string[], name: string, by = ""): Action => ({ ...signed(by), do: "label", files, class: name });
const undo = (of: string | undefined, by = ""): Action => ({ ...signed(by), do: "undo", of: of! });

describe("the log", () => {
  const act = (id: string): Action => ({ ...label([`${id}.png`], "cat"), id });

  test("gives back what was appended, also what another process appends meanwhile", () => {
    const path = join(folder, "two.jsonl");
    const [mine, theirs] = [openLog(path), openLog(path)];
    const actions = [label(["a.png"], "cat"), label(['ü, "b".png'], "dog\u2028"), undo("1")];
    mine.append(actions[0]!);
    expect(theirs.read()).toEqual([actions[0]]);
    theirs.append(actions[1]!);
    mine.append(actions[2]!);
    expect(mine.read()).toEqual(actions);
    expect(theirs.read()).toEqual(actions.slice(1));
    expect(mine.read()).toEqual([]);
    mine.close();
    theirs.close();
  });

  test("a line that a kill cut short costs that line alone", () => {
    const path = join(folder, "torn.jsonl");
    const [first, second] = [label(["a.png"], "cat"), label(["b.png"], "dog")];
    writeFileSync(path, `${JSON.stringify(first)}\n{"id":"x","at":"2026`);
    const log = openLog(path);
    expect(log.read()).toEqual([first]);
    log.append(second);
    expect(log.read()).toEqual([second]);
    expect(log.damaged).toBe(1);
    appendFileSync(path, '{"id":"y","at":"","by":"","do":"label","files":[]}\n[]\n"text"\n{"do":"other"}\n');
    expect(log.read()).toEqual([]);
    expect(log.damaged).toBe(5);
    log.close();
  });

  test("after kill -9 every action that was reported as written is there", async () => {
    const path = join(folder, "killed.jsonl");
    const program = `
      const { openLog } = await import(${JSON.stringify(new URL("../../dist/studio/log.js", import.meta.url).href)});
      const log = openLog(${JSON.stringify(path)});
      for (let i = 0; ; i++) {
        log.append({ id: String(i), at: "", by: "", do: "label", files: ["picture-" + i + ".png"], class: "cat" });
        process.stdout.write(i + "\\n");
      }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let told = "";
    for await (const text of child.stdout.setEncoding("utf8")) {
      told += text;
      if (told.split("\n").length > 30) child.kill("SIGKILL");
    }
    const last = Number(told.slice(0, told.lastIndexOf("\n")).split("\n").at(-1));
    const log = openLog(path);
    const ids = log.read().map(({ id }) => id);
    expect(ids.slice(0, last + 1)).toEqual(Array.from({ length: last + 1 }, (_, i) => `${i}`));
    expect(log.damaged).toBe(0);
    log.close();
  });

  test("goes over to a file that takes its place and has all that was there", () => {
    const path = join(folder, "replaced.jsonl");
    const log = openLog(path);
    log.append(act("1"));
    log.read();
    copyFileSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
    log.append(act("2"));
    expect(log.read().map(({ id }) => id)).toEqual(["2"]);
    appendFileSync(`${path}.copy`, `${JSON.stringify(act("0"))}\n${readFileSync(path, "utf8")}`);
    renameSync(`${path}.copy`, path);
    expect(log.read().map(({ id }) => id)).toEqual(["0"]);
    log.close();
    expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(3);
  });

  test("takes nothing more where what was there is lost, until it is back", () => {
    const path = join(folder, "lost.jsonl");
    const log = openLog(path);
    for (const id of ["1", "2"]) log.append(act(id));
    log.read();
    const whole = readFileSync(path, "utf8");
    const spoil = [
      () => writeFileSync(path, whole.slice(0, whole.indexOf("\n") + 1)),
      () => {
        rmSync(path);
        writeFileSync(path, "");
      },
      () => rmSync(path),
    ];
    for (const one of spoil) {
      one();
      const size = existsSync(path) ? statSync(path).size : undefined;
      for (const use of [() => log.read(), () => log.append(act("3"))]) {
        expect(use).toThrow(DiskError);
        expect(use).toThrow(/lost\.jsonl: [12] actions .* no longer.*Put it back/);
      }
      expect(existsSync(path) ? statSync(path).size : undefined).toBe(size);
      writeFileSync(path, whole);
      expect(log.read()).toEqual([]);
    }
    log.append(act("3"));
    expect(log.read().map(({ id }) => id)).toEqual(["3"]);
    log.close();
  });

  test("refuses a folder that is not there in a sentence", () => {
    expect(() => openLog(join(folder, "none", "a.jsonl"))).toThrow(/cannot write .*There is no such folder/);
  });
});

describe("answers", () => {
  const kinds = (answers: ReturnType<typeof createAnswers>, ...names: string[]) =>
    names.map((name) => {
      const answer = answers.of(name);
      return answer?.kind === "label" ? answer.class : answer?.kind;
    });

  test("the last action that holds is the answer; undo and redo go as far as there are actions", () => {
    const answers = createAnswers(new Map(), ["cat", "dog"]);
    const both = label(["a", "b"], "cat");
    expect(answers.apply(both)).toEqual(["a", "b"]);
    answers.apply(label(["b"], "dog"));
    answers.apply({ ...signed(), do: "skip", files: ["c"] });
    answers.apply({ ...signed(), do: "none", files: ["a"] });
    expect(kinds(answers, "a", "b", "c", "d")).toEqual(["none", "dog", "skip", undefined]);
    for (let i = 0; i < 4; i++) answers.apply(undo(answers.undoable("")));
    expect(kinds(answers, "a", "b", "c")).toEqual([undefined, undefined, undefined]);
    expect(answers.undoable("")).toBeUndefined();
    for (let i = 0; i < 4; i++) answers.apply(undo(answers.redoable("")));
    expect(kinds(answers, "a", "b", "c")).toEqual(["none", "dog", "skip"]);
    expect(answers.redoable("")).toBeUndefined();
  });

  test("what is done after an undo is what the next undo and redo reach", () => {
    const answers = createAnswers(new Map(), []);
    for (const name of ["A", "B", "C"]) answers.apply(label(["x"], name));
    answers.apply(undo(answers.undoable("")));
    answers.apply(label(["x"], "D"));
    expect(answers.redoable("")).toBeUndefined();
    answers.apply(undo(answers.undoable("")));
    expect(kinds(answers, "x")).toEqual(["B"]);
    answers.apply(undo(answers.redoable("")));
    expect(kinds(answers, "x")).toEqual(["D"]);
  });

  test("what two processes take back at once is taken back once, and done again by one redo", () => {
    const answers = createAnswers(new Map(), []);
    answers.apply(label(["x"], "A"));
    const of = answers.undoable("");
    for (const _ of [1, 2]) answers.apply(undo(of));
    expect(kinds(answers, "x")).toEqual([undefined]);
    const again = answers.redoable("");
    for (const _ of [1, 2]) answers.apply(undo(again));
    expect(kinds(answers, "x")).toEqual(["A"]);
    expect(answers.redoable("")).toBeUndefined();
  });

  test("each person undoes their own", () => {
    const answers = createAnswers(new Map(), []);
    answers.apply(label(["x"], "cat", "Ann"));
    answers.apply(label(["y"], "dog", "Bo"));
    answers.apply(undo(answers.undoable("Ann"), "Ann"));
    expect(kinds(answers, "x", "y")).toEqual([undefined, "dog"]);
    expect(answers.of("y")).toMatchObject({ by: "Bo" });
  });

  test("labels that were there before stay below: a clear hides them, its undo brings them back", () => {
    const answers = createAnswers(new Map([["x", "cat"]]), ["cat"]);
    expect(answers.of("x")).toEqual({ kind: "label", class: "cat", by: "" });
    answers.apply({ ...signed(), do: "clear", files: ["x"] });
    expect(answers.of("x")).toBeUndefined();
    answers.apply(undo(answers.undoable("")));
    expect(kinds(answers, "x")).toEqual(["cat"]);
  });

  test("a line that is there twice counts once, and an undo of nothing changes nothing", () => {
    const answers = createAnswers(new Map(), []);
    const one = label(["x"], "cat");
    answers.apply(one);
    expect(answers.apply(one)).toEqual([]);
    expect(answers.apply(undo("nothing"))).toEqual([]);
    answers.apply(undo(one.id));
    expect(answers.of("x")).toBeUndefined();
  });

  test("a class that no picture has can go, another stays", () => {
    const answers = createAnswers(new Map(), ["cat"]);
    answers.apply(label(["x"], "dog"));
    answers.apply({ ...signed(), do: "drop-class", class: "dog" });
    answers.apply({ ...signed(), do: "drop-class", class: "cat" });
    answers.apply({ ...signed(), do: "add-class", class: "dog" });
    expect(answers.classes).toEqual(["dog"]);
  });
});

test.each([
  ["", /needs a name/],
  ["   ", /needs a name/],
  ["x".repeat(1000), /1000 characters/],
  ["a\u0007b", /cannot be seen/],
  ["a\nb", /cannot be seen/],
  ["a\u202eb", /cannot be seen/],
  ["nan", /no label/],
  ["-1", /no label/],
  ["=1+1", /formula/],
  ["@x", /formula/],
])("a class cannot be called %j", (name, why) => {
  expect(() => classWord(name)).toThrow(why);
});

test("a class may be called nearly anything, and is kept composed", () => {
  expect(classWord('  <b>u\u0308</b>, "x" ')).toBe('<b>ü</b>, "x"');
});

test("the labels file is read back as it was meant, and holds no formula", async () => {
  const names = ["=1+1.png", "+x.png", "a, b.png", 'say "hi".png', "sub/<img src=x>.png", "-y.png"];
  const { dir, remove } = await pictureFolder(Object.fromEntries(names.map((name) => [name, flat([9, 9, 9])])));
  const path = join(folder, "labels.csv");
  const classes = ["<b>", 'a, "b"', "dog house"];
  writeLabelFile(
    path,
    names.map((name, i) => [name, classes[i % 3]!] as const),
  );
  expect(
    readFileSync(path, "utf8")
      .split("\n")
      .every((line) => !/^[=+\-@]/.test(line)),
  ).toBe(true);
  expect(readLabelTable(path).rows.map(({ label: one }) => one)).toEqual(names.map((_, i) => classes[i % 3]));
  const found = folderPictures(dir, { labelsFile: path });
  expect(Object.fromEntries(found.files.map(({ name, label: k }) => [name, found.classes[k]]))).toEqual(
    Object.fromEntries(names.map((name, i) => [name, classes[i % 3]])),
  );
  remove();
  expect(existsSync(dir)).toBe(false);
});
