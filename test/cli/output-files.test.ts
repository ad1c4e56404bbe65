// Where a command writes is made or refused before its work: no folder above is missing at the end, and no folder is in the way.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { addPictures, noisy } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";
import { describeTraining, fewlabels } from "./run-cli.js";

const folder = folderOfThisFile();
const env = { FEWLABELS_CACHE: join(folder, "cache") };
const digits = ["--dataset", "digits", "--dataset.train", "40", "--dataset.test", "20", "--labels", "20"];
const bench = ["--model", "convnet-tiny", "--model.width", "0.25", "--steps", "2"];

/** Words before the place, its name, and more files to write with their options. */
const commands: readonly (readonly [words: readonly string[], name: string, more?: readonly [string, string]])[] = [
  [["embed", "run", "photos", "--out"], "e.npy"],
  [["data", "suggest", "run", "photos", "--out"], "s.csv", ["--sheet", "s.html"]],
  [["data", "audit", "photos", "--out"], "a.csv", ["--sheet", "a.html"]],
  [["data", "split", ...digits, "--out"], "l.txt"],
  [["data", "preview", ...digits, "--model", "convnet-tiny", "--images", "2", "--out"], "p.png"],
  [["data", "filter", "run", "--data", "photos", "--out"], "f.csv"],
  [["pseudo-label", "run", "--data", "photos", "--out"], "p.csv"],
  [["predictions", "run", "--out"], "p.table"],
  [["report", "run", "--out"], "r.html"],
  [["export", "run", "--format", "onnx", "--out"], "x.onnx"],
  [["bench", ...digits, ...bench, "--save"], "b.json"],
];
const title = (words: readonly string[]) =>
  words
    .filter((word) => /^[a-z-]+$/.test(word))
    .slice(0, 2)
    .join(" ");

describeTraining("files that commands write", () => {
  beforeAll(async () => {
    await trainToEnd(configure(join(folder, "run"), { method: "supervised", steps: 1 }));
    await addPictures(join(folder, "photos"), { "a.png": noisy(1, [9, 90, 9]), "b.png": noisy(2, [200, 9, 9]) });
    writeFileSync(join(folder, "file"), "");
  });
  const run = (...args: readonly string[]) => fewlabels(args, { cwd: folder, env });

  test.each(commands.map(([words, name, more]) => [title(words), words, name, more] as const))(
    "%s: folders above are made; a folder in its place, or a file above it, is refused before the work",
    async (key, words, name, more) => {
      const own = join("made", key.replace(" ", "-"));
      const also = more ? [more[0], join(own, "sheets", more[1])] : [];
      const good = await run(...words, join(own, "deep", name), ...also);
      expect(good.code, good.err).toBe(0);
      expect(existsSync(join(folder, own, "deep", name))).toBe(true);
      if (more) expect(existsSync(join(folder, also[1]!))).toBe(true);

      const taken = join("taken", key.replace(" ", "-"));
      mkdirSync(join(folder, taken, name), { recursive: true });
      const refused = await run(...words, join(taken, name));
      expect([refused.code, refused.out]).toEqual([2, ""]);
      expect(refused.err).toMatch(new RegExp(`^fewlabels .*: .*${name} is a folder. Give the name of a file`));
      expect(readdirSync(join(folder, taken))).toEqual([name]);

      const below = await run(...words, join("file", name));
      expect([below.code, below.out]).toEqual([1, ""]);
      expect(below.err).toMatch(/^cannot write file: EEXIST.*A file is in its place: choose another place/);
    },
    60_000,
  );
});
