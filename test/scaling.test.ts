/** The formula of docs/scaling.md: its arithmetic, what it takes for a step's messages against what is sent, and that the page is what it gives. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  meanTeacherStep,
  messageSeconds,
  metaPseudoLabelsStep,
  networkFacts,
  renewedPage,
  stepSeconds,
  table,
} from "../scripts/scaling-table.mjs";
import { modelFacts } from "../src/models/model-facts.js";
import { describeEngine } from "./support/engine.js";
import { describeWorld, inProcesses } from "./support/processes.js";

const link = { gigabits: 1, latency: 0.001 };

describe("a message in a ring", () => {
  it("goes around twice for a sum, once for a gathering, an equal part at a time", () => {
    const bytes = 125_000_000; // a second at 1 Gbit/s
    expect(messageSeconds({ what: "", kind: "sum", bytes, times: 1 }, 4, link)).toBeCloseTo(6 * (0.25 + 0.001), 12);
    expect(messageSeconds({ what: "", kind: "gather", bytes, times: 2 }, 4, link)).toBeCloseTo(
      2 * 3 * (0.25 + 0.001),
      12,
    );
    expect(messageSeconds({ what: "", kind: "sum", bytes, times: 1 }, 1, link)).toBe(0);
  });

  it("a step is its rows over the speed of all, and its messages", () => {
    const message = { what: "", kind: "sum", bytes: 0, times: 1 } as const;
    const step = { rowsWithGradient: 90, rowsWithout: 30, messages: [message, message] };
    expect(stepSeconds(step, 2, 10, link)).toEqual({ compute: 5, messages: 0.004 });
  });
});

describeWorld("the messages of a step", () => {
  const script = `
    import { addon } from "dist/torch/addon.js";
    import { flatten } from "dist/config/given.js";
    import { resolveConfig } from "dist/config/resolve.js";
    import { trainConfig } from "dist/train/train.js";
    import { mkdtempSync, rmSync } from "node:fs";
    import { tmpdir } from "node:os";
    const native = addon();
    let sent = [];
    const counted = (name, kind, sizes) => {
      const call = native[name];
      Object.defineProperty(native, name, { value: (...args) => (sent.push([kind, sizes(args)]), call(...args)) });
    };
    const bytes = (handle) => native.shape(handle).reduce((a, b) => a * b, 4);
    counted("allReduce", "sum", ([handles]) => handles.reduce((sum, handle) => sum + bytes(handle), 4));
    counted("allGather", "gather", ([handle]) => 2 * bytes(handle));
    const folder = mkdtempSync(tmpdir() + "/fewlabels-scaling-test-");
    const found = {};
    for (const [method, own] of JSON.parse(process.env.RUNS)) {
      const config = resolveConfig(flatten({ dataset: "digits", "dataset.train": 60, "dataset.test": 20, labels: 20, batch: 12, labeledBatch: 4, method,
        threads: 1, precision: "fp32", seen: 0, steps: 3, logEvery: 1, evalEvery: 0, checkpointEvery: 0, out: folder + "/" + method, ...own }));
      for await (const event of trainConfig(config)) {
        if (event.type !== "step") continue;
        if (event.step === 2) found[method] = sent;
        sent = [];
      }
    }
    rmSync(folder, { recursive: true, force: true });
    console.log(JSON.stringify(found));`;

  it("are those the formula takes", { timeout: 120_000 }, async () => {
    const net = { width: 0.125, heads: 2 };
    const RUNS = JSON.stringify([
      ["mean-teacher", { model: "cnn-13", "model.width": 0.125, "model.heads": 2, "method.logitDistanceWeight": 0.01 }],
      ["meta-pseudo-labels", { model: "mlp", "model.hidden": 8, syncBatchNorm: true, "method.finetuneSteps": 0 }],
    ]);
    const [found] = await inProcesses<Record<string, [string, number][]>>(2, script, { RUNS, OMP_NUM_THREADS: "1" });
    const input = { channels: 3, height: 32, width: 32, numClasses: 10 };
    const facts = (name: string, options: Record<string, unknown>) =>
      networkFacts(modelFacts(name, options, input), input.numClasses);
    const wanted = {
      "mean-teacher": meanTeacherStep(facts("cnn-13", net), 4, 8),
      "meta-pseudo-labels": metaPseudoLabelsStep(facts("mlp", { hidden: 8 }), 4, 8),
    };
    for (const [method, { messages }] of Object.entries(wanted)) {
      const all = messages.flatMap(({ kind, bytes, times }) => Array.from({ length: times }, () => `${kind} ${bytes}`));
      all.push("sum 12"); // at a logged step: the lengths of what two processes remark
      expect(found![method]!.map(([kind, size]) => `${kind} ${size}`).toSorted(), method).toEqual(all.toSorted());
    }
  });
});

describeEngine("the table", () => {
  /** Each network is built once. */
  const known = new Map<string, ReturnType<typeof modelFacts>>();
  const facts: typeof modelFacts = (name, ...about) => {
    const found = known.get(name) ?? modelFacts(name, ...about);
    known.set(name, found);
    return found;
  };

  it("names what is wrong with its arguments", () => {
    expect(() => table(["--run", "uda"], modelFacts)).toThrow(
      /expected one of mt-10, mpl-10, mpl-all for --run, got "uda"/,
    );
    expect(() => table(["--run", "mt-10"], modelFacts)).toThrow(/above 0 for --images-per-second, got undefined/);
    expect(() => table(["--run", "mt-10", "--images-per-second", "5", "--links", "1"], facts)).toThrow(/ms in --links/);
  });

  it("of docs/scaling.md is what the formula gives", () => {
    const page = readFileSync(new URL("../docs/scaling.md", import.meta.url), "utf8");
    expect(page.match(/<!-- scaling /g)!.length).toBeGreaterThan(2);
    expect(renewedPage(page, facts), "run node scripts/scaling-table.mjs --page").toBe(page);
  });
});
