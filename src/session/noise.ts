/** Whether a method that asks for agreement between noisy predictions gets any noise. */
import type { Views } from "../batch.js";
import type { RunConfig } from "../config/resolve.js";
import type { Method, MethodDefinition } from "../methods/index.js";
import type { Model } from "../nn/index.js";
import { Rng } from "../rng.js";
import { noGrad, normal, scope } from "../torch/index.js";
import type { PreparedData } from "./data.js";

/** A remark where views, network and method make no noise of any kind: two predictions for an image then differ by nothing. */
export function noNoise(
  definition: Pick<MethodDefinition, "name" | "wantsNoise">,
  { models }: Pick<Method<Views, Views>, "models">,
  views: Readonly<Record<"labeled" | "unlabeled", Views>>,
  data: Pick<PreparedData, "weak" | "translate" | "flip">,
  inputShape: readonly number[],
  { methodOptions }: Pick<RunConfig, "methodOptions">,
): string[] {
  if (!definition.wantsNoise) return [];
  const moves = Object.values(views.unlabeled).some(({ augment, translate = data.translate, flip = true }) => {
    return (
      augment === "strong" ||
      (augment === "weak" && (data.weak !== "translate" || translate > 0 || (flip && data.flip)))
    );
  });
  const asked = Object.entries(methodOptions).some(
    ([name, value]) => /(Dropout|Noise)$/.test(name) && Number(value) > 0,
  );
  if (moves || asked || Object.values(models).some((model) => isNoisy(model, inputShape))) return [];
  return [
    `${definition.name} asks for the same prediction under noise, and here is none: no translation, no flip, no dropout, no input noise. ` +
      "Give it some: a strong view (--method.studentView strong and the like), --translate, --model.dropout or --model.inputNoise",
  ];
}

/** Whether two passes in mode train with other draws differ. Leaves the model as it is. */
function isNoisy(model: Model, inputShape: readonly number[]): boolean {
  return noGrad(() =>
    scope(() => {
      const device = model.parameters[0]?.tensor.device ?? "cpu";
      const x = normal([2, ...inputShape], 0, 1, Rng.fromSeed(0)).toDevice(device);
      const [a, b] = [1, 2].map((seed) => {
        const pass = { mode: "train", everywhere: true, updateStatistics: false, rng: Rng.fromSeed(seed) } as const;
        return model.forward(x, pass).toNumbers();
      });
      return a!.some((value, i) => value !== b![i]);
    }),
  );
}
