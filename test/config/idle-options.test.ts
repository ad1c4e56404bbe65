/** Options beside a value that takes their effect away: they are refused, naming what they need, and stay where it is there. */
import { expect, test } from "vitest";
import { asFlags, flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { checkLaidOver, withoutIdle } from "../../src/config/without-idle.js";

const base = { dataset: "digits", labels: 50, steps: 100, model: "convnet-tiny" };

/** Method, the value, what it makes idle and a value of that. */
const rows: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>])[] = [
  ["meta-pseudo-labels", { finetuneSteps: 0 }, { finetuneLr: 0.01, finetuneBatch: 20 }],
  ["reduced-meta-pseudo-labels", { finetuneSteps: 0 }, { finetuneLr: 0.01, finetuneBatch: 20 }],
  ["meta-pseudo-labels", { labelMode: "soft" }, { feedback: "paired", baseline: "none", baselineDecay: 0.9 }],
  ["meta-pseudo-labels", { feedbackWeight: 0 }, { feedbackReduction: "mean" }],
  ["meta-pseudo-labels", { udaWeight: 0 }, { udaRampSteps: 10 }],
  ["vat", { powerIterations: 0 }, { xi: 0.1 }],
  ["vat", { eps: 0 }, { powerIterations: 2, xi: 0.1 }],
  ["mixmatch", { mixAlpha: 0 }, { mixPer: "batch" }],
  ["remixmatch", { mixAlpha: 0 }, { mixPer: "batch" }],
  ["ict", { mixAlpha: 0 }, { mixPer: "batch" }],
  ["mean-teacher", { consistencyWeight: 0 }, { rampUp: "linear", rampEvery: "epoch" }],
  [
    "pi-model",
    { consistencyWeight: 0 },
    { rampUp: "linear", rampEvery: "epoch", stopGrad: "target", zeroFirstEpoch: true },
  ],
  ["mean-teacher", { rampUpSteps: 0 }, { rampUp: "linear", rampEvery: "epoch", emaDecayRampUp: 0.5 }],
  ["vat", { rampUpSteps: 0 }, { emaDecayRampUp: 0.5 }],
  ["mean-teacher", { cost: "tau", tau: 0 }, { legacyScale: true }],
  ["pseudo-label", { unlabeledWeight: 0 }, { rampStart: 3 }],
  ["pseudo-label", { rampEnd: 0 }, { emaDecayRampUp: 0.5 }],
];
const cases = rows.flatMap(([method, off, idle]) =>
  Object.entries(idle).map(([option, value]) => ({ method, off, option, value, cause: Object.keys(off).at(-1) })),
);

test.each(cases)("$method with $off: $option has no effect", ({ method, off, option, value, cause }) => {
  const given = (more: object) => flatten({ ...base, method: { name: method, ...more } });
  const idle = given({ ...off, [option]: value });
  expect(() => resolveConfig(idle)).toThrow(
    new RegExp(`method\\.${option} has no effect in this run: it needs .*method\\.${cause}`),
  );
  expect([...withoutIdle(idle).keys()]).toEqual([...given(off).keys()]); // as arms of experiments share settings
  const { [cause!]: _, ...on } = off;
  expect(resolveConfig(given({ ...on, [option]: value })).methodOptions[option]).toBe(value);
});

test("optimizer.waitSteps has no effect beside studentWaitSteps, which counts for the one role that waits", () => {
  const optimizer = { schedule: "gmpl", waitSteps: 5 };
  const run = (method: object) => resolveConfig(flatten({ ...base, optimizer, method }));
  expect(() => run({ name: "meta-pseudo-labels", studentWaitSteps: 9 })).toThrow(
    /optimizer\.waitSteps has no effect in this run: it needs method\.studentWaitSteps not given, .*\(it is 9\)/,
  );
  expect(run({ name: "meta-pseudo-labels" }).optimizerOptions.waitSteps).toBe(5);
  expect(run({ name: "uda" }).optimizerOptions.waitSteps).toBe(5);
});

test("an option laid over many runs is refused where it has an effect in none, and named as it was given", () => {
  const [supervised, fixmatch] = ["supervised", "fixmatch"].map((method) =>
    flatten({ ...base, method, strong: "fixmatch", seen: 0 }),
  );
  const check = (...all: ReturnType<typeof flatten>[]) =>
    checkLaidOver(["seen", "strong"], all, { describe: asFlags("fewlabels experiment") });
  expect(() => check(supervised!, fixmatch!)).not.toThrow();
  expect(() => check(supervised!, supervised!)).toThrow(
    "fewlabels experiment: --strong has no effect in any of these runs: it needs a method that reads a strong view. Leave it out",
  );
});

test("optimizer.clipAfterDecay has no effect where decay is apart from the gradient", () => {
  const optimizer = { weightDecay: 0.1, clipNorm: 1, clipAfterDecay: true };
  const run = (more: object) =>
    resolveConfig(flatten({ ...base, method: "supervised", optimizer: { ...optimizer, ...more } }));
  expect(() => run({ decoupledDecay: true })).toThrow(
    /clipAfterDecay has no effect in this run: it needs .*decoupledDecay false \(it is true\)/,
  );
  expect(run({}).optimizerOptions.clipAfterDecay).toBe(true);
});
