/** What `fewlabels launch` makes of how its processes end. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodeOf, launchProcesses } from "../../../src/cli/commands/launch/processes.js";
import { folderOfThisFile } from "../../support/train-run.js";

const folder = folderOfThisFile();
const times = { askAfter: 300, killAfter: 600 };

/** Two processes, each of which runs its own of these lines. */
function launched(...lines: readonly [string, string]): Promise<number> {
  const program = join(folder, `${lines.join().length}.cjs`);
  writeFileSync(
    program,
    `const fs = require("node:fs");\n[() => {${lines[0]}}, () => {${lines[1]}}][process.env.RANK]()`,
  );
  return launchProcesses(2, [], { program, ...times });
}
const later = (ms: number, work: string) => `setTimeout(() => {${work}}, ${ms})`;

describe("fewlabels launch", () => {
  it("lets process 0 write its checkpoint where the other has ended with 130", async () => {
    const file = join(folder, "checkpoint");
    const write = `fs.writeFileSync(${JSON.stringify(file)}, ""); process.exit(130)`;
    expect(await launched(later(1500, write), "process.exit(130)")).toBe(130);
    expect(existsSync(file)).toBe(true);
  });

  it("has the exit code of the process that knows why, also where another was faster", async () => {
    expect(await launched(later(150, "process.exit(2)"), "process.exit(1)")).toBe(2);
  });

  it("ends a process that goes on beside one that has failed, and has the failed one's exit code", async () => {
    const stuck = `process.on("SIGTERM", () => {}); ${later(60_000, "")}`;
    expect(await launched(stuck, "process.exit(1)")).toBe(1);
  });

  it("names an interruption only where nothing failed", () => {
    expect(exitCodeOf([0, 0])).toBe(0);
    expect(exitCodeOf([130, 0, 130])).toBe(130);
    expect(exitCodeOf([130, 1])).toBe(1);
    expect(exitCodeOf([0, 1, 3, 2])).toBe(3);
    expect(exitCodeOf([1, 137])).toBe(137);
  });
});
