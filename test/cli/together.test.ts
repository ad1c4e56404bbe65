/** The real program in several processes: what happens when one is stopped, killed or stuck, and under the launchers that are here. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { describeWorld, startProcesses } from "../support/processes.js";
import { asFlags, checkpointFiles, folderOfThisFile, smallRun, written } from "../support/train-run.js";
import { binary, type Finished, type Running, startCommand } from "./run-cli.js";

const folder = folderOfThisFile();
const STEPS = 150;
const run = Object.fromEntries(
  Object.entries({ ...smallRun, model: "mlp", steps: STEPS, checkpointEvery: 10, seen: 0 }).filter(
    ([key]) => key !== "model.width", // an option of another network
  ),
);
const flags = asFlags(run);
/** So long that it does not end by itself. */
const endless = asFlags({ ...run, steps: 1_000_000 });

const end = (all: readonly Running[]): Promise<Finished[]> => Promise.all(all.map(({ finished }) => finished));
const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  startProcesses(2, [binary, "train", ...args], env);
const has = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const latest = (out: string) =>
  Math.max(0, ...readdirSync(join(out, "checkpoints")).map((name) => Number(name.slice(5))));

const mpirun = has("mpirun");
if (!mpirun) console.warn("testing `fewlabels launch` in place of Open MPI: mpirun is not here (openmpi-bin)");
const launcher = mpirun
  ? ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"]
  : [process.execPath, binary, "launch", "-n", "2", "--"];
const program = mpirun ? [process.execPath, binary, "train"] : ["train"];

describeWorld("two processes of the program", () => {
  const whole = join(folder, "whole");
  beforeAll(async () => {
    const launch = [process.execPath, binary, "launch", "-n", "2", "--", "train"];
    const { code, out, err } = await startCommand([...launch, ...flags, "--out", whole]).finished;
    expect([code, err]).toEqual([0, ""]);
    expect(out.match(/in each of 2 processes/g)).toHaveLength(1); // the first one tells
  }, 180_000);

  it("SIGTERM to one of them: a checkpoint, 130 everywhere, and the rest is what it would have been", {
    timeout: 180_000,
  }, async () => {
    const out = join(folder, "stopped");
    const running = await start([...flags, "--out", out]);
    await written(join(out, "checkpoints/step-10"), running);
    running[1]!.child.kill("SIGTERM");
    const ended = await end(running);
    expect(ended.map(({ code }) => code)).toEqual([130, 130]);
    expect(ended[0]!.err).toMatch(/^continue with: fewlabels train --resume \S+\n$/);
    expect(latest(out)).toBeLessThan(STEPS);
    const resumed = await startCommand([...launcher, ...program, "--resume", out]).finished;
    expect([resumed.code, resumed.err]).toEqual([0, ""]);
    expect(checkpointFiles(out, STEPS)).toEqual(checkpointFiles(whole, STEPS));
  });

  it("SIGTERM under a launcher that ends all at the first bad exit code: the checkpoint is written by then", {
    timeout: 180_000,
  }, async () => {
    const out = join(folder, "by-srun");
    const running = await start([...endless, "--model.hidden", "2048", "--checkpoint-every", "0", "--out", out]);
    await running[0]!.seen(/step \d+\//);
    running[1]!.child.on("exit", () => running[0]!.child.kill("SIGKILL"));
    for (const { child } of running) child.kill("SIGTERM");
    const [, second] = await end(running);
    expect(second!.code).toBe(130);
    expect(readdirSync(join(out, "checkpoints"))).toEqual([expect.stringMatching(/^step-\d+$/)]);
  });

  it("SIGTERM where the checkpoint cannot be written: 1 everywhere", { timeout: 180_000 }, async () => {
    const out = join(folder, "taken-away");
    const running = await start([...endless, "--log-every", "1000000", "--out", out]);
    await written(join(out, "checkpoints/step-10"));
    rmSync(out, { recursive: true });
    running[1]!.child.kill("SIGTERM");
    const [first, second] = await end(running);
    expect([first!.code, second!.code]).toEqual([1, 1]);
    expect(second!.err).toMatch(/process 1 of 2: .* another process is gone or stuck: /);
  });

  it("the result cannot be written: 1 everywhere", { timeout: 180_000 }, async () => {
    const out = join(folder, "no-result");
    const running = await start([...asFlags({ ...run, steps: 600 }), "--out", out]);
    await written(join(out, "checkpoints/step-10"));
    mkdirSync(join(out, "result.json"));
    const [first, second] = await end(running);
    expect([first!.code, second!.code]).toEqual([1, 1]);
    expect(first!.err).toMatch(/cannot write .*result\.json/);
    expect(second!.err).toMatch(/process 1 of 2: the run is over, and process 0 could not write what is left of it/);
  });

  it("one killed: the other says so at once, with exit code 1", { timeout: 180_000 }, async () => {
    const out = join(folder, "killed");
    const running = await start([...endless, "--out", out]);
    await written(join(out, "checkpoints/step-10"), running);
    running[1]!.child.kill("SIGKILL");
    const killed = performance.now();
    const { code, err } = await running[0]!.finished;
    expect(performance.now() - killed).toBeLessThan(5000);
    expect(code).toBe(1);
    expect(err).toMatch(/process 0 of 2: .* failed, another process is gone or stuck: /);
    expect(err).not.toMatch(/^ {4}at /m);
  });

  it("one stuck: the other waits as long as it is told", { timeout: 180_000 }, async () => {
    const out = join(folder, "stuck");
    const running = await start([...endless, "--out", out, "--world-timeout", "2"]);
    await written(join(out, "checkpoints/step-10"), running);
    running[1]!.child.kill("SIGSTOP");
    const stopped = performance.now();
    const { code, err } = await running[0]!.finished;
    running[1]!.child.kill("SIGKILL");
    expect(performance.now() - stopped).toBeLessThan(10_000);
    expect(code).toBe(1);
    expect(err).toMatch(/process 0 of 2: .* failed, another process is gone or stuck: /);
  });

  it("other options or other data in one of them are named", { timeout: 180_000 }, async () => {
    const args = (rank: number) => [
      binary,
      "train",
      ...flags,
      "--out",
      join(folder, "odd"),
      "--seed",
      String(1 + rank),
    ];
    const [first, second] = await end(await startProcesses(2, args));
    for (const { code, err } of [first!, second!]) {
      expect(code).toBe(2);
      expect(err).toMatch(/process 1 of 2: seed is 2 here and 1 in process 0/);
    }
    expect(existsSync(join(folder, "odd"))).toBe(false);
  });

  it("a run folder that only some of them see is named", { timeout: 180_000 }, async () => {
    const [out, nothing] = [join(folder, "seen-by-one"), join(folder, "not-there")];
    cpSync(whole, out, { recursive: true });
    rmSync(join(out, "result.json"));
    for (const folders of [
      [out, nothing],
      [nothing, out],
    ]) {
      const args = (rank: number) => [binary, "train", ...flags, "--out", folders[rank]!, "--resume"];
      const [first, second] = await end(await startProcesses(2, args));
      for (const { code, err } of [first!, second!]) {
        expect(err).toMatch(
          /process 1 of 2: (process 0|this one) continues a run .* its folder must be readable by all/,
        );
        expect(code).toBe(2);
      }
      expect(existsSync(nothing)).toBe(false);
    }
  });

  const torchrun = has("torchrun");
  const name = torchrun ? "torchrun" : "torchrun (skipped: it is not here; python3-torch brings it)";
  describe.skipIf(!torchrun)(name, () => {
    it("starts all again when one is killed, and they end where the others did", { timeout: 180_000 }, async () => {
      const out = join(folder, "elastic");
      const agent = ["torchrun", "-r", "1", "-t", "1", "--nproc_per_node", "2", "--max_restarts", "2", "--no_python"];
      const meeting = ["--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0"];
      const probe = spawnSync("torchrun", [...meeting, "--nproc_per_node", "1", "--no_python", "true"]);
      // Debian 13's torch is built without libuv, which its torchrun asks for wherever it has a store of its own.
      const env = /without libuv/.test(String(probe.stderr)) ? { TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "1" } : undefined;
      if (env)
        meeting.splice(3, 1, join(folder, "rendezvous"), "--rdzv_conf", "store_type=file", "--rdzv_id", "elastic");
      const again = [process.execPath, binary, "train", ...flags, "--out", out, "--resume"];
      const running = startCommand([...agent, ...meeting, ...again], { env });
      await written(join(out, "checkpoints/step-30"), [running]);
      const { pid } = JSON.parse(readFileSync(join(out, "lock"), "utf8"));
      process.kill(pid, "SIGKILL");
      const { code, err } = await running.finished;
      expect(code, err).toBe(0);
      expect(checkpointFiles(out, STEPS)).toEqual(checkpointFiles(whole, STEPS));
    });
  });
});
