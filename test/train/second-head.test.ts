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

describeEngine("a method that wants noise", () => {
  const quiet = { translate: 0, flip: false, "model.dropout": 0, "model.inputNoise": 0 };
  const said = async (method: string, more: Record<string, unknown>) => {
    const out = join(folder, `${method}-${JSON.stringify(more).replaceAll(/\W/g, "")}`);
    const { events } = await trainToEnd(configure(out, { steps: 1, method, ...more }));
    return events.flatMap((event) => (event.type === "warning" && /noise/.test(event.message) ? [event.message] : []));
  };

  test.each(["mean-teacher", "pi-model", "temporal-ensembling"])(
    "%s says so where there is none at all",
    async (method) => {
      expect(await said(method, quiet)).toEqual([
        expect.stringMatching(`^${method} asks for the same prediction under noise`),
      ]);
      for (const some of [{ translate: 1 }, { "model.dropout": 0.1 }]) {
        expect(await said(method, { ...quiet, ...some })).toEqual([]);
      }
    },
  );

  test("a strong view is noise; other methods are not asked", async () => {
    expect(await said("mean-teacher", { ...quiet, "method.studentView": "strong" })).toEqual([]);
    expect(await said("fixmatch", quiet)).toEqual([]);
  });
});

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
