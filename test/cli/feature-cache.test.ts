// A cache that cannot be written costs time, not features.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { addPictures, noisy } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";
import { describeTraining, fewlabels } from "./run-cli.js";

const folder = folderOfThisFile();
const file = join(folder, "file");

describeTraining("a feature cache that cannot be written", () => {
  beforeAll(async () => {
    writeFileSync(file, "");
    await trainToEnd(configure(join(folder, "run"), { method: "supervised", steps: 1 }));
    await addPictures(join(folder, "photos"), { "a.png": noisy(1, [9, 90, 9]), "b.png": noisy(2, [200, 9, 9]) });
  });

  test.each([
    ["embed", ["embed", "run", "photos", "--out", "e.npy"], "e.npy"],
    ["data suggest", ["data", "suggest", "run", "photos", "--out", "s.csv"], "s.csv"],
    ["data audit", ["data", "audit", "photos", "--features", "run", "--out", "a.csv"], "a.csv"],
  ])(
    "%s says so once and writes its result",
    async (who, args, out) => {
      const { code, err } = await fewlabels(args, { cwd: folder, env: { FEWLABELS_CACHE: join(file, "cache") } });
      expect(code, err).toBe(0);
      expect(err).toMatch(new RegExp(`^fewlabels ${who}: features are not kept: cannot write .*ENOTDIR`));
      expect(err.match(/FEWLABELS_CACHE names another folder, --no-cache keeps none/g)).toHaveLength(1);
      expect(existsSync(join(folder, out))).toBe(true);
    },
    60_000,
  );
});
