// A folder with everything planted that an audit looks for: each is found, once, and nothing else of its kind.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditReport, auditFolder, type Problem } from "../../../src/inference/audit/audit.js";
import { Rng } from "../../../src/rng.js";
import { describeEngine } from "../../support/engine.js";
import { addPictures, flat, pictureFolder } from "../../support/pictures.js";

/** Stripes lying (0), standing (1) or checks (2), at a random place and in random colors. */
function textured(kind: number, seed: number) {
  const rng = Rng.fromSeed(seed);
  const side = 48;
  const [phase, wave] = [6.28 * rng.float(), 7 + 3 * rng.float()];
  const colors = [0, 1].map(() => [0, 1, 2].map(() => rng.integer(120)));
  const blob = { x: rng.integer(side), y: rng.integer(side), color: [0, 1, 2].map(() => rng.integer(255)) };
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [a, b] = [Math.sin((6.28 * y) / wave + phase), Math.sin((6.28 * x) / wave + phase)];
      const value = [a, b, a * b][kind]!;
      const near = Math.hypot(x - blob.x, y - blob.y) < 12;
      for (let c = 0; c < 3; c++)
        data[(y * side + x) * 3 + c] =
          (near ? blob.color[c]! : colors[value > 0 ? 0 : 1]![c]! + (value > 0 ? 130 : 0)) +
          rng.integer(6) -
          (near ? 6 : 0) * Math.min(1, blob.color[c]! / 6);
    }
  return sharp(data, { raw: { width: side, height: side, channels: 3 } });
}

const kinds = ["lying", "standing", "checks"] as const;

describeEngine("auditFolder", () => {
  let folder: Awaited<ReturnType<typeof pictureFolder>>;
  let report: AuditReport;
  const files = (problem: Problem) => report.findings.filter((one) => one.problem === problem);

  beforeAll(async () => {
    const made = Object.fromEntries(
      kinds.flatMap((kind, k) => [
        ...Array.from({ length: 20 }, (_, i) => [`train/${kind}/${i}.png`, textured(k, 100 * k + i)] as const),
        ...Array.from({ length: 4 }, (_, i) => [`test/${kind}/${i}.png`, textured(k, 1000 + 100 * k + i)] as const),
      ]),
    );
    folder = await pictureFolder(made);
    const bytes = (name: string) => readFileSync(join(folder.dir, name));
    await addPictures(folder.dir, {
      "train/lying/wrong.png": textured(1, 501),
      "train/checks/=wrong.png": textured(0, 502),
      "train/lying/again.png": bytes("train/lying/3.png"),
      "train/standing/near.jpg": await sharp(bytes("train/standing/5.png"))
        .resize(40, 40)
        .jpeg({ quality: 80 })
        .toBuffer(),
      "train/checks/mirrored.png": await sharp(bytes("train/checks/8.png")).flop().png().toBuffer(),
      "train/lying/tested.png": bytes("test/lying/2.png"),
      "train/checks/nearly-tested.jpg": await sharp(bytes("test/checks/1.png")).jpeg({ quality: 70 }).toBuffer(),
      "train/lying/plain.png": flat([200, 30, 30], 48, 48),
      "train/lying/damaged.png": "no picture",
    });
    report = await auditFolder(folder.dir, { threads: 1 });
  });
  afterAll(() => folder.remove());

  test("both wrong labels lead the list, with the right class", () => {
    const doubts = files("label");
    expect(
      doubts
        .slice(0, 2)
        .map(({ file, suggested }) => [file, suggested])
        .sort(),
    ).toEqual([
      ["train/checks/=wrong.png", "lying"],
      ["train/lying/wrong.png", "standing"],
    ]);
    expect(report.labels!.judged).toBe(72 + 8);
  });

  test("copies: the same file, and another size, compression or side; each once", () => {
    expect(files("copy").map(({ file, other }) => [file, other!.file].sort())).toEqual([
      ["train/lying/3.png", "train/lying/again.png"],
    ]);
    expect(
      files("near-copy")
        .map(({ file, other }) => [file, other!.file].sort())
        .sort(),
    ).toEqual([
      ["train/checks/8.png", "train/checks/mirrored.png"],
      ["train/standing/5.png", "train/standing/near.jpg"],
    ]);
  });

  test("what is to be trained on and is in the test", () => {
    expect(files("copy-in-test").map(({ file, other }) => [file, other!.file])).toEqual([
      ["train/lying/tested.png", "test/lying/2.png"],
    ]);
    expect(files("near-copy-in-test").map(({ file, other }) => [file, other!.file])).toEqual([
      ["train/checks/nearly-tested.jpg", "test/checks/1.png"],
    ]);
  });

  test("counts, damage", () => {
    expect(report).toMatchObject({ train: 68, unlabeled: 0, test: 12, features: { from: "pixels" } });
    expect(report.damaged.map(({ file }) => file)).toEqual(["train/lying/damaged.png"]);
  });

  test("labels by a file, a class with one picture, and no labels at all", async () => {
    const labels = join(folder.dir, "..", `labels-${process.pid}.csv`);
    const one = (name: string, label: string) => `${name},${label}\n`;
    writeFileSync(
      labels,
      `file,label\n${one("lying/0.png", "a")}${one("lying/1.png", "a")}${one("standing/0.png", "b")}${one("standing/1.png", "b")}${one("checks/0.png", "c")}`,
    );
    const few = await auditFolder(join(folder.dir, "train"), { labelsFile: labels, threads: 1 });
    expect(few).toMatchObject({
      train: 5,
      labels: { judged: 4 },
      remarks: [
        expect.stringMatching(/so checks, lying, standing are mere folders/),
        'not judged, since they have one picture or none: "c"',
      ],
    });
    const none = await auditFolder(join(folder.dir, "train/checks"), { threads: 1 });
    expect(none.labels).toBeUndefined();
    expect(none.remarks).toEqual(["no labels are judged: that takes two classes with two different pictures each"]);
    expect(none.unlabeled).toBe(23);
  });
});
