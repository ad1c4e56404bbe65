import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasGloo } from "../../scripts/setup/gloo.mjs";
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
    expect(hasGloo({ includes: [headers("gloo/algorithm.h", group)], lateIncludes: [] })).toBe(true);
    expect(hasGloo({ includes: [headers(group)], lateIncludes: [headers("gloo/algorithm.h")] })).toBe(true);
  });

  it("is missing where one of the two is", () => {
    const root = headers();
    for (const one of ["gloo/algorithm.h", group]) {
      expect(hasGloo({ includes: [headers(one)], lateIncludes: [] }, root)).toBe(false);
    }
  });
});
