/** A second head that nothing trains is worth a word. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeEngine } from "../support/engine.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

const warnings = async (method: string, heads: number) => {
  const out = join(folder, `${method}-${heads}`);
  const { events } = await trainToEnd(configure(out, { steps: 1, method, "model.heads": heads }));
  return events.slice(0, 3).flatMap((event) => (event.type === "warning" ? [event.message] : []));
};

describeEngine("a network with two heads", () => {
  test.each(["supervised", "pi-model", "vat"])(
    "%s warns at the start that it never trains the second",
    async (name) => {
      expect(await warnings(name, 2)).toEqual([
        expect.stringMatching(`${name} never trains the second head of convnet-tiny \\(fc2.weight, fc2.bias\\)`),
      ]);
      expect(await warnings(name, 1)).toEqual([]);
    },
  );

  test("mean-teacher trains both, and says nothing", async () => {
    expect(await warnings("mean-teacher", 2)).toEqual([]);
  });
});
