import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { enginePresent } from "../support/engine.js";

const built = existsSync(new URL("../../dist/train/train.js", import.meta.url));

describe.skipIf(!enginePresent || !built)("leaks", () => {
  test("90 steps of mean-teacher, with evaluations and checkpoints, leave live tensors and memory flat", async () => {
    const { leakTest } = await import("../../scripts/leak-test.mjs");
    expect(await leakTest(90)).toEqual([]);
  }, 60_000);
});
