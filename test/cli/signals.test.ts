// Ctrl-C through npx, nohup: what signals mean to a run.

import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../src/cli/commands/launch/processes.js";
import { onStopSignals, stopSignal, stopSignals } from "../../src/cli/signals.js";
import { canJoin } from "../../src/torch/index.js";
import { describeTraining, start } from "./run-cli.js";

describe("onStopSignals", () => {
  const heard = (terminal: boolean, ...signals: readonly (readonly [NodeJS.Signals, number])[]) => {
    const calls: string[] = [];
    let time = 0;
    const off = onStopSignals((times) => calls.push(`stop ${times}`), {
      terminal,
      now: () => time,
      onHangup: () => calls.push("hangup"),
    });
    for (const [signal, at] of signals) {
      time = at;
      process.emit(signal, signal);
    }
    off();
    return calls;
  };

  it("two close together are one, however the second came; a later one is the second", () => {
    expect(heard(true, ["SIGINT", 0], ["SIGINT", 1])).toEqual(["stop 1"]);
    expect(heard(true, ["SIGINT", 0], ["SIGTERM", 40], ["SIGINT", 80])).toEqual(["stop 1"]);
    expect(heard(true, ["SIGINT", 0], ["SIGINT", 1], ["SIGINT", 900])).toEqual(["stop 1", "stop 2"]);
  });

  it("a hangup stops where a terminal is attached, and is passed over, said once, where there is none", () => {
    expect(heard(true, ["SIGHUP", 0])).toEqual(["stop 1"]);
    expect(heard(false, ["SIGHUP", 0], ["SIGHUP", 500], ["SIGINT", 501])).toEqual(["hangup", "stop 1"]);
  });

  it("a server closes at the first, also where it comes twice at once, and ends at a later second", async () => {
    const before = process.listeners("SIGINT");
    let quits = 0;
    let time = 0;
    const stopped = stopSignal({ terminal: false, now: () => time, quit: () => quits++ });
    const added = process.listeners("SIGINT").filter((one) => !before.includes(one));
    let [done, over] = [false, false];
    void stopped.then(() => (done = true));
    process.emit("SIGHUP", "SIGHUP");
    await Promise.resolve();
    over = done;
    process.emit("SIGINT", "SIGINT");
    time = 5;
    process.emit("SIGINT", "SIGINT");
    await stopped;
    const early = quits;
    time = 1000;
    process.emit("SIGTERM", "SIGTERM");
    for (const signal of stopSignals) for (const one of added) process.off(signal, one);
    expect([added.length, over, early, quits]).toEqual([1, false, 0, 1]);
  });

  it("leaves no listener behind", () => {
    const before = process.listenerCount("SIGINT");
    onStopSignals(() => {})();
    expect(process.listenerCount("SIGINT")).toBe(before);
  });
});

/** Resolves when somebody takes connections there. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const there = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (there) return;
    await setTimeout(50);
  }
}

describeTraining("fewlabels bench", () => {
  it("leaves nothing in the temporary folder when it is stopped", async () => {
    const temporary = mkdtempSync(join(tmpdir(), "fewlabels-stopped-"));
    try {
      const flags = ["--model", "convnet-tiny", "--threads", "1", "--steps", "100000"];
      const run = start(["bench", ...flags], { env: { TMPDIR: temporary } });
      await run.seen(/step \d+\/100010/);
      expect(readdirSync(temporary)).toHaveLength(1);
      run.child.kill("SIGTERM");
      await run.finished;
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }, 60_000);
});

describeTraining("fewlabels train", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "fewlabels-signals-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const args = (out: string, steps: number) =>
    `train --dataset two-moons --model mlp --batch 20 --labels 8 --threads 1 --log-every 1 --eval-every 0 --steps ${steps} --out ${join(folder, out)}`.split(
      " ",
    );

  it("keeps its checkpoint when Ctrl-C arrives twice at once", async () => {
    const run = start(args("twice", 1_000_000));
    await run.seen(/step \d+\//);
    run.child.kill("SIGINT");
    run.child.kill("SIGINT");
    const { code, err } = await run.finished;
    expect(code).toBe(130);
    expect(err).toContain("continue with: fewlabels train --resume");
    expect(readdirSync(join(folder, "twice/checkpoints"))).toHaveLength(1);
  }, 60_000);

  it.skipIf(!canJoin())(
    "quits at the second Ctrl-C while it waits for a process that never comes",
    async () => {
      const port = await freePort();
      const place = { RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: `${port}` };
      const run = start([...args("waits", 10), "--world-timeout", "120"], { env: place });
      await listening(port);
      run.child.kill("SIGINT");
      await run.seen(/interrupt again to quit at once/);
      await setTimeout(400);
      run.child.kill("SIGINT");
      await run.finished;
      expect(run.child.signalCode).toBe("SIGINT"); // a shell's 130
    },
    60_000,
  );

  it("goes on after a hangup where no terminal is attached, as under nohup", async () => {
    const run = start(args("nohup", 200));
    await run.seen(/step \d+\//);
    run.child.kill("SIGHUP");
    const { code, out } = await run.finished;
    expect(code).toBe(0);
    expect(out).toContain("hangup, and no terminal is attached: going on");
    expect(existsSync(join(folder, "nohup/result.json"))).toBe(true);
  }, 60_000);
});
