/** `train` and `resume` as a program calls them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { resolveConfig } from "../../src/config/resolve.js";
import type { RunInput } from "../../src/config/run-input.js";
import { UsageError } from "../../src/errors.js";
import { RunFolder } from "../../src/run/index.js";
import { resume, train } from "../../src/train/run.js";
import { describeEngine } from "../support/engine.js";
import { configure, folderOfThisFile, smallRun, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const out = join(folder, "run");
const given = (more: object) => ({ ...smallRun, steps: 6, ...more }) as unknown as RunInput;

describeEngine("train with the field resume", () => {
  test("continues the run in that folder, and gives what a finished one has", async () => {
    await trainToEnd(configure(out, { steps: 6 }), 3);
    const run = train(given({ resume: out }));
    expect(run.folder).toBe(out);
    const types: string[] = [];
    for await (const { type } of run) types.push(type);
    expect(types).toContain("done");
    expect(RunFolder.open(out).checkpointSteps()).toContain(6);
    expect((await train(given({ resume: out, out })).next()).value).toMatchObject({ steps: 6 });
  });

  test("takes no other options than the run's, and no other folder", () => {
    expect(() => train(given({ resume: out, steps: 7 }))).toThrow(/steps is 7, but the run in .* was started with 6/);
    expect(() => train(given({ resume: out, out: join(folder, "other") }))).toThrow(
      /continues in that folder; leave out/,
    );
    expect(() => train(given({ resume: join(folder, "nowhere") }))).toThrow(/nowhere is not a run folder/);
    expect(() => resolveConfig(given({ resume: out }))).toThrow(UsageError);
  });

  test("of a run with a method of one's own says which catalog it wants", () => {
    const file = join(out, "config.json");
    const config = RunFolder.open(out).config();
    writeFileSync(file, JSON.stringify({ ...config, method: "mine", modules: { method: "/somewhere/mine.mjs" } }));
    expect(() => resume(out)).toThrow(
      /the method "mine" of the run in .* is defined in \/somewhere\/mine\.mjs\. Give a catalog that has it: .*loadPlugin\("method", file\)/,
    );
  });
});
