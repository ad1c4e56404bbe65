/** Files that are there whole or not at all. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DiskError } from "../../src/errors.js";
import {
  besidePath,
  cannotWrite,
  makeFolder,
  putInPlace,
  WholeFile,
  writeWhole,
  writeWholeFolder,
} from "../../src/files/write-whole.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
const names = (dir: string) => readdirSync(dir).sort();
let made = 0;
function fresh(): string {
  const dir = join(folder, String(made++));
  mkdirSync(dir);
  return dir;
}

describe("a file that is written whole", () => {
  it("has its name only once it is finished, and replaces the one before in one go", () => {
    const path = join(fresh(), "a.txt");
    writeFileSync(path, "before");
    const file = new WholeFile(path);
    file.write("one ");
    file.write(Buffer.from("two"));
    expect(readFileSync(path, "utf8")).toBe("before");
    file.finish();
    file.abandon();
    expect(readFileSync(path, "utf8")).toBe("one two");
    expect(names(join(path, ".."))).toEqual(["a.txt"]);
  });

  it("leaves what was there before where its writer fails", () => {
    const path = join(fresh(), "a.txt");
    writeWhole(path, "before");
    const failing = () =>
      writeWhole(path, (file) => {
        file.write("half");
        throw new RangeError("the model failed");
      });
    expect(failing).toThrow(RangeError);
    expect(readFileSync(path, "utf8")).toBe("before");
    expect(names(join(path, ".."))).toEqual(["a.txt"]);
  });

  it("is replaced by the next write where a kill left a half one", () => {
    const path = join(fresh(), "a.txt");
    writeFileSync(besidePath(path), "a long half that a kill left");
    writeWhole(path, "whole");
    expect(readFileSync(path, "utf8")).toBe("whole");
    expect(existsSync(besidePath(path))).toBe(false);
  });

  it.each<[string, (dir: string) => string, RegExp]>([
    ["in a folder that is not there", (dir) => join(dir, "no", "a"), /cannot write .*no.a: ENOENT.*no such folder/],
    [
      "where a folder has its name",
      (dir) => {
        mkdirSync(join(dir, "b"));
        return join(dir, "b");
      },
      /cannot write .*b: E/,
    ],
    ["whose name is too long", (dir) => join(dir, "n".repeat(300)), /ENAMETOOLONG.*shorter name/],
  ])("says so %s, and leaves nothing", (_, place, message) => {
    const dir = fresh();
    const path = place(dir);
    expect(() => writeWhole(path, "x")).toThrow(DiskError);
    expect(() => writeWhole(path, "x")).toThrow(message);
    expect(names(dir).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  });
});

describe("a folder that is written whole", () => {
  it("replaces the one before, and is not there at all where its writer fails", () => {
    const path = join(fresh(), "step-3");
    writeWholeFolder(path, (beside) => writeFileSync(join(beside, "old"), ""));
    writeWholeFolder(path, (beside) => {
      writeFileSync(join(beside, "new"), "");
      expect(names(path)).toEqual(["old"]);
    });
    expect(names(path)).toEqual(["new"]);
    const failing = () =>
      writeWholeFolder(path, (beside) => {
        writeFileSync(join(beside, "half"), "");
        throw new RangeError("no");
      });
    expect(failing).toThrow(RangeError);
    expect(names(path)).toEqual(["new"]);
    expect(names(join(path, ".."))).toEqual(["step-3"]);
  });

  it("is replaced again after a kill that left the one before beside it", () => {
    const path = join(fresh(), "page");
    const [aside, write] = [
      `${besidePath(path)}-replaced`,
      (name: string) => {
        writeWholeFolder(path, (beside) => writeFileSync(join(beside, name), ""));
      },
    ];
    write("new");
    mkdirSync(aside);
    writeFileSync(join(aside, "old"), "");
    write("newer");
    expect([names(path), names(join(path, ".."))]).toEqual([["newer"], ["page"]]);
  });

  it("keeps the one before where a kill came between setting it aside and naming the next", () => {
    const path = join(fresh(), "page");
    const aside = `${besidePath(path)}-replaced`;
    mkdirSync(aside);
    writeFileSync(join(aside, "old"), "");
    const failing = () =>
      writeWholeFolder(path, () => {
        throw new RangeError("no");
      });
    expect(failing).toThrow(RangeError);
    expect([names(path), names(join(path, ".."))]).toEqual([["old"], ["page"]]);
  });
});

it("makes folders below folders, leaves those that are there, and ends where the system makes none", () => {
  const dir = fresh();
  makeFolder(join(dir, "a", "b", "c"));
  makeFolder(join(dir, "a", "b"));
  expect(names(join(dir, "a", "b"))).toEqual(["c"]);
  writeFileSync(join(dir, "file"), "");
  expect(() => makeFolder(join(dir, "file"))).toThrow(DiskError);
  expect(() => makeFolder(join(dir, "file", "x"))).toThrow(/A part of that path is a file/);
  // Node's own `recursive` never comes back from here.
  if (existsSync("/proc/self")) expect(() => makeFolder("/proc/nobody/x")).toThrow(/cannot write .*nobody.*ENOENT/);
});

it("puts in place what others have written", () => {
  const dir = fresh();
  writeFileSync(join(dir, "a.part"), "came");
  putInPlace(join(dir, "a.part"), join(dir, "a"));
  expect(names(dir)).toEqual(["a"]);
  expect(() => putInPlace(join(dir, "none"), join(dir, "b"))).toThrow(/cannot write .*b: ENOENT/);
});

it.each([
  ["ENOSPC", /MB are free\). The disk is full: free some space/],
  ["EDQUOT", /quota is used up: free some space/],
  ["EACCES", /may not write there: .*permissions/],
  ["EROFS", /read-only: choose another place/],
  ["EMFILE", /Too many files are open: raise the limit \(ulimit -n\)/],
])("%s is told with the path and what to do, exit code 1", (code, sentence) => {
  const error = cannotWrite(join(folder, "a"), Object.assign(new Error(`${code}: no`), { code }));
  expect(error).toBeInstanceOf(DiskError);
  expect((error as DiskError).exitCode).toBe(1);
  expect((error as DiskError).message).toMatch(/^cannot write .*a: E/);
  expect((error as DiskError).message).toMatch(sentence);
});

it("errors that are no system's stay as they are", () => {
  const mine = new TypeError("a fault");
  expect(cannotWrite("x", mine)).toBe(mine);
});
