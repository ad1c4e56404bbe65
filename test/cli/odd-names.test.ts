// Pictures whose names are not UTF-8 or hold a line break: what commands print and write of them.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { fsPath } from "../../src/files/names.js";
import { flat } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";
import { describeTraining, fewlabels, start } from "./run-cli.js";

const folder = folderOfThisFile();
const [run, photos] = [join(folder, "run"), join(folder, "photos")];
const env = { FEWLABELS_CACHE: join(folder, "cache") };
/** "café" as Latin-1 writes it. */
const latin = "caf\udce9.png";

describeTraining(
  "odd names of pictures",
  () => {
    beforeAll(async () => {
      await trainToEnd(configure(run, { method: "supervised", steps: 1 }));
      mkdirSync(photos);
      const png = await flat([200, 40, 40]).png().toBuffer();
      for (const name of [latin, "plain.png"]) writeFileSync(fsPath(join(photos, name)), png);
      writeFileSync(fsPath(join(photos, "broken\udce9.png")), "no picture");
    });
    const ours = (...args: string[]) => fewlabels(args, { env, cwd: folder });

    test("predict shows them as people read them", async () => {
      const { out, err, code } = await ours("predict", "run", "photos");
      expect(code, err).toBe(0);
      expect(out.split("\n").map((line) => line.split("\t")[0])).toEqual([
        "photos/caf\u00e9.png",
        "photos/plain.png",
        "",
      ]);
      expect(err).toMatch(/^photos\/broken\u00e9\.png: this is text/);
    });

    test("predict takes a list of them on stdin, which a second - does not read again", async () => {
      const { child, finished } = start(["predict", "run", "-", "photos/plain.png", "-"], { env, cwd: folder });
      child.stdin!.end(Buffer.from("photos/caf\xe9.png\r\n\nphotos/plain.png", "latin1"));
      const { out, err, code } = await finished;
      expect(code, err).toBe(0);
      expect(out.split("\n").map((line) => line.split("\t")[0])).toEqual([
        "photos/caf\u00e9.png",
        "photos/plain.png",
        "photos/plain.png",
        "",
      ]);
    });

    test("pseudo-label writes the names that labels files take", async () => {
      const { err, code } = await ours("pseudo-label", "run", "--data", "photos", "--out", "pseudo.csv");
      expect(code, err).toBe(0);
      const names = readFileSync(join(folder, "pseudo.csv"), "utf8")
        .split("\n")
        .map((line) => line.split(",")[0]);
      expect(names).toEqual(["file", "caf\u00e9.png", "plain.png", ""]);
      expect(err).toMatch(/^broken\u00e9\.png: this is text/);
    });

    test("data suggest and data audit read and name them", async () => {
      const suggested = await ours("data", "suggest", "run", "photos", "--out", "list.csv");
      expect(suggested.code, suggested.err).toBe(0);
      expect(readFileSync(join(folder, "list.csv"), "utf8")).toMatch(/^file,label\n(caf\u00e9|plain)\.png,\n$/); // one picture twice
      const audited = await ours("data", "audit", "photos", "--features", "run", "--json");
      expect(audited.code, audited.err).toBe(0);
      const { findings, damaged } = JSON.parse(audited.out);
      expect(damaged).toEqual([{ file: "broken\u00e9.png", reason: expect.stringMatching(/this is text/) }]);
      expect(findings).toMatchObject([{ problem: "copy", file: "plain.png", other: { file: "caf\u00e9.png" } }]);
    });

    test("embed writes them beside .npy, and says which cannot be read", async () => {
      const { out, err, code } = await ours("embed", "run", "photos", "--out", "e.npy");
      expect(code, err).toBe(0);
      expect(out).toMatch(/^2 pictures/);
      expect(readFileSync(join(folder, "e.names.txt"), "utf8")).toBe("photos/caf\u00e9.png\nphotos/plain.png\n");
      expect(err).toMatch(/^photos\/broken\u00e9\.png: this is text/);
    });

    test("a line break in a name is no line of its own, wherever a name takes a line", async () => {
      const lines = join(folder, "lines");
      mkdirSync(lines);
      writeFileSync(join(lines, "a\nb\r\tc.png"), await flat([9, 40, 200]).png().toBuffer());
      writeFileSync(join(lines, "d\ne.png"), "no picture");
      const shown = "lines/a\\nb\\r\\tc.png";
      const embedded = await ours("embed", "run", "lines", "--out", "l.npy");
      expect(readFileSync(join(folder, "l.names.txt"), "utf8")).toBe(`${shown}\n`);
      const predicted = await ours("predict", "run", "lines");
      expect(predicted.out.split("\t")[0]).toBe(shown);
      const labeled = await ours("pseudo-label", "run", "--data", "lines", "--out", "lines.csv");
      expect(labeled.err).toMatch(/^d\\ne\.png: this is text.*\n$/);
      const audited = await ours("data", "audit", "lines");
      expect(audited.err).toMatch(/^d\\ne\.png: left out.*\n$/);
      for (const { err } of [embedded, predicted]) expect(err).toMatch(/^lines\/d\\ne\.png: this is text.*\n$/);
    });

    test("a line break in the name of a class is none either, in tables and lists", async () => {
      const classes = join(folder, "classes");
      for (const [name, color] of [
        ["a\nb", [200, 40, 40]],
        ["c", [40, 200, 40]],
      ] as const) {
        mkdirSync(join(classes, name), { recursive: true });
        for (const i of [0, 1]) writeFileSync(join(classes, name, `${i}.png`), await flat(color).png().toBuffer());
      }
      const inspected = await ours("data", "inspect", "classes");
      expect(inspected.code, inspected.err).toBe(0);
      expect(inspected.out).toMatch(/^a\\nb +2 +0$/m);
      expect(inspected.out).toMatch(/^ {2}a\\nb\/0\.png = a\\nb\/1\.png$/m);
    });
  },
  120_000,
);
