/** Every network on the GPU: its outputs and gradients against the CPU's. */
import { beforeAll, expect, it } from "vitest";
import { models } from "../../src/models/index.js";
import { createModel } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { normal, scope, useCuda } from "../../src/torch/index.js";
import { describeCuda } from "../support/cuda.js";

const SIDE = 64;

/**
 * How far the GPU may be off. While training, batch norm divides by the spread of 4 images: inputs changed by 1e-6 move ResNet's and MobileNet's
 * logits by 1e-4 and gradients by 1e-3, a hundred times as far as in evaluation (measured on the CPU).
 */
const limits = { eval: { logits: 1e-4, norms: 1e-3 }, train: { logits: 1e-2, norms: 5e-2 } };
type Mode = keyof typeof limits;

/** Logits of a pass of 4 images, noise and all, and the norm of each parameter's gradient. */
function passOf(name: string, mode: Mode, device: string): { readonly logits: number[]; readonly norms: number[] } {
  const definition = models.find((model) => model.name === name)!;
  const side = /^vit-s/.test(name) ? 56 : SIDE;
  const network = definition.create(
    { channels: 3, height: side, width: side, numClasses: 10 },
    parseOptions(definition.options, {}, name),
  );
  const model = createModel(network, { rng: Rng.fromSeed(1), precision: "fp32", device });
  return scope(() => {
    const x = normal([4, 3, side, side], 0, 1, Rng.fromSeed(2)).contiguous("channelsLast");
    const logits = model.forward(device === "cpu" ? x : x.toDevice(device), mode);
    const z = logits.float();
    z.mul(z).mean().backward();
    const norms = model.parameters.map(({ tensor }) => tensor.grad?.mul(tensor.grad).sum().sqrt().item() ?? 0);
    return { logits: logits.toNumbers(), norms };
  });
}

const off = (a: readonly number[], b: readonly number[]) =>
  Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.max(Math.hypot(...b), 1e-6);

describeCuda("networks on the GPU", () => {
  beforeAll(() => useCuda(0, { tf32: false, deterministic: false }));

  it.each(models.flatMap(({ name }) => (["eval", "train"] as const).map((mode) => [name, mode] as const)))(
    "%s, mode %s",
    (name, mode) => {
      const [card, cpu] = [passOf(name, mode, "cuda"), passOf(name, mode, "cpu")];
      expect(off(card.logits, cpu.logits)).toBeLessThan(limits[mode].logits);
      expect(off(card.norms, cpu.norms)).toBeLessThan(limits[mode].norms);
    },
    60_000,
  );
});
