// A vitest reporter: names every skipped test with its reason and, last, every failed one with its error; counts, and leaves the
// counts for .ci/run. Failures come last since the end of a long log is what is kept of it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { buildDir } from "./setup/common.mjs";

/** @param {string} name @param {ReadonlyArray<{message?: string, diff?: string}>} errors */
const failure = (name, errors) => {
  const said = errors.flatMap((error) => {
    const text = [error.message ?? String(error), error.diff ?? ""].join("\n");
    const lines = stripVTControlCharacters(text)
      .split("\n")
      .filter((line) => line.trim() !== "");
    return lines.slice(0, 16);
  });
  return [`  ${name}`, ...said.map((line) => `    ${line}`)].join("\n");
};

export default class TestSummary {
  /**
   * @param {ReadonlyArray<import("vitest/node").TestModule>} modules
   * @param {ReadonlyArray<{message?: string}>} unhandled errors outside any test
   */
  onTestRunEnd(modules, unhandled) {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    /** @type {string[]} */
    const skips = [];
    const failures = unhandled.map((error) => failure("outside of any test", [error]));
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail.
      if (module.errors().length > 0) {
        counts.failed++;
        failures.push(failure(module.relativeModuleId, module.errors()));
      }
      // A hook that throws leaves its tests "skipped": the suite is what failed.
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length === 0) continue;
        counts.failed++;
        failures.push(failure(`${module.relativeModuleId} > ${suite.fullName}`, suite.errors()));
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") counts.passed++;
        else if (result.state === "failed") {
          counts.failed++;
          failures.push(failure(`${module.relativeModuleId} > ${test.fullName}`, result.errors));
        } else {
          counts.skipped++;
          const note = result.state === "skipped" ? result.note : undefined;
          // Suites that need data or a device say in their title what is missing.
          const reason = note || (test.fullName.includes("(skipped: ") ? "" : "no reason given");
          skips.push(`  ${module.relativeModuleId} > ${test.fullName}${reason && `: ${reason}`}`);
        }
      }
    }
    if (skips.length > 0) console.log(`\nskipped:\n${skips.join("\n")}`);
    if (failures.length > 0) console.log(`\nfailed:\n${failures.join("\n")}`);
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
    console.log(`\n${line}`);
    mkdirSync(buildDir, { recursive: true });
    writeFileSync(join(buildDir, "test-summary.json"), `${JSON.stringify({ ...counts, line })}\n`);
  }
}
