import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { chooseViews, type ViewDefaults, type ViewedImages } from "../../src/augment/view-options.js";
import { catalog } from "../../src/config/catalog.js";
import { flagOf } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { runOptions } from "../../src/config/run-options.js";
import { withoutIdle } from "../../src/config/without-idle.js";
import { definitionNames, experimentsFolder, findDefinition, readProfile } from "../../src/experiments/catalog.js";
import { SCALES } from "../../src/experiments/definition/definition.js";
import { armsOf } from "../../src/experiments/plan.js";
import { findMethod } from "../../src/methods/index.js";

/** What loading each data set tells: its images and its weak view. */
const square = (side: number, channels = 3): ViewedImages => ({ width: side, height: side, channels, bytes: true });
const photos: readonly [ViewedImages, ViewDefaults] = [square(32), { translate: 2, flip: true }];
/** A digit in a mirror is another thing. */
const still = { translate: 2, flip: false };
const facts: Readonly<Record<string, readonly [ViewedImages, ViewDefaults]>> = {
  cifar10: photos,
  cifar100: photos,
  svhn: [square(32), still],
  mnist: [square(28, 1), still],
  digits: [square(8, 1), still],
  "two-moons": [
    { ...square(1, 2), bytes: false },
    { translate: 0, flip: false },
  ],
  imagenet: [square(256), { translate: 16, flip: true, weak: "imagenet-mt" }],
};
const ofTranslation = ["method.studentTranslate", "method.teacherTranslate"];
const ofFlips = ["method.sameFlip", "method.studentFlip", "method.teacherFlip"];

describe("experiments of the package", () => {
  it.each(definitionNames())("%s: the flags that its file advises exist", (name) => {
    const text = readFileSync(join(experimentsFolder, "papers", `${name}.yaml`), "utf8");
    for (const [, flag = ""] of text.matchAll(/(?<![\w-])--([a-z]\w*(?:-[a-z]+)*)/g))
      expect(Object.keys(runOptions).map(flagOf)).toContain(`--${flag}`);
  });

  it.each(definitionNames())("%s: every published row runs or is said why not", (name) => {
    const { rows, listed, published } = findDefinition(name);
    const explained = [...rows.map((row) => row.name), ...listed.map(({ row }) => row)];
    expect(published.filter(({ row }) => !explained.includes(row))).toEqual([]);
  });

  it.each(definitionNames())("%s: every arm resolves at both scales", (name) => {
    const definition = findDefinition(name);
    for (const scale of SCALES) {
      const profile = scale === "small" ? readProfile(definition.profile) : undefined;
      const arms = armsOf(definition, scale, profile);
      expect(arms.length).toBeGreaterThan(0);
      for (const { key, given } of arms) {
        const who = `${name}, arm ${key} at scale ${scale}`;
        const data = new Map([...given, ["data", "DATA"], ["method.table", "TABLE"]]);
        if (given.get("method") !== "reduced-meta-pseudo-labels") data.delete("method.table");
        // What the data alone can tell, and refuses an arm when it starts: views that cannot be made, flips where nothing flips.
        const [stored, defaults] = facts[String(given.get("dataset"))]!;
        const side = Number(given.get("dataset.size") ?? stored.width);
        const images = { ...stored, width: side, height: side };
        expect(() => {
          const config = resolveConfig(withoutIdle(data), catalog, { describe: (option) => ({ who, name: option }) });
          const { views } = findMethod(config.method);
          const bytes = images.bytes && config.normalize !== "zca" && config.normalize !== "gcn-zca";
          const asked = Object.values(views(config.methodOptions));
          chooseViews(config, defaults, { ...images, bytes }, asked);
        }, who).not.toThrow();
        const flips = given.get("flip") ?? defaults.flip;
        const idle = flips ? [] : ofFlips.filter((option) => given.has(option));
        expect(idle, who).toEqual([]);
        const crops = (given.get("weak") ?? defaults.weak ?? "translate") !== "translate";
        expect(crops ? ofTranslation.filter((option) => given.has(option)) : [], who).toEqual([]);
      }
    }
  });
});
