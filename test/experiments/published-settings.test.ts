import { describe, expect, it } from "vitest";
import { catalog } from "../../src/config/catalog.js";
import { type RunConfig, resolveConfig } from "../../src/config/resolve.js";
import { withoutIdle } from "../../src/config/without-idle.js";
import { definitionNames, findDefinition } from "../../src/experiments/catalog.js";
import { armsOf } from "../../src/experiments/plan.js";

/** The runs of the papers' tables at scale paper. */
const arms = definitionNames()
  .filter((name) => !name.startsWith("fewlabels/"))
  .flatMap((name) =>
    armsOf(findDefinition(name), "paper", undefined).map(({ key, given }) => {
      const reduced = given.get("method") === "reduced-meta-pseudo-labels";
      const all = new Map([...given, ["data", "DATA"], ...(reduced ? [["method.table", "TABLE"] as const] : [])]);
      return { arm: `${name}/${key}`, config: resolveConfig(withoutIdle(all), catalog) };
    }),
  );
const those = (wanted: (config: RunConfig, arm: string) => boolean) => {
  const found = arms.filter(({ arm, config }) => wanted(config, arm));
  expect(found.length).toBeGreaterThan(0);
  return found;
};
/** Arms for which `fault` holds. */
const faulty = (of: typeof arms, fault: (config: RunConfig) => boolean) =>
  of.flatMap(({ arm, config }) => (fault(config) ? [arm] : []));

describe("at scale paper", () => {
  it("UDA's networks pad as TensorFlow does, as FixMatch's and Google's", () => {
    const own = those(({ modelOptions: { variant } }) => variant === "uda" || variant === "gmpl");
    expect(faulty(own, ({ modelOptions }) => modelOptions.padding !== "tf")).toEqual([]);
  });

  it("UDA's CIFAR-10 labels are the first ones", () => {
    const own = those(({ labels }, arm) => labels !== "all" && /^uda\/(cifar10|augmentation|unlabeled-size)/.test(arm));
    expect(faulty(own, ({ labelDraw }) => labelDraw !== "first")).toEqual([]);
  });

  it("averages that are the result have the statistics of public code, not our measurement at the end", () => {
    const own = those(({ model, method, methodOptions }, arm) => {
      const studentIsResult = method === "temporal-ensembling" || arm.startsWith("temporal-ensembling/");
      return model !== "mlp" && !studentIsResult && "emaBuffers" in methodOptions;
    });
    expect(faulty(own, ({ methodOptions }) => methodOptions.emaBuffers === "recompute")).toEqual([]);
    const ofUda = own.filter(({ config: { method }, arm }) => method === "uda" && !arm.startsWith("fixmatch/"));
    expect(faulty(ofUda, ({ methodOptions }) => methodOptions.emaBuffers !== "average")).toEqual([]);
  });

  it("Mean Teacher's and the Pi-model's batches have no hidden label where all labels are there", () => {
    const own = those(
      ({ method, labels }, arm) =>
        labels === "all" && arm.startsWith("mean-teacher/") && (method === "mean-teacher" || method === "pi-model"),
    );
    expect(faulty(own, ({ sampler }) => sampler !== "mixed")).toEqual([]);
  });

  it("Meta Pseudo Labels' EfficientNet and ResNet have Google's batch norm and padding", () => {
    const own = those(
      ({ model }, arm) => arm.startsWith("meta-pseudo-labels/") && /^(efficientnet|resnet)/.test(model),
    );
    const google = { padding: "tf", normKeep: 0.99, normEps: 1e-3 };
    expect(
      faulty(own, ({ modelOptions }) => Object.entries(google).some(([key, value]) => modelOptions[key] !== value)),
    ).toEqual([]);
  });

  it("numbers are float32, whatever the device's default", () => {
    const own = those(({ model }) => model !== "mlp");
    expect(faulty(own, ({ precision }) => precision !== "fp32")).toEqual([]);
  });

  it("Mean Teacher on wide networks has the weight 50 of a mean over unlabeled rows, as its reproductions", () => {
    const own = those(({ method, model }) => method === "mean-teacher" && model === "wide-resnet");
    const common = { consistencyWeight: 100, consistencyOnLabeled: false, rampUp: "linear", classReduction: "labeled" };
    expect(
      faulty(own, ({ methodOptions }) => Object.entries(common).some(([key, value]) => methodOptions[key] !== value)),
    ).toEqual([]);
    expect(faulty(own, ({ batch, labeledBatch }) => batch !== 2 * labeledBatch)).toEqual([]);
    expect(
      faulty(own, ({ steps, methodOptions }) => Math.abs(Number(methodOptions.rampUpSteps) / steps - 0.4) > 1e-3),
    ).toEqual([]);
  });

  it("Meta Pseudo Labels' own rows on small pictures pad weak views with gray", () => {
    const own = those(
      ({ method, model }, arm) =>
        arm.startsWith("meta-pseudo-labels/") &&
        /-meta-pseudo|^meta-pseudo/.test(method) &&
        /^(wide|efficient)/.test(model) &&
        !/table-4/.test(arm),
    );
    expect(faulty(own, ({ pad }) => pad !== "gray")).toEqual([]);
  });
});
