/** Steps that are compared with the step before, prepared and carried out at once: the same bits as call by call. */
import { afterEach, describe, expect, it } from "vitest";
import { EngineError } from "../../src/errors.js";
import { methods } from "../../src/methods/index.js";
import { addon } from "../../src/torch/addon.js";
import {
  call,
  liveTensors,
  noGrad,
  replaySteps,
  type StepReplay,
  scope,
  type Tensor,
  tensor,
} from "../../src/torch/index.js";
import { Captured } from "../../src/torch/replay/captured.js";
import { invokerOf } from "../../src/torch/replay/execute.js";
import { Given, Made, Plan } from "../../src/torch/replay/plan.js";
import { CLASSES, numbers, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { tinyTable } from "../support/tiny-table.js";

const STEPS = 16;
/** They look at values in their step, so it cannot be taken at once. */
const reading = ["prototypes", "knn", "linear-probe", "label-propagation"];

let open: StepReplay | undefined;
afterEach(() => open?.close());

/** Metrics of all steps and the weights after them. */
function trained(name: string, options: TinyRunOptions, replay: boolean) {
  const run = tinyRun(name, options);
  open = replay ? replaySteps("cpu", { rehearsal: true }) : undefined;
  const metrics = Array.from({ length: STEPS }, (_, step) =>
    scope(() => {
      const batch = run.batch(step);
      const body = () => run.method.step(batch, { step, epoch: step / 5, totalSteps: STEPS });
      return numbers(open ? open.run(body) : body());
    }),
  );
  const weights = weightsOf(run);
  const report = open?.report();
  run.release();
  return { metrics, weights, report };
}

function weightsOf({ method }: TinyRun): Record<string, number[]> {
  const all: Record<string, number[]> = {};
  for (const [role, model] of Object.entries(method.models))
    for (const { name, tensor } of [...model.parameters, ...model.buffers]) all[`${role}.${name}`] = tensor.toNumbers();
  return all;
}

const settings = {
  sgd: { optimizer: { name: "sgd", schedule: "linear-cosine", lr: 0.02 } },
  adam: { optimizer: { name: "adam", schedule: "linear-cosine", lr: 0.002, weightDecay: 0.01 } },
};

describe.each(Object.entries(settings))("steps at once, %s", (_, options) => {
  it.each(methods.map(({ name }) => name))("%s: the same bits as call by call", (name) => {
    const [eager, atOnce] = [trained(name, options, false), trained(name, options, true)];
    expect(atOnce.metrics).toEqual(eager.metrics);
    expect(atOnce.weights).toEqual(eager.weights);
    if (reading.includes(name)) expect(atOnce.report).toMatchObject({ alone: STEPS, atOnce: 0 });
    else expect(atOnce.report!.atOnce).toBeGreaterThan(3);
  });
});

it("rows of a table that are read from disk in each step (--method.prior): the same bits, at once", () => {
  const options = { ...settings.sgd, method: { prior: tinyTable(40, CLASSES) } };
  const [eager, atOnce] = [trained("fixmatch", options, false), trained("fixmatch", options, true)];
  expect(atOnce).toMatchObject({ metrics: eager.metrics, weights: eager.weights });
  expect(atOnce.report!.atOnce).toBeGreaterThan(3);
});

it("batches of other shapes have plans of their own, and one that changes is told anew", () => {
  const weight = tensor([1, 2, 3], [3]).keep();
  open = replaySteps("cpu", { rehearsal: true });
  const step = (rows: number, extra: boolean, factor: number) =>
    scope(() => {
      const x = tensor(
        Array.from({ length: 3 * rows }, (_, i) => i),
        [rows, 3],
      );
      const body = () => {
        const y = x.mul(weight).sum([1]).mul(factor);
        weight.add_(0.5);
        return extra ? y.add(1) : y;
      };
      return open!.run(body, String(rows)).toNumbers();
    });
  let now = [1, 2, 3];
  for (let i = 0; i < 40; i++) {
    const [rows, extra, factor] = [1 + (i % 3), i >= 24, 1 + i / 10];
    const expected = Array.from({ length: rows }, (_, row) => {
      const sum = now.reduce((all, w, k) => all + Math.fround(w * (3 * row + k)), 0);
      return Math.fround(sum * Math.fround(factor)) + (extra ? 1 : 0);
    });
    const got = step(rows, extra, factor);
    for (const [k, value] of got.entries()) expect(value).toBeCloseTo(expected[k]!, 3);
    now = now.map((w) => w + 0.5);
  }
  // Each shape: a step noted, three compared, then at once; once more after the change.
  expect(open.report()).toEqual({ alone: 40, atOnce: 40 - 3 * (3 + 1 + 3), obstacle: undefined });
  weight.release();
});

it("what is read in a step is what the step has made of it so far, were it there before or not", () => {
  const told = (replay: StepReplay | undefined) => {
    const [count, weight] = [tensor([0], [1]).keep(), tensor([1], [1]).keep().requiresGrad_()];
    const counts: number[] = [];
    const flags: boolean[] = [];
    for (let i = 0; i < 7; i++) {
      const body = (then: () => void) => () => {
        noGrad(() => count.add_(1));
        then();
      };
      const reads = body(() => counts.push(...count.toNumbers()));
      const asks = body(() => {
        weight.requiresGrad_(false);
        flags.push(weight.requiresGrad);
        weight.requiresGrad_(true);
      });
      for (const [shape, one] of [
        ["reads", reads],
        ["asks", asks],
      ] as const)
        replay ? replay.run(one, shape) : scope(one);
    }
    for (const t of [count, weight]) t.release();
    return { counts, flags };
  };
  const byCall = told(undefined);
  expect(byCall).toEqual({ counts: [1, 3, 5, 7, 9, 11, 13], flags: new Array(7).fill(false) });
  open = replaySteps("cpu", { rehearsal: true });
  expect(told(open)).toEqual(byCall);
});

/** What `step` gives in `count` steps, call by call and at once; then the report of the latter. */
function bothWays(count: number, step: (i: number) => () => Tensor) {
  const told = (replay: StepReplay | undefined) =>
    Array.from({ length: count }, (_, i) =>
      scope(() => {
        const body = step(i);
        return (replay ? replay.run(body) : scope(body)).toNumbers();
      }),
    );
  const byCall = told(undefined);
  open = replaySteps("cpu", { rehearsal: true });
  expect(told(open)).toEqual(byCall);
  return open.report();
}

it.each(["int64", "float64"] as const)("a number that moves beside %s is told call by call", (dtype) => {
  const report = bothWays(8, (i) => {
    const classes = tensor(Int32Array.from([0, 1, 2, 0]), [4], "int64").to(dtype);
    return () =>
      classes
        .eq(i % 3)
        .float()
        .add(classes.mul(0.1 * i));
  });
  expect(report).toMatchObject({ alone: 8, atOnce: 0 });
});

it("a step that fails has made each of its calls once", () => {
  const [weight, rows] = [tensor([0], [1]), tensor([1, 2], [2])].map((t) => t.keep());
  const fails = (last: number) => {
    open = replaySteps("cpu", { rehearsal: true });
    noGrad(() => weight!.zero_());
    for (let i = 0; i <= last; i++)
      scope(() => {
        const index = tensor(Int32Array.from([i < last ? 1 : 2]), [1], "int64");
        const body = () => {
          noGrad(() => weight!.add_(1));
          return rows!.indexSelect(0, index);
        };
        if (i < last) open!.run(body);
        else expect(() => open!.run(body)).toThrow("index");
      });
    expect(weight!.toNumbers()).toEqual([last + 1]);
  };
  for (const last of [0, 1, 3, 6]) fails(last);
  for (const t of [weight, rows]) t!.release();
});

describe("tensors whose sizes are others in another step", () => {
  const count = 10;
  const meanOf = (t: Tensor) => t.sum().div(t.numel);
  const values = (i: number, n = 8) =>
    tensor(
      Array.from({ length: n }, (_, k) => i + k),
      [n],
    );

  it.each([
    ["aten::masked_select", (x: Tensor, mask: Tensor) => call("aten::masked_select", "", x, mask)],
    ["aten::index.Tensor", (x: Tensor, mask: Tensor) => call("aten::index", "Tensor", x, [mask])],
    ["aten::nonzero", (_: Tensor, mask: Tensor) => (call("aten::nonzero", "", mask) as Tensor).float()],
  ])("%s: call by call", (name, picked) => {
    const report = bothWays(count, (i) => {
      const [x, least] = [values(i), tensor([i + 4 + (i % 3)], [1])];
      return () => meanOf(picked(x, x.ge(least)) as Tensor);
    });
    expect(report).toEqual({ alone: count, atOnce: 0, obstacle: `the sizes of its tensors depend on data (${name})` });
  });

  it("batches of other sizes: told anew", () => {
    const report = bothWays(count, (i) => {
      const x = values(i, i < 4 ? 8 : 6);
      return () => meanOf(x.mul(2));
    });
    expect(report.atOnce).toBeGreaterThan(0);
  });

  it("an operator that nobody knows of: the error says what to do", () => {
    open = replaySteps("cpu", { rehearsal: true });
    const step = (i: number) =>
      scope(() => {
        const classes = tensor(Int32Array.from([0, i < 3 ? 1 : 4]), [2], "int64");
        return open!.run(() => meanOf(call("aten::bincount", "", classes, undefined, 0) as Tensor)).item();
      });
    expect([0, 1, 2].map(step)).toEqual([1, 1, 1]);
    expect(() => step(3)).toThrow(/tensor's shape of \[2\], .* it has \[5\].*--cuda-graphs false/);
  });
});

it.each(["a call", "the end"])("a capture that fails at %s leaves no tensor", (where) => {
  const x = tensor([1, 2, 3], [3]).keep();
  const native = {
    ...addon(),
    graphBegin() {},
    graphAbort() {},
    graphEnd(): number {
      throw new EngineError("graphEnd: no");
    },
  };
  const plan = new Plan(() => "");
  const given = new Given(x.handle, "");
  const note = (name: string, overload: string, args: Given[]) => {
    const [key, op] = [overload ? `${name}.${overload}` : name, native.find(name, overload)];
    const result = new Made(plan.made++);
    plan.actions.push({ method: "call", key, op, args, result, movable: [], moving: new Set() });
  };
  for (let i = 0; i < 10; i++) note("aten::mul", "Tensor", [given, given]);
  if (where === "a call") note("aten::mm", "", [given, given]);
  const captured = new Captured(native, invokerOf(native), plan, "cpu");
  const before = liveTensors();
  expect(() => captured.capture()).toThrow(where === "a call" ? "aten::mm" : "graphEnd");
  captured.drop();
  expect(liveTensors()).toBe(before);
  x.release();
});

it("a step that is another one now and then, as where an epoch begins, lets the plan be", () => {
  const [epochs, steps] = [30, 20];
  const weight = tensor([1, 2, 3], [3]);
  const bank = tensor([0, 0, 0], [3]);
  const report = bothWays(epochs * steps, (i) => {
    if (i === 0) bank.zero_();
    const x = tensor([i % 7, 1, 2], [3]);
    return () => {
      if (i % steps === 0) bank.mul_(0.6);
      bank.add_(x.mul(1 / (1 + i))); // a number that moves
      return x.mul(weight).add(bank);
    };
  });
  // The first step of each epoch, and the first four.
  expect(report).toEqual({ alone: epochs * steps, atOnce: epochs * steps - epochs - 4, obstacle: undefined });
  for (const t of [weight, bank]) t.release();
});

it("a plan that steps leave for good is told anew, and steps that are never alike are given up, which is told once", () => {
  const phases = bothWays(60, (i) => {
    const x = tensor([i, 1], [2]);
    return () => (i < 30 ? x.mul(2) : x.relu());
  });
  expect(phases).toMatchObject({ atOnce: 60 - 3 - (2 + 3), obstacle: undefined });
  const never = bothWays(60, (i) => {
    const x = tensor([i, 1], [2]);
    return () => x.reshape([2]).pow(1 + i); // a number that must not move
  });
  expect(never).toEqual({ alone: 60, atOnce: 0, obstacle: "its calls are others again and again" });
  expect([open!.failure(), open!.failure()]).toEqual([never.obstacle, undefined]);
});

it("a tensor on the CPU beside the device's, as a weight that a step makes: call by call", () => {
  const report = bothWays(8, (i) => {
    const x = tensor([1, 2, 3], [3]);
    return () => x.mul(tensor([i], []).add(1));
  });
  expect(report).toEqual({
    alone: 8,
    atOnce: 0,
    obstacle: "a tensor on the CPU is used beside others (aten::mul.Tensor)",
  });
});
