/** From a network to an ONNX graph: one `eval` pass is recorded, twice, and every operator translated. */
import { EngineError, UsageError } from "../../errors.js";
import { type Module, namedBuffers, namedParameters, watchModules } from "../../nn/index.js";
import { Rng } from "../../rng.js";
import {
  noGrad,
  normal,
  type Operand,
  recordTape,
  scope,
  type Tape,
  type TapeStep,
  type Tensor,
} from "../../torch/index.js";
import { type Builder, int } from "./builder.js";
import { bytesOf, floats, integers, type OnnxTensor } from "./model.js";
import { type Argument, BATCH, BATCHES, type Port, translations } from "./operators.js";

/** What the two passes have in common, and what tells the batch from other lengths. Two primes that no network has by chance. */
const SIZES = [11, 13] as const;

export interface InputShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Adds the network to `b`, reading the normalized pictures `x`; returns the name of its logits. Throws UsageError that names the
 * operator and the module where one has no translation, or where the pass depends on the size of the batch.
 */
export function addNetwork(b: Builder, network: Module, shape: InputShape, x: string): string {
  const names = new Map(
    [...namedParameters(network), ...namedBuffers(network)].map(({ name, tensor }) => [tensor, name]),
  );
  const tapes = SIZES.map((rows) => recordPass(network, shape, rows)) as [Tape, Tape];
  const [one, other] = tapes;
  try {
    return noGrad(() => scope(() => translate(b, one, other, x, names)));
  } finally {
    for (const tape of tapes) for (const t of tape.copies) t.release();
  }
}

function recordPass(network: Module, { channels, height, width }: InputShape, rows: number): Tape {
  const stack: string[] = [];
  const where = () => {
    const name = stack.at(-1) ?? "";
    return name === "" ? "the network" : name;
  };
  const rng = Rng.fromSeed(rows);
  try {
    return noGrad(() =>
      scope(() =>
        watchModules(
          network,
          (name, module, run) => {
            stack.push(module.type === undefined ? name : `${name} (${module.type})`);
            try {
              return run();
            } finally {
              stack.pop();
            }
          },
          () =>
            recordTape(
              normal([rows, channels, height, width], 0, 1, rng),
              (input) => network.forward(input, { mode: "eval", rng }),
              where,
            ),
        ),
      ),
    );
  } catch (error) {
    if (error instanceof EngineError) throw new UsageError(`export: ${error.message}`);
    throw error;
  }
}

function translate(b: Builder, tape: Tape, other: Tape, x: string, names: ReadonlyMap<Tensor, string>): string {
  const ports = new Map<number, Port>([[tape.input, { port: x, shape: tape.shapes.get(tape.input)!, batched: true }]]);
  const known = new Map<Tensor, string>();
  const constant = (t: Tensor): Port => {
    const name = known.get(t) ?? b.constant(tensorOf(t), names.get(t));
    known.set(t, name);
    return { port: name, shape: t.shape, batched: false };
  };
  const needed = neededSteps(tape);
  for (const [i, step] of tape.steps.entries()) {
    if (!needed.has(step)) continue;
    const twin = other.steps[i];
    const fail = (problem: string): never => {
      throw new UsageError(`export: ${step.name} in ${step.where}: ${problem}`);
    };
    if (twin?.name !== step.name || twin.operands.length !== step.operands.length) {
      return fail("another batch takes another way through the network, which ONNX cannot express");
    }
    const argument = (a: Operand, z: Operand | undefined): Argument => {
      if (a.kind === "value" && z?.kind === "value") return ports.get(a.id)!;
      if (a.kind === "list" && z?.kind === "list")
        return a.items.map((item, k) => argument(item, z.items[k])) as Port[];
      if (a.kind === "constant" && z?.kind === "constant") {
        if (equal(a.tensor, z.tensor)) return constant(a.tensor);
        const row = rowOfEach(a.tensor, z.tensor);
        if (!row)
          return fail("a tensor in it depends on the pictures or on their number in a way that was not recorded");
        const lengths = b.node("Concat", [b.batch(), b.ints(row.shape.slice(1))], { axis: int(0) });
        const spread = b.node("Expand", [b.constant(tensorOf(row)), lengths]);
        return { port: spread, shape: a.tensor.shape, batched: true };
      }
      if (a.kind !== "plain" || z?.kind !== "plain") return fail("it does not always get the same arguments");
      return merged(a.value, z.value, fail);
    };
    const own = step.operands.map((operand, k) => argument(operand, twin.operands[k]));
    const key = translationOf(step);
    if (!key) {
      return fail(
        `this operator has no translation into ONNX. ${Object.keys(translations).length} have; see the page of fewlabels export`,
      );
    }
    b.where = step.where.replace(/ \(.*/, "");
    const [result] = step.results;
    const shape = tape.shapes.get(result!)!;
    try {
      const name = translations[key]!(b, own, shape);
      ports.set(result!, {
        port: name,
        shape,
        batched: shape[0] === SIZES[0] && other.shapes.get(result!)?.[0] === SIZES[1],
      });
    } catch (error) {
      if (error instanceof UsageError) return fail(error.message);
      throw error;
    }
  }
  b.where = "";
  return ports.get(tape.output)!.port;
}

/** Operators whose other results nobody reads. */
const firstAlone = new Set(["_scaled_dot_product_attention", "topk"]);

/** Forms in place compute the same; their results have names of their own here. */
function translationOf({ name, results }: TapeStep): string | undefined {
  const short = name.replace(/^aten::/, "").replace(/_$/, "");
  return (results.length === 1 || firstAlone.has(short)) && Object.hasOwn(translations, short) ? short : undefined;
}

/** A plain argument of both passes; lengths that are those of the batch become BATCH, multiples BATCHES. */
function merged(a: unknown, z: unknown, fail: (problem: string) => never): Argument {
  const one = (p: unknown, q: unknown): number => {
    if (p === q) return Number(p);
    if (p === SIZES[0] && q === SIZES[1]) return BATCH;
    if (typeof p === "number" && typeof q === "number" && p % SIZES[0] === 0 && p / SIZES[0] === q / SIZES[1])
      return BATCHES;
    return fail(
      `an argument depends on the size of the batch (${String(p)} at ${SIZES[0]} pictures, ${String(q)} at ${SIZES[1]})`,
    );
  };
  if (Array.isArray(a) && Array.isArray(z)) return a.map((p, k) => one(p, z[k]));
  if (typeof a === "number") {
    const value = one(a, z);
    return value === BATCH || value === BATCHES ? fail("an argument depends on the size of the batch") : value;
  }
  return a === z ? (a as Argument) : fail("it does not always get the same arguments");
}

/** Steps that the output depends on. */
function neededSteps(tape: Tape): Set<TapeStep> {
  const wanted = new Set([tape.output]);
  const needed = new Set<TapeStep>();
  const want = (operand: Operand): void => {
    if (operand.kind === "value") wanted.add(operand.id);
    if (operand.kind === "list") operand.items.forEach(want);
  };
  for (const step of tape.steps.toReversed()) {
    if (!step.results.some((id) => wanted.has(id))) continue;
    needed.add(step);
    step.operands.forEach(want);
  }
  return needed;
}

/** The row `[1, ...]` that two tensors consist of, one of as many as a batch has: a token that is put before every picture's. */
function rowOfEach(a: Tensor, z: Tensor): Tensor | undefined {
  const lengths = (t: Tensor) => t.shape.slice(1).join();
  if (a.shape[0] !== SIZES[0] || z.shape[0] !== SIZES[1] || lengths(a) !== lengths(z)) return undefined;
  const row = a.narrow(0, 0, 1);
  const same = [a, z].every((t) =>
    Array.from({ length: t.size(0) }, (_, i) => t.narrow(0, i, 1)).every((r) => equal(r, row)),
  );
  return same ? row : undefined;
}

function equal(a: Tensor, z: Tensor): boolean {
  if (a === z) return true;
  if (a.shape.join() !== z.shape.join()) return false;
  const [p, q] = [a.toNumbers(), z.toNumbers()];
  return p.every((value, i) => Object.is(value, q[i]));
}

function tensorOf(t: Tensor): OnnxTensor {
  const onCpu = t.toDevice("cpu");
  if (t.dtype === "int64") return integers(onCpu.toNumbers(), t.shape);
  if (t.dtype === "float64") return floats(onCpu.toNumbers(), t.shape);
  const values = onCpu.float().toArray();
  return { type: "float32", shape: t.shape, bytes: bytesOf(values) };
}
