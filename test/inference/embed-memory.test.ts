// Picture files may be large: a batch of them is never in memory as it came.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { embed } from "../../src/inference/embed.js";
import { openPictureModel } from "../../src/inference/picture-model.js";
import { describeEngine } from "../support/engine.js";
import { addPictures, noisy } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const files = { there: 0, most: 0 };
vi.mock("../../src/images/decode.js", async (original) => {
  const decode = await original<typeof import("../../src/images/decode.js")>();
  return {
    ...decode,
    async readContent(...about: Parameters<typeof decode.readContent>) {
      const content = await decode.readContent(...about);
      files.most = Math.max(files.most, ++files.there);
      return content;
    },
    async decodeImage(...about: Parameters<typeof decode.decodeImage>) {
      const image = await decode.decodeImage(...about);
      files.there--;
      return image;
    },
  };
});

describeEngine("embed", () => {
  test("holds as many files as there are cores, however large the batch", async () => {
    const folder = folderOfThisFile();
    await trainToEnd(configure(join(folder, "run"), { method: "supervised", steps: 1 }));
    const count = 4 * availableParallelism();
    const names = Array.from({ length: count }, (_, i) => `${i}.png`);
    await addPictures(
      join(folder, "photos"),
      Object.fromEntries(names.map((name, i) => [name, noisy(i, [90, 90, 90])])),
    );
    const source = await openPictureModel(join(folder, "run"));
    const paths = names.map((name) => join(folder, "photos", name));
    let rows = 0;
    for await (const item of embed(source, paths, { batch: count, cache: null })) if ("features" in item) rows++;
    expect([rows, files.there]).toEqual([count, 0]);
    expect(files.most).toBeLessThanOrEqual(availableParallelism());
  });
});
