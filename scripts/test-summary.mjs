// A vitest reporter: names every skipped test with its reason, counts, and leaves the counts for .ci/run.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildDir } from "./setup/common.mjs";

export default class TestSummary {
  /**
   * @param {ReadonlyArray<import("vitest/node").TestModule>} modules
   * @param {ReadonlyArray<unknown>} unhandled errors outside any test
   */
  onTestRunEnd(modules, unhandled) {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    /** @type {string[]} */
    const skips = [];
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail.
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") counts.passed++;
        else if (result.state === "failed") counts.failed++;
        else {
          counts.skipped++;
          const note = result.state === "skipped" ? result.note : undefined;
          // Suites that need data or a device say in their title what is missing.
          const reason = note || (test.fullName.includes("(skipped: ") ? "" : "no reason given");
          skips.push(`  ${module.relativeModuleId} > ${test.fullName}${reason && `: ${reason}`}`);
        }
      }
    }
    if (skips.length > 0) console.log(`\nskipped:\n${skips.join("\n")}`);
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
    console.log(`\n${line}`);
    mkdirSync(buildDir, { recursive: true });
    writeFileSync(join(buildDir, "test-summary.json"), `${JSON.stringify({ ...counts, line })}\n`);
  }
}
