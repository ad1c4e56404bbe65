import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { catalog } from "../../src/config/catalog.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { fingerprint } from "../../src/data/fingerprint.js";
import { twoMoons } from "../../src/data/index.js";
import { readDefinition } from "../../src/experiments/definition/read.js";
import { type PlannedRun, planExperiment } from "../../src/experiments/plan.js";
import { call } from "../../src/experiments/run-all.js";
import { besides, findMovedData, prepareRun, stateOf } from "../../src/experiments/run-state.js";
import { FolderLock } from "../../src/files/lock/lock.js";
import { holdFolder } from "../../src/run/hold-folder.js";
import { RunFolder } from "../../src/run/index.js";
import { loadSplit } from "../../src/session/data.js";
import { writeTiny } from "./tiny.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-run-state-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tiny = readDefinition("tiny", writeTiny(folder));
const runsIn = (out: string): readonly PlannedRun[] =>
  planExperiment(tiny, { scale: "small", out: join(folder, out) }).runs;

describe("one command in a folder of runs", () => {
  it("a second one is refused while the first is at work, and only then", async () => {
    const out = join(folder, "held");
    await holdFolder(out, async () => {
      await expect(holdFolder(out, async () => {})).rejects.toThrow(
        /held: process \d+ is at work in this folder of runs since/,
      );
    });
    await expect(holdFolder(out, () => Promise.reject(new Error("gone wrong")))).rejects.toThrow("gone wrong");
    await holdFolder(out, async () => {});
    expect(readdirSync(out)).toEqual([]);
  });

  it("a run folder in which somebody else trains is neither removed nor written to", async () => {
    const [run] = runsIn("trained");
    mkdirSync(run!.folder, { recursive: true });
    writeFileSync(join(run!.folder, "config.json"), "{}");
    const lock = FolderLock.take(run!.folder);
    await expect(prepareRun(run!)).rejects.toThrow(/another process is training in this run folder/);
    expect(existsSync(join(run!.folder, "config.json"))).toBe(true);
    lock.release();
    expect(await prepareRun(run!)).toBe("new");
  });
});

it("a run that is killed is said to have been, and by what", async () => {
  const children = new Set<ChildProcess>();
  const done = call(["list", "methods"], children);
  for (const child of children) child.kill("SIGKILL");
  await expect(done).rejects.toThrow(/fewlabels list was killed by SIGKILL: was there too little memory/);
});

describe("a run whose inputs changed is another run", () => {
  const options = { scale: "small", seeds: [1] } as const;
  const labels = join(folder, "labels.csv");
  /** A finished run without training; `facts`: what its config.json has beside the options. */
  function finish(run: PlannedRun, data: string | undefined, dataFingerprint: string): void {
    const config = resolveConfig(new Map([...run.given]), catalog);
    RunFolder.create(
      run.folder,
      { ...config, ...(data !== undefined && { data }) },
      { versions: {}, dataFingerprint },
    ).close();
    writeFileSync(join(run.folder, "metrics.jsonl"), "");
    writeFileSync(join(run.folder, "result.json"), "{}");
  }

  it("a labels file of another content", async () => {
    writeFileSync(labels, "0 0\n1 1\n");
    const overrides = { labels };
    const plan = () => planExperiment(tiny, { ...options, out: join(folder, "labels"), overrides }).runs[0]!;
    await prepareRun(plan());
    finish(plan(), undefined, "x");
    expect(stateOf(plan())).toBe("finished");
    writeFileSync(labels, "0 0\n2 0\n3 1\n");
    expect(stateOf(plan())).toBe("changed");
    expect(await prepareRun(plan())).toBe("new");
    expect(existsSync(`${plan().folder}.replaced-1/result.json`)).toBe(true);
  });

  it("the one whose predictions it starts from; predictions of the old one are not taken", async () => {
    const file = writeTiny(folder, (text) =>
      text.replace("pi-model: { method: pi-model }", "pi-model: { method: pi-model, predictionsOf: supervised }"),
    );
    const definition = readDefinition("tiny", file);
    const plan = (steps: number | string) => {
      const changed = definition.rows.map((row) =>
        row.name === "supervised" ? { ...row, options: { ...row.options, steps } } : row,
      );
      const { runs } = planExperiment({ ...definition, rows: changed }, { ...options, out: join(folder, "needs") });
      return runs.find(({ needs }) => needs !== undefined)!;
    };
    const { table } = besides(plan(300));
    await prepareRun(plan(300));
    writeFileSync(table, "");
    await prepareRun(plan(300));
    expect(existsSync(table)).toBe(true);
    await prepareRun(plan(310)); // it had not begun to train
    expect(existsSync(table)).toBe(false);
    finish(plan(310), undefined, "x");
    expect(stateOf(plan("310"))).toBe("finished");
    expect([stateOf(plan(310)), stateOf(plan(300))]).toEqual(["finished", "changed"]);
  });

  it("other data; the same data at another place are the same", async () => {
    const plan = (data?: string) =>
      planExperiment(tiny, {
        ...options,
        out: join(folder, "data"),
        overrides: { ...(data !== undefined && { data }) },
      }).runs[0]!;
    const run = plan();
    const { data } = await loadSplit(resolveConfig(new Map([...run.given]), catalog), twoMoons);
    await prepareRun(run);
    finish(run, "/old/place", fingerprint(data));
    const states = () => [undefined, "/old/place", "/new/place"].map((place) => stateOf(plan(place)));
    expect(states()).toEqual(["finished", "finished", "changed"]);
    await findMovedData([plan("/new/place")], catalog);
    expect(states()).toEqual(["finished", "finished", "finished"]);
    expect(stateOf(plan("/third/place"))).toBe("changed");
    rmSync(run.folder, { recursive: true });
    finish(run, "/old/place", "other");
    await findMovedData([plan("/third/place")], catalog);
    expect(stateOf(plan("/third/place"))).toBe("changed");
  });
});
