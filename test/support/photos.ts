/** A small run on made photos of three kinds, and pictures of many sizes it has not seen. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { Rng } from "../../src/rng.js";
import { trainToEnd } from "./train-run.js";

export const kinds = ["stripes", "rings", "spots"] as const;

/** Shapes in two colors with noise. */
async function photo(
  kind: number,
  seed: number,
  width: number,
  height: number,
  format: "png" | "jpeg",
): Promise<Buffer> {
  const rng = Rng.fromSeed(seed);
  // Each kind leans to one color, so that a small network learns it in a minute's tenth.
  const colors = [0, 1].map(() => [0, 1, 2].map((c) => rng.integer(170) + (c === kind ? 85 : 0)));
  const [cx, cy, wave, turn] = [
    width * rng.float(),
    height * rng.float(),
    Math.min(width, height) / (3 + 4 * rng.float()),
    3 * rng.float(),
  ];
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const phase =
        kind === 0 ? x * Math.cos(turn) + y * Math.sin(turn) : kind === 1 ? Math.hypot(x - cx, y - cy) : Number.NaN;
      const value =
        kind === 2 ? Math.sin((6.28 * x) / wave) * Math.sin((6.28 * y) / wave) : Math.sin((6.28 * phase) / wave);
      const color = colors[value > 0.2 ? 0 : 1]!;
      for (let c = 0; c < 3; c++) {
        pixels[(y * width + x) * 3 + c] = Math.max(0, Math.min(255, color[c]! + rng.integer(40) - 20));
      }
    }
  }
  const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
  return format === "png" ? picture.png().toBuffer() : picture.jpeg({ quality: 90 }).toBuffer();
}

export interface TestPhoto {
  readonly file: string;
  readonly type: "image/png" | "image/jpeg";
  readonly bytes: Buffer;
}

/** Writes training pictures and a run below `dir`; the run is a folder with a checkpoint. */
export async function photoRun(dir: string, given: Readonly<Record<string, unknown>> = {}): Promise<string> {
  for (const [part, each] of [
    ["data", 24],
    ["data/test", 20],
  ] as const) {
    for (const [k, kind] of kinds.entries()) {
      mkdirSync(join(dir, part, kind), { recursive: true });
      for (let i = 0; i < each; i++) {
        const seed = 1000 * k + i + (part === "data" ? 0 : 500);
        writeFileSync(join(dir, part, kind, `${i}.png`), await photo(k, seed, 60 + (i % 5) * 8, 64, "png"));
      }
    }
  }
  const run = join(dir, "run");
  const config = {
    dataset: "folder",
    data: join(dir, "data"),
    "dataset.size": 32,
    method: "supervised",
    model: "convnet-tiny",
    "model.dropout": 0,
    "model.normKeep": 0.8,
    batch: 24,
    labeledBatch: 24,
    steps: 60,
    threads: 1,
    precision: "fp32",
    evalEvery: 0,
    out: run,
    ...given,
  };
  await trainToEnd(resolveConfig(flatten(config)));
  return run;
}

/** New pictures, half of them JPEG, 20 to 700 pixels wide, written below `dir`. */
export async function newPhotos(dir: string, count: number): Promise<TestPhoto[]> {
  mkdirSync(dir, { recursive: true });
  const photos: TestPhoto[] = [];
  for (let i = 0; i < count; i++) {
    const rng = Rng.fromSeed(9000 + i);
    const width = 20 + rng.integer(i % 3 === 0 ? 680 : 180);
    const height = Math.max(20, Math.round(width * (0.6 + 0.8 * rng.float())));
    const jpeg = i % 2 === 1;
    const bytes = await photo(i % 3, 9000 + i, width, height, jpeg ? "jpeg" : "png");
    const file = join(dir, `${i}.${jpeg ? "jpg" : "png"}`);
    writeFileSync(file, bytes);
    photos.push({ file, type: jpeg ? "image/jpeg" : "image/png", bytes });
  }
  return photos;
}
