// fewlabels data suggest, as its user sees it: a list that can be filled in and trained on.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../setup/helpers.js";
import { noisy, pictureFolder } from "../../support/pictures.js";
import { describeTraining, fewlabels } from "../run-cli.js";

describeTraining("fewlabels data suggest", () => {
  test("a list by the features of a run; filled in, the next list holds other pictures; nothing left is exit 3", {
    timeout: 120_000,
  }, async () => {
    const colors = { red: [190, 40, 40], green: [40, 190, 40] } as const;
    const entries = Object.entries(colors).flatMap(([name, color], k) =>
      Array.from(
        { length: 8 },
        (_, i) => [`${name}-${i}.png`, noisy(10 * k + i, color, { width: 8, height: 8 })] as const,
      ),
    );
    const { dir, remove } = await pictureFolder(Object.fromEntries(entries));
    const work = temporaryFolder();
    const [labels, run, list] = [join(work, "labels.csv"), join(work, "run"), join(work, "list.csv")];
    writeFileSync(labels, "file,label\nred-0.png,red\nred-1.png,red\ngreen-0.png,green\ngreen-1.png,green\n");
    const small =
      "--dataset folder --dataset.size 8 --model convnet-tiny --steps 1 --batch 4 --method supervised --threads 1";
    const trained = await fewlabels(["train", ...small.split(" "), "--data", dir, "--labels", labels, "--out", run]);
    expect(trained.code).toBe(0);

    const env = { FEWLABELS_CACHE: join(work, "cache") };
    const suggest = (...more: string[]) =>
      fewlabels(["data", "suggest", run, dir, "--threads", "1", "--out", list, "--json", ...more], { env });
    const sheet = join(work, "list.html");
    const first = await suggest("--count", "2", "--sheet", sheet);
    expect(first.code).toBe(0);
    const { pictures, ...facts } = JSON.parse(first.out);
    expect(facts).toMatchObject({ by: "typical", labeled: 0, unlabeled: 16, damaged: [] });
    expect(pictures.map((name: string) => name.replace(/-.*/, "")).sort()).toEqual(["green", "red"]);
    expect(readFileSync(list, "utf8")).toBe(`file,label\n${pictures[0]},\n${pictures[1]},\n`);

    const shown = readFileSync(sheet, "utf8");
    expect(shown.match(/src="data:image\/jpeg;base64,/g)).toHaveLength(2);
    expect(shown).toContain(`1. ${pictures[0]}`);

    const filled = pictures.map((name: string) => `${name},${name.replace(/-.*/, "")}\n`).join("");
    writeFileSync(labels, `file,label\n${filled}`);
    const second = JSON.parse((await suggest("--count", "3", "--labels", labels)).out);
    expect(second).toMatchObject({ labeled: 2, unlabeled: 14 });
    expect(second.pictures.filter((name: string) => pictures.includes(name))).toEqual([]);

    writeFileSync(labels, `file,label\n${filled}${entries[15]![0]},\n`);
    expect((await suggest("--labels", labels)).err).toMatch(/1 rows of .*labels\.csv have no label/);

    writeFileSync(labels, `file,label\n${entries.map(([name]) => `${name},${name.replace(/-.*/, "")}\n`).join("")}`);
    const none = await suggest("--labels", labels);
    expect(none.code).toBe(3);
    expect(none.err).toContain("every picture has a label");
    const empty = await fewlabels(["data", "suggest", run, temporaryFolder(), "--out", list]);
    expect([empty.code, empty.err]).toEqual([3, expect.stringContaining("found no pictures to label")]);
    remove();
  });
});
