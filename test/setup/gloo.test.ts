import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { glooHints, hasGloo } from "../../scripts/setup/gloo.mjs";
import { temporaryFolder } from "./helpers.js";

function headers(...names: readonly string[]): string {
  const folder = temporaryFolder();
  for (const name of names) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  return folder;
}

describe("hasGloo", () => {
  const group = "torch/csrc/distributed/c10d/ProcessGroupGloo.hpp";

  it("wants Gloo's headers and libtorch's, wherever the compiler would find them", () => {
    expect(hasGloo({ includes: [headers("gloo/algorithm.h", group)], lateIncludes: [], how: "system" })).toBe(true);
    expect(
      hasGloo({ includes: [headers(group)], lateIncludes: [headers("gloo/algorithm.h")], how: "user packages" }),
    ).toBe(true);
  });

  it("the system's are not those of a Python wheel", () => {
    const [root, wheel] = [headers("gloo/algorithm.h"), headers(group)];
    expect(hasGloo({ includes: [wheel], lateIncludes: [], how: "python3 torch" }, root)).toBe(false);
    expect(hasGloo({ includes: [wheel], lateIncludes: [], how: "system" }, root)).toBe(true);
    expect(glooHints("python3 torch", "setup")).toEqual([expect.stringContaining("comes without them")]);
  });

  it("is missing where one of the two is", () => {
    const root = headers();
    for (const one of ["gloo/algorithm.h", group]) {
      expect(hasGloo({ includes: [headers(one)], lateIncludes: [], how: "system" }, root)).toBe(false);
    }
  });
});
