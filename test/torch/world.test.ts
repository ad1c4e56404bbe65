import { expect, it } from "vitest";
import { closeWorld, openWorld, scope, tensor, world } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { describeWorld, inProcesses, startProcesses } from "../support/processes.js";

describeEngine("a process alone", () => {
  it("sends nothing, and everything is its own", () => {
    let asked = 0;
    const here = openWorld({ seconds: 1, place: undefined, flag: () => asked++ > 0 });
    scope(() => {
      const t = tensor([1, 2], [2]);
      here.sum([t]);
      here.average([t]);
      here.broadcast([t]);
      expect(here.gather(t)).toBe(t);
      expect(here.own(t)).toBe(t);
      expect(t.toNumbers()).toEqual([1, 2]);
    });
    expect([here.rank, here.size, here.broadcastText("a"), here.agreed(), here.agreed()]).toEqual([
      0,
      1,
      "a",
      false,
      true,
    ]);
    closeWorld({ failed: false });
    expect(world().size).toBe(1);
  });
});

describeWorld("three processes", () => {
  it("sum, average, gather with a gradient, broadcast and agree", { timeout: 60_000 }, async () => {
    const found = await inProcesses<Record<string, unknown>>(
      3,
      `import { closeWorld, openWorld, tensor, noGrad } from "dist/torch/index.js";
      let raised = false;
      const world = openWorld({ seconds: 30, flag: () => raised });
      const { rank } = world;
      const [a, b] = [tensor([rank, 1], [2]), tensor([10 * rank], [1, 1])];
      world.sum([a, b]);
      const mean = tensor([rank], [1]);
      world.average([mean]);
      const own = tensor([rank, 3 + rank], [2, 1]).requiresGrad_();
      const all = world.gather(own);
      all.mul(all).sum().backward();
      const first = tensor([rank + 5], [1]);
      world.broadcast([first]);
      const quiet = world.agreed();
      raised = rank === 1;
      const loud = world.agreed();
      const exact = tensor(Float64Array.of(2 ** 40 + rank), [1]);
      world.sum([exact]);
      const text = world.broadcastText(rank === 0 ? "näme" : "another");
      console.log(JSON.stringify({ sum: [...a.toNumbers(), ...b.toNumbers()], mean: mean.item(), all: all.toNumbers(),
        grad: own.grad.toNumbers(), mine: world.own(all.detach()).toNumbers(), first: first.item(), quiet, loud,
        exact: exact.item(), text }));
      world.barrier();
      closeWorld({ failed: true });`,
    );
    const same = {
      sum: [3, 3, 30],
      mean: 1,
      all: [0, 1, 2, 3, 4, 5],
      first: 5,
      quiet: false,
      loud: true,
      text: "näme",
    };
    found.forEach((one, rank) => {
      expect(one).toEqual({
        ...same,
        exact: 3 * 2 ** 40 + 3,
        grad: [2 * rank, 2 * (3 + rank)],
        mine: [rank, 3 + rank],
      });
    });
  });

  it("may be told of another timeout in their next run", { timeout: 60_000 }, async () => {
    const found = await inProcesses<Record<string, unknown>>(
      2,
      `import { closeWorld, openWorld, tensor } from "dist/torch/index.js";
      const sum = (seconds) => {
        const world = openWorld({ seconds });
        const t = tensor([world.rank + 1], [1]);
        world.sum([t]);
        return [world, t.item()];
      };
      const sums = [sum(50)[1]];
      closeWorld({ failed: false });
      const [world, second] = sum(1);
      const began = performance.now();
      let words = "";
      if (world.rank === 0) try { world.barrier(); } catch (error) { words = error.message; }
      else await new Promise((resolve) => setTimeout(resolve, 8000));
      console.log(JSON.stringify({ sums: [...sums, second], words, soon: performance.now() - began < 7000 }));
      process.exit(0);`,
    );
    expect(found.map(({ sums }) => sums)).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(found[0]).toMatchObject({ words: expect.stringContaining("another process is gone or stuck"), soon: true });
  });

  it("say who they are when another one is gone, at once", { timeout: 60_000 }, async () => {
    const script = (rank: number) => [
      "--input-type=module",
      "-e",
      `import { openWorld, tensor } from ${JSON.stringify(new URL("../../dist/torch/index.js", import.meta.url).href)};
      const world = openWorld({ seconds: 30 });
      world.barrier();
      if (${rank} === 1) process.exit(7);
      const began = performance.now();
      try { world.sum([tensor([1], [1])]); } catch (error) { console.log(error.name, error.message, performance.now() - began < 5000); }
      process.exit(0);`,
    ];
    const [first, gone] = await Promise.all((await startProcesses(2, script)).map(({ finished }) => finished));
    expect(gone!.code).toBe(7);
    expect(first!.out).toMatch(
      /^EngineError process 0 of 2: summing up failed, another process is gone or stuck: .* true\n$/s,
    );
  });

  it("wait no longer for one that never comes than they are told", { timeout: 60_000 }, async () => {
    const script = `import { openWorld } from ${JSON.stringify(new URL("../../dist/torch/index.js", import.meta.url).href)};
      openWorld({ seconds: 1 });`;
    const began = performance.now();
    const [only] = await startProcesses(1, ["--input-type=module", "-e", script], { WORLD_SIZE: "2" });
    const { code, err } = await only!.finished;
    expect(code).not.toBe(0);
    expect(err).toMatch(/process 0 of 2: did not meet the others at 127\.0\.0\.1:\d+ within 1 s/);
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});
