/**
 * Feedback for a strong view that learns (CTAugment): after each step the labeled images of its batch, distorted anew, are shown to the
 * network by the loop, and what it makes of them comes back. Methods know nothing of it.
 */
import type { CtWeights } from "../augment/ct-augment.js";
import { planStrong, probedOps, type StrongOptions } from "../augment/strong.js";
import type { Views } from "../batch.js";
import { DataError } from "../errors.js";
import type { State } from "../stateful.js";
import { type LoaderOptions, partLoader } from "./loader.js";
import type { BatchSource } from "./source.js";
import type { ImageStore } from "./store.js";

type Options = Pick<LoaderOptions<Views, Views>, "translate" | "flip" | "rng" | "device" | "spread">;

/** `source`, whose strong views were made with `weights`, with a probe after each batch; the weights join its state. */
export function probing<L extends Views, U extends Views>(
  source: BatchSource<L, U>,
  train: ImageStore,
  y: Int32Array,
  strong: StrongOptions & { readonly weights: CtWeights },
  options: Options,
): BatchSource<L, U> {
  const { weights } = strong;
  const probing: StrongOptions = { ...strong, probe: true };
  const load = partLoader(train, { view: { augment: "strong" } }, "probe", { ...options, strong: probing });
  const plan = planStrong(probing);
  const draws = options.rng.split("probe.view");
  let last: { readonly step: number; readonly rows: Int32Array } | undefined;
  return {
    prepare: (step) => source.prepare(step),
    batch(step) {
      const batch = source.batch(step);
      last = { step, rows: batch.labeled.rows };
      return batch;
    },
    probe() {
      if (!last || last.rows.length === 0 || plan.kind !== "recipe") return undefined;
      const { rows, step } = last;
      const ops = probedOps(plan, draws, step, rows.length);
      return {
        x: load(rows, step).x.view!,
        observe(probabilities) {
          const k = probabilities.length / rows.length;
          const all = Array.from(probabilities);
          rows.forEach((row, i) => {
            weights.observe(ops[i]!, all.slice(i * k, (i + 1) * k), y[row]!);
          });
        },
      };
    },
    get epoch() {
      return source.epoch;
    },
    remarks: () => source.remarks(),
    close: () => source.close(),
    stateDict() {
      const { tensors, values } = source.stateDict();
      return { tensors, values: { ...values, ctaugment: weights.save() } };
    },
    loadStateDict({ tensors, values }: State) {
      const { ctaugment, ...rest } = values;
      if (!weights.restore(ctaugment)) throw new DataError("ctaugment: the saved weights are missing or damaged");
      source.loadStateDict({ tensors, values: rest });
    },
  };
}
