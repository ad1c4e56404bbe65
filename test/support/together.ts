/** Whole runs in several processes at once. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Running } from "../cli/run-cli.js";
import { startProcesses } from "./processes.js";

const script = `
import { readFileSync } from "node:fs";
import { train } from ${JSON.stringify(new URL("../../dist/train/run.js", import.meta.url).href)};
for (const config of JSON.parse(readFileSync(process.argv[1], "utf8"))) {
  for await (const event of train(config)) if (event.type !== "step") console.log(JSON.stringify(event));
}`;

/** Starts the runs, one after the other, in `size` processes that train together. They print their events but steps. */
export function startTogether(size: number, folder: string, runs: readonly object[]): Promise<Running[]> {
  const file = join(folder, "runs.json");
  writeFileSync(file, JSON.stringify(runs));
  return startProcesses(size, ["--input-type=module", "-e", script, file], { OMP_NUM_THREADS: "1" });
}

/** The same, to their end. Throws where a process fails. */
export async function trainTogether(size: number, folder: string, runs: readonly object[]): Promise<void> {
  const all = await Promise.all((await startTogether(size, folder, runs)).map(({ finished }) => finished));
  for (const { code, out, err } of all)
    if (code !== 0) throw new Error(`a process ended with ${code}:\n${out.slice(-500)}\n${err}`);
}
