/** What a tiny run comes to, so that two configurations can be told apart. */
import { createHash } from "node:crypto";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { UsageError } from "../../src/errors.js";
import type { Option } from "../../src/options.js";
import { openSession } from "../../src/session/session.js";
import { scope, Tensor } from "../../src/torch/index.js";

export type Given = Readonly<Record<string, unknown>>;

/** A hash of all metrics of every step, and of everything that a checkpoint would hold at the end. Throws what the run throws. */
export async function footprint(given: Given): Promise<string> {
  const config = resolveConfig(flatten(given));
  const session = await openSession(config);
  const { method, batches, data, owners } = session;
  const hash = createHash("sha256");
  try {
    for (let step = 0; step < config.steps; step++) {
      await batches.prepare(step);
      scope(() => {
        const batch = batches.batch(step);
        const metrics = method.step(batch, { step, epoch: batches.epoch, totalSteps: config.steps });
        const probe = batches.probe?.();
        if (probe) probe.observe(method.models[method.predictor]!.forward(probe.x, "eval").softmax(1).toNumbers());
        for (const [name, value] of Object.entries(metrics)) {
          hash.update(`${step} ${name} ${value instanceof Tensor ? value.item() : value}\n`);
        }
      });
    }
    scope(() => {
      for (const [owner, stateful] of Object.entries(owners)) {
        const { tensors, values } = stateful.stateDict();
        hash.update(`${owner} ${JSON.stringify(values)}\n`);
        for (const [name, t] of Object.entries(tensors)) hash.update(`${name} ${t.shape} ${t.toNumbers()}\n`);
      }
    });
    return hash.digest("hex");
  } finally {
    await batches.close();
    data.release();
  }
}

const known = new Map<string, Promise<string>>();

/** The same run comes to the same, whichever of its options is looked at. */
function footprintOnce(given: Given): Promise<string> {
  const key = JSON.stringify(given);
  const found = known.get(key) ?? footprint(given);
  known.set(key, found);
  return found;
}

/** Other values than `now` that the option may have. */
export function otherValues(
  { type, choices, min = 0, max = Number.POSITIVE_INFINITY }: Option,
  now: unknown,
): unknown[] {
  if (type === "boolean") return now === undefined ? [true, false] : [!now];
  if (choices) return choices.filter((choice) => choice !== now);
  if (type !== "number" && type !== "integer") return [];
  const around = typeof now === "number" ? [now / 2, 2 * now, now + 1, now - 1] : [0.5, 2];
  const wanted = [...around, 1, 2, 0.3, 50, min].map((n) => (type === "integer" ? Math.round(n) : n));
  return [...new Set(wanted)].filter((n) => Number.isFinite(n) && n >= min && n <= max && n !== now);
}

/**
 * Whether some other value of `key` changes what the run comes to; or what refuses every value that does not, in words. Throws
 * what is no UsageError.
 */
export async function tryOption(base: Given, key: string, values: readonly unknown[]): Promise<string> {
  const before = await footprintOnce(base);
  let refused: string | undefined;
  for (const value of values) {
    try {
      if ((await footprint({ ...base, [key]: value })) !== before) return "changes";
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      refused ??= error.message;
    }
  }
  return refused ?? "nothing";
}
