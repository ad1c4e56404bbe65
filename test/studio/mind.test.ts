// What the studio thinks about pictures: which to ask next, the map, what a run says, which labels are doubted.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { openPredictor } from "../../src/inference/predict.js";
import { Rng } from "../../src/rng.js";
import { chooseNext, SCREEN } from "../../src/studio/mind/choose.js";
import { featuresOf } from "../../src/studio/mind/features.js";
import { doubtsOf, guessesOf } from "../../src/studio/mind/judge.js";
import { mapOf } from "../../src/studio/mind/map.js";
import { describeEngine } from "../support/engine.js";
import { addPictures, type Color, noisy } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

/** Points around `centers`, in two dimensions and a constant third. */
function blobs(centers: readonly (readonly [number, number])[], each: number, spread: number) {
  const rng = Rng.fromSeed(3);
  const rows = centers.flatMap(([x, y]) =>
    Array.from({ length: each }, () => [x + spread * rng.normal(), y + spread * rng.normal(), 1]),
  );
  const features = Float32Array.from(rows.flat());
  const unit = features.map((v, at) => {
    const row = rows[Math.floor(at / 3)]!;
    return v / Math.hypot(...row);
  });
  return { features, unit, size: 3, numClasses: centers.length };
}

describeEngine("choosing", () => {
  const pool = blobs(
    [
      [5, 0],
      [-5, 0],
      [0, 5],
    ],
    30,
    0.5,
  );

  test("asks for one picture of every group first, and never for one that may not be asked about", () => {
    const labels = new Int32Array(90).fill(-1);
    labels.fill(-2, 0, 10);
    const { rows, by } = chooseNext(pool, labels, 3, Rng.fromSeed(1));
    expect(by).toBe("typical");
    expect(rows.map((row) => Math.floor(row / 30)).sort()).toEqual([0, 1, 2]);
    expect(Math.min(...rows)).toBeGreaterThanOrEqual(10);
  });

  test("with four labels a class it asks for what the labels say least about", () => {
    const labels = new Int32Array(90).fill(-1);
    for (const group of [0, 1, 2]) labels.fill(group, 30 * group, 30 * group + 4);
    const { rows, by } = chooseNext(pool, labels, 5, Rng.fromSeed(1));
    expect(by).toBe("uncertain");
    expect(rows.every((row) => labels[row] === -1)).toBe(true);
  });

  test("look-alikes do not stand on one screen while there are others", () => {
    // 7 that differ a little, and 12 others
    const angle = (i: number) => (i < 7 ? 0.05 * i : 1 + 0.4 * (i - 7));
    const rows = Float32Array.from(
      Array.from({ length: 19 }, (_, i) => [Math.cos(angle(i)), Math.sin(angle(i))]).flat(),
    );
    const open = new Int32Array(19).fill(-1);
    const pool = { features: rows, unit: rows, size: 2, numClasses: 2 };
    const { rows: asked } = chooseNext(pool, open, 19, Rng.fromSeed(1));
    expect(asked).toHaveLength(19);
    expect(asked.slice(0, SCREEN).filter((row) => row < 7)).toHaveLength(1);
  });
});

describeEngine("the map", () => {
  test("puts groups apart, inside its borders, and one picture in the middle", () => {
    const { unit } = blobs(
      [
        [5, 0],
        [-5, 0],
      ],
      20,
      0.3,
    );
    const places = mapOf(unit, 3);
    const x = (row: number) => places[2 * row]!;
    const [left, right] = [Array.from({ length: 20 }, (_, i) => x(i)), Array.from({ length: 20 }, (_, i) => x(20 + i))];
    expect(Math.max(...left) < Math.min(...right) || Math.max(...right) < Math.min(...left)).toBe(true);
    expect(Math.min(...places)).toBe(0);
    expect(Math.max(...places)).toBe(1);
    expect([...mapOf(Float32Array.of(1, 0), 2)]).toEqual([0.5, 0.5]);
    expect(mapOf(new Float32Array(0), 2)).toHaveLength(0);
  });
});

describeEngine("features and guesses", () => {
  const colors: readonly Color[] = [
    [200, 20, 20],
    [20, 20, 200],
  ];
  const names = Array.from({ length: 24 }, (_, i) => `p${String(i).padStart(2, "0")}.png`);
  const paths = names.map((name) => join(folder, "pictures", name));

  test("damaged pictures are told and left out; features of the pixels tell colors apart", async () => {
    await addPictures(
      join(folder, "pictures"),
      Object.fromEntries(names.map((name, i) => [name, noisy(i, colors[i % 2]!)])),
    );
    await addPictures(join(folder, "pictures"), { "text.png": "no picture" });
    const features = await featuresOf([join(folder, "pictures", "text.png"), ...paths], {}, Rng.fromSeed(1));
    expect([...features.rows]).toEqual(names.map((_, i) => i + 1));
    expect(features.damaged.get(0)).toMatch(/not a picture/);
    const labels = Int32Array.from(names, (_, i) => i % 2);
    labels[5] = 0; // wrong
    const doubts = doubtsOf(features, labels, 2, Rng.fromSeed(1));
    expect(doubts[0]).toMatchObject({ row: 5, suggested: 1 });
    expect(doubtsOf(features, new Int32Array(24).fill(-1), 2, Rng.fromSeed(1))).toEqual([]);
  });

  test("a run on the same network guesses by one product what its predictor says", async () => {
    const source = join(folder, "source");
    await trainToEnd(
      configure(source, { method: "supervised", steps: 1, model: "convnet-tiny", normalize: "imagenet" }),
    );
    const weights = join(source, "checkpoints", "step-1", "student.safetensors");
    const probe = join(folder, "probe");
    await trainToEnd(
      configure(probe, { method: "linear-probe", steps: 1, "model.weights": weights, normalize: "imagenet" }),
    );
    const features = await featuresOf(paths, { source, cache: null }, Rng.fromSeed(1));
    const fast = await guessesOf(probe, features, paths);
    const slow = await guessesOf(probe, { ...features, model: undefined }, paths);
    expect([...fast.best]).toEqual([...slow.best]);
    for (const [i, p] of slow.confidence.entries()) expect(fast.confidence[i]).toBeCloseTo(p, 4);
    expect(fast.classes).toEqual((await openPredictor(probe)).classes);
  });
});

describeEngine("its process", () => {
  test("ends without a word when the server has been killed with answers under way", async () => {
    const main = JSON.stringify(new URL("../../dist/studio/mind/main.js", import.meta.url).pathname);
    // Stopped, the process finds jobs and the end of their sender at once.
    const server = spawn(process.execPath, [
      "--eval",
      `const child = require("node:child_process").fork(${main}, [], { stdio: ["ignore", "ignore", "inherit", "ipc"], serialization: "advanced" });
       child.send({ id: 0, do: "map", take: {} });
       child.once("message", () => {
         child.kill("SIGSTOP");
         for (let id = 1; id <= 50; id++) child.send({ id, do: "map", take: {} });
         process.stdout.write(String(child.pid), () => process.kill(process.pid, "SIGKILL"));
       });`,
    ]);
    const pid = text(server.stdout);
    const said = text(server.stderr); // ends when the child has ended too
    const [, signal] = await once(server, "exit");
    expect(signal).toBe("SIGKILL");
    process.kill(Number(await pid), "SIGCONT");
    expect(await said).toBe("");
  }, 30_000);
});
