// The contact sheet of `data preview`: where each pixel comes from, and the command itself.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { contactSheet } from "../../src/images/contact-sheet.js";
import { previewRun } from "../../src/session/look/preview.js";
import { describeEngine } from "../support/engine.js";
import { addPictures, noisy, pictureFolder } from "../support/pictures.js";
import { configure } from "../support/train-run.js";
import { describeTraining, fewlabels, lastJson } from "./run-cli.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "fewlabels-preview-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("contactSheet", () => {
  const flat = (level: number, width: number, height: number) => ({
    width,
    height,
    rgb: Uint8Array.from({ length: 3 * width * height }, (_, i) => level + Math.floor(i / 3)),
  });
  const at = ({ rgb, width }: { rgb: Uint8Array; width: number }, x: number, y: number) => rgb[3 * (y * width + x)];

  test("enlarges by a whole factor, the same for all, and puts picture [row][column] where it belongs", () => {
    const rows = [
      [flat(10, 4, 2), flat(30, 2, 2)],
      [flat(50, 4, 2), flat(70, 2, 2)],
    ];
    const sheet = contactSheet(["", ""], rows, 13);
    expect(sheet.scale).toBe(3);
    // 6 of margin, columns of 12 and rows of 6 pixels with 6 between them, below 26 of heading.
    expect([sheet.width, sheet.height]).toEqual([6 + 2 * 18, 26 + 2 * 12]);
    expect([at(sheet, 6, 26), at(sheet, 8, 28), at(sheet, 9, 26), at(sheet, 6, 29)]).toEqual([10, 10, 11, 14]);
    expect([at(sheet, 24, 26), at(sheet, 6, 38), at(sheet, 24, 38)]).toEqual([30, 50, 70]);
    expect([at(sheet, 5, 26), at(sheet, 18, 26), at(sheet, 30, 26), at(sheet, 6, 32)]).toEqual([255, 255, 255, 255]);
  });

  test("writes headings, and makes room for those that are wider than the pictures", () => {
    const one = [[flat(0, 8, 8)]];
    const sheet = contactSheet(["original"], one, 8);
    expect(sheet.scale).toBe(1);
    expect(sheet.width).toBe(6 + 8 * 12 + 6);
    const dark = (text: string) => {
      const { rgb, width } = contactSheet([text], one, 8);
      return rgb.slice(0, 3 * 26 * width).filter((v) => v === 0).length / 12;
    };
    expect(dark("")).toBe(0);
    expect(dark("I")).toBe(11); // 3 + 5 + 3 dots
    for (const letter of "original eval weak strong 0123456789".replaceAll(" ", ""))
      expect(dark(letter)).toBeGreaterThan(6);
  });
});

describeEngine("previewRun", () => {
  const preview = (given: Record<string, unknown>, images = 4, draws = 2) =>
    previewRun(configure("unused", given), { images, draws });
  const flatOf = (picture: { rgb: Uint8Array }) => [...picture.rgb];

  test.each(["channel", "image", "none"])(
    "gives the very bytes back, whatever the normalization (%s)",
    async (normalize) => {
      const { columns, rows } = await preview({
        normalize,
        translate: 0,
        flip: false,
        strong: "weak",
        method: "fixmatch",
      });
      expect(columns).toEqual(["original", "weak 1", "weak 2", "strong 1", "strong 2"]);
      const wanted = (await preview({ normalize: "none" })).rows.map(({ pictures }) => flatOf(pictures[0]!));
      rows.forEach(({ pictures }, i) => {
        for (const picture of pictures) expect(flatOf(picture)).toEqual(wanted[i]);
      });
    },
  );

  test("shows half labeled images with their class and half others, and independent draws of each view", async () => {
    const { rows } = await preview({ normalize: "none", strong: "fixmatch", method: "fixmatch" }, 6, 3);
    expect(rows.map(({ label }) => label !== undefined)).toEqual([true, true, true, false, false, false]);
    for (const { pictures } of rows) expect(new Set(pictures.map((p) => flatOf(p).join())).size).toBeGreaterThan(4);
    expect((await preview({ labels: "all" }, 6)).rows.every(({ label }) => label !== undefined)).toBe(true);
    expect((await preview({ seed: 2 }, 6)).rows.map(({ index }) => index)).not.toEqual(rows.map(({ index }) => index));
  });

  test("shows what evaluation sees of larger pictures, at the size of the crops", async () => {
    const { columns, rows } = await preview({ weak: "photo", crop: 16, evalCrop: 0.5, normalize: "image" });
    expect(columns.slice(0, 3)).toEqual(["original", "eval", "weak 1"]);
    const [original, middle, weak] = rows[0]!.pictures;
    expect([original!.width, middle!.width, weak!.height]).toEqual([32, 16, 16]);
    const wanted = Array.from({ length: 16 }, (_, y) =>
      flatOf(original!).slice(3 * ((y + 8) * 32 + 8), 3 * ((y + 8) * 32 + 24)),
    );
    expect(flatOf(middle!)).toEqual(wanted.flat());
  });

  test("stretches whitened pixels, and leaves out strong views that nobody asked for", async () => {
    const pictures = await pictureFolder({});
    for (const name of ["a", "b"]) {
      for (let i = 0; i < 5; i++) {
        const seed = i + (name === "a" ? 0 : 9);
        await addPictures(pictures.dir, { [`${name}/${i}.png`]: noisy(seed, [90, 60, 30], { amount: 150 }) });
      }
    }
    const given = { dataset: "folder", data: pictures.dir, "dataset.size": 8, normalize: "zca", threads: 1 };
    const whitened = (more: object) =>
      previewRun(resolveConfig(flatten({ ...given, ...more })), { images: 3, draws: 2 });
    const { columns, rows, remarks } = await whitened({});
    expect(columns).toEqual(["original", "weak 1", "weak 2"]);
    expect(remarks.join()).toMatch(/whitened/);
    for (const { pictures: shown } of rows) {
      expect([Math.min(...shown[0]!.rgb), Math.max(...shown[0]!.rgb)]).toEqual([0, 255]);
    }
    await expect(whitened({ method: "fixmatch", strong: "fixmatch" })).rejects.toThrow(/--normalize/);
    pictures.remove();
    const points = resolveConfig(flatten({ dataset: "two-moons", threads: 1 }));
    await expect(previewRun(points, { images: 2, draws: 1 })).rejects.toThrow(/no pictures/);
  });
});

describeTraining("fewlabels data preview", () => {
  const small = "--dataset digits --dataset.train 60 --dataset.test 10 --labels 20 --threads 1".split(" ");

  test("writes a PNG of the rows and columns it names, and no run folder", async () => {
    const out = join(dir, "views.png");
    const { code, out: text } = await fewlabels(
      ["data", "preview", ...small, "--images", "3", "--draws", "1", "--cell", "32", "--out", out, "--json"],
      { cwd: dir },
    );
    expect(code).toBe(0);
    const { columns, rows } = lastJson(text) as { columns: string[]; rows: { index: number; label: string | null }[] };
    expect(columns).toEqual(["original", "weak 1", "strong 1"]);
    expect(rows.map(({ label }) => label === null)).toEqual([false, false, true]);
    const { width, height, format } = await sharp(out).metadata();
    expect([width, height, format]).toEqual([6 + 3 * (96 + 6), 26 + 3 * 38, "png"]);
    expect(existsSync(join(dir, "runs"))).toBe(false);
  });

  test("names what is wrong: no place to write, an unknown option, an impossible number", async () => {
    const run = (...more: string[]) => fewlabels(["data", "preview", ...small, ...more]);
    writeFileSync(join(dir, "file"), "");
    const place = await run("--out", join(dir, "file/views.png"));
    expect([place.code, place.err]).toEqual([1, expect.stringContaining("cannot write")]);
    const many = await run("--out", join(dir, "x.png"), "--images", "0");
    expect([many.code, many.err]).toEqual([2, expect.stringContaining("--images")]);
    expect((await run("--out", join(dir, "x.png"), "--crop", "16")).code).toBe(2);
  });
});
