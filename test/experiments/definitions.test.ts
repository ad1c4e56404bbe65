import { describe, expect, it } from "vitest";
import { catalog } from "../../src/config/catalog.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { withoutIdle } from "../../src/config/without-idle.js";
import { definitionNames, findDefinition, readProfile } from "../../src/experiments/catalog.js";
import { SCALES } from "../../src/experiments/definition.js";
import { armsOf } from "../../src/experiments/plan.js";

/** Sets whose pictures must not be mirrored: a digit in a mirror is another thing. */
const unflipped = ["svhn", "mnist", "digits", "two-moons"];
const ofFlips = ["method.sameFlip", "method.studentFlip", "method.teacherFlip"];

describe("experiments of the package", () => {
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
        expect(() =>
          resolveConfig(withoutIdle(data), catalog, { describe: (option) => ({ who, name: option }) }),
        ).not.toThrow();
        // What only the data can tell (checkDataEffects): an arm that asks about flips where nothing flips is refused when it starts.
        const flips = given.get("flip") ?? !unflipped.includes(String(given.get("dataset")));
        const idle = flips ? [] : ofFlips.filter((option) => given.has(option));
        expect(idle, who).toEqual([]);
      }
    }
  });
});
