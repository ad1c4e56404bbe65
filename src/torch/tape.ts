/**
 * Records which operators make one tensor of another, at the one place every operator goes through: nothing above has to know
 * of it. What does not depend on the input is a constant, whatever computed it.
 */
import { EngineError } from "../errors.js";
import { type Result, Tensor, watchCalls } from "./tensor.js";

/** An argument as recorded: a result of the tape, a tensor that does not depend on the input, or a plain value. */
export type Operand =
  | { readonly kind: "value"; readonly id: number }
  | { readonly kind: "constant"; readonly tensor: Tensor }
  | { readonly kind: "list"; readonly items: readonly Operand[] }
  | { readonly kind: "plain"; readonly value: unknown };

export interface TapeStep {
  readonly name: string;
  readonly overload: string;
  readonly operands: readonly Operand[];
  /** Ids of the tensors it gave. */
  readonly results: readonly number[];
  /** What was running: the caller's words. */
  readonly where: string;
}

export interface Tape {
  /** Id of the input. */
  readonly input: number;
  readonly output: number;
  readonly steps: readonly TapeStep[];
  /** By id. */
  readonly shapes: ReadonlyMap<number, readonly number[]>;
  /** Constants that were copied and kept; the caller releases them. */
  readonly copies: readonly Tensor[];
}

/** Memory that several tensors may show; `version` counts its changes in place. */
interface Memory {
  version: number;
}

interface Binding {
  readonly id: number;
  readonly memory: Memory;
  readonly version: number;
}

/** Operators whose result may be the same memory as their first argument. */
const views = new Set(
  [
    "alias contiguous detach expand flatten narrow permute reshape select slice squeeze",
    "t to transpose unsqueeze unfold view",
  ]
    .join(" ")
    .split(" ")
    .map((name) => `aten::${name}`),
);

/**
 * Runs `body(input)` and returns what it did. Constants are copies, except tensors that were kept
 * already. `where` is asked at every operator. Throws EngineError where the result cannot be a graph: `body` reads values of the
 * input, changes memory that is also read through another view, or gives what does not depend on the input.
 */
export function recordTape(input: Tensor, body: (x: Tensor) => Tensor, where: () => string = () => ""): Tape {
  const steps: TapeStep[] = [];
  const shapes = new Map<number, readonly number[]>([[0, input.shape]]);
  const bound = new Map<Tensor, Binding>([[input, { id: 0, memory: { version: 0 }, version: 0 }]]);
  const copies: Tensor[] = [];
  /** Copies that are still what the tensor is. */
  let current = new Map<Tensor, Tensor>();
  const fail = (name: string, problem: string): never => {
    const place = where();
    throw new EngineError(`cannot record ${name}${place ? ` in ${place}` : ""}: ${problem}`);
  };

  const operandOf = (value: unknown, name: string): Operand => {
    if (Array.isArray(value) && value.some((item) => item instanceof Tensor)) {
      return { kind: "list", items: value.map((item) => operandOf(item, name)) };
    }
    if (!(value instanceof Tensor)) return { kind: "plain", value };
    const binding = bound.get(value);
    if (!binding) return { kind: "constant", tensor: constantOf(value) };
    if (binding.version !== binding.memory.version) {
      fail(
        name,
        "it reads a tensor that was changed in place through another view; use the operator without underscore",
      );
    }
    return { kind: "value", id: binding.id };
  };
  const constantOf = (t: Tensor): Tensor => {
    if (t.isKept) return t;
    const known = current.get(t);
    if (known) return known;
    // Calls made here are not the body's.
    const copy = watchCalls(
      () => {},
      () => t.detach().clone().keep(),
    );
    copies.push(copy);
    current.set(t, copy);
    return copy;
  };

  const record = (name: string, overload: string, args: readonly unknown[], result: Result): void => {
    const tensors = args.flat().filter((arg): arg is Tensor => arg instanceof Tensor);
    if (!tensors.some((t) => bound.has(t))) {
      if (name.endsWith("_")) current = new Map(); // it may change what another constant shows
      return;
    }
    const operands = args.map((arg) => operandOf(arg, name));
    const [first] = tensors as [Tensor, ...Tensor[]];
    const inPlace = name.endsWith("_");
    if (overload.endsWith("out") || (inPlace && !bound.has(first))) {
      fail(name, "it writes results for a picture over a tensor that does not depend on it");
    }
    // Operators in place give nothing new: their result is the first argument.
    const made = (inPlace ? [first] : [result].flat()).map((item) =>
      item instanceof Tensor
        ? item
        : fail(name, "it reads values of the picture, so another picture may take another way"),
    );
    const results = made.map((t) => {
      const id = shapes.size;
      shapes.set(id, t.shape);
      const memory = (inPlace || views.has(name) ? bound.get(first)?.memory : undefined) ?? { version: 0 };
      if (inPlace) memory.version++;
      bound.set(t, { id, memory, version: memory.version });
      return id;
    });
    steps.push({ name, overload, operands, results, where: where() });
  };

  const result = watchCalls(record, () => body(input));
  const output = bound.get(result);
  if (!output) return fail("the pass", "its result does not depend on the input");
  return { input: 0, output: output.id, steps, shapes, copies };
}
