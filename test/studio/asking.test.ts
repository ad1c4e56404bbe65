// What to ask next, over the whole life of a folder: everything answered, and a choice that failed.
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { startAsking } from "../../src/studio/asking.js";
import { openStudio } from "../../src/studio/studio.js";
import { enginePresent } from "../support/engine.js";
import { addPictures, noisy } from "../support/pictures.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
const names = Array.from({ length: 6 }, (_, i) => `p${i}.png`);

/** Of six pictures, none of them in the test set. */
async function asked(name: string) {
  const dir = join(folder, name);
  await addPictures(dir, Object.fromEntries(names.map((file, i) => [file, noisy(i, [90, 40 * i, 30])])));
  const studio = openStudio({
    dir,
    out: join(folder, `${name}-labels`),
    testShare: 0,
    seed: 1,
    classes: ["cat", "dog"],
  });
  const asking = startAsking(studio, { threads: 1, pool: 100, onChange: () => {} });
  const end = () => {
    asking.close();
    studio.close();
  };
  return { studio, asking, end };
}

describe.skipIf(!enginePresent)("asking", () => {
  test("has nothing to ask and no trouble when everything is answered, and asks again for what is cleared", async () => {
    const { studio, asking, end } = await asked("all");
    await vi.waitFor(() => expect(asking.suggested).toHaveLength(6), 20_000);
    const all = [...names.keys()];
    for (const answer of ["label", "none", "skip"] as const) {
      if (answer === "label") studio.label("", "cat", all);
      else studio.act("", answer, all);
      asking.tick();
      await vi.waitFor(() => expect([asking.problem, asking.suggested]).toEqual([undefined, []]), 20_000);
      studio.act("", "clear", all);
      asking.tick();
      await vi.waitFor(() => expect([asking.problem, asking.suggested.length]).toEqual([undefined, 6]), 20_000);
    }
    end();
  }, 60_000);

  test("a choice that failed is told, and made again with the next answer", async () => {
    const { studio, asking, end } = await asked("failing");
    await vi.waitFor(() => expect(asking.suggested).toHaveLength(6), 20_000);
    vi.spyOn(asking.mind, "ask").mockRejectedValueOnce(new Error("no memory left"));
    studio.label("", "cat", [0]);
    asking.tick();
    await vi.waitFor(() => expect(asking.problem).toBe("no memory left"), 20_000);
    studio.label("", "dog", [1]);
    asking.tick();
    await vi.waitFor(() => expect([asking.problem, asking.suggested.length]).toEqual([undefined, 4]), 20_000);
    end();
  }, 60_000);
});
