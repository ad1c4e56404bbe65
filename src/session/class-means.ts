/** Heads that start from what the network already sees: the mean feature of each class. */
import type { RunConfig } from "../config/resolve.js";
import { UsageError } from "../errors.js";
import type { Examples, LinearHead } from "../features/logistic.js";
import { prototypes } from "../features/prototypes.js";
import type { Model } from "../nn/index.js";
import { noGrad, scope, type Tensor, tensor } from "../torch/index.js";

/** Images of a class that its mean is taken over, at the most, and images a pass. */
const [PER_CLASS, CHUNK] = [16, 64];

/** Throws UsageError where the temperature of such a head is given and the head starts at random. */
export function checkHeadTemperature({ given = [], modelOptions, resume }: RunConfig): void {
  if (modelOptions.headStart === "means" || resume !== undefined || !given.includes("model.headTemperature")) return;
  throw new UsageError(
    "--model.headTemperature: is of a head that starts from class means, and this one starts at random. Add --model.head-start means",
  );
}

/** Labeled images for the means: of each class the first, then of each the second ..., `most` at the most. */
export function firstOfClasses(labeled: Int32Array, y: Int32Array, most: number): Int32Array {
  const rank = new Map<number, number>();
  const ranked = Array.from(labeled, (row) => {
    const place = rank.get(y[row]!) ?? 0;
    rank.set(y[row]!, place + 1);
    return { row, place };
  });
  const first = ranked.filter(({ place }) => place < PER_CLASS).sort((a, b) => a.place - b.place || a.row - b.row);
  return Int32Array.from(first.slice(0, most), ({ row }) => row);
}

/** The head of class means of `model`, of images with classes y: `images` gives some of them by position, as evaluation sees them; `temperature` divides the cosines. */
export function headOfMeans(
  model: Model,
  y: Int32Array,
  numClasses: number,
  images: (from: number, to: number) => Tensor,
  temperature: number,
): LinearHead {
  const parts: Float32Array[] = [];
  for (let from = 0; from < y.length; from += CHUNK) {
    noGrad(() =>
      scope(() => {
        parts.push(model.features(images(from, Math.min(y.length, from + CHUNK))).toArray() as Float32Array);
      }),
    );
  }
  const features = Float32Array.from(parts.flatMap((part) => [...part]));
  const examples: Examples = { features, size: features.length / y.length, y, numClasses };
  return prototypes(examples, temperature);
}

/** Puts it into these heads of the model, by the names of their layers, and returns those: a head that is no single linear layer stays as it is. */
export function startHeads(
  model: Model,
  layers: ReadonlySet<string>,
  { weight, bias }: LinearHead,
): ReadonlySet<string> {
  const filled = new Set<string>();
  for (const layer of layers) {
    const find = (name: string) => model.parameters.find((p) => p.name === `${layer}.${name}`)?.tensor;
    const [w, b] = [find("weight"), find("bias")];
    if (w?.shape.reduce((a, n) => a * n, 1) !== weight.length || b?.shape[0] !== bias.length) continue;
    noGrad(() =>
      scope(() => {
        w.copy_(tensor(weight, w.shape));
        b.copy_(tensor(bias, b.shape));
      }),
    );
    filled.add(layer);
  }
  return filled;
}
