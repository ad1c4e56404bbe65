/**
 * Operators that are told a number, and their twins that read it from memory on the device: what was captured once can then be told
 * another number in each step. The results have the same bits on the CPU.
 */
import type { Argument } from "./plan.js";

/** Calls an operator on handles: its key, its arguments; gives what the engine gives. */
export type Invoke = (key: string, args: readonly unknown[]) => unknown;

export interface Twin {
  /** Places of the numbers, all of which go to the device together. */
  readonly places: readonly number[];
  /** `[places]` int64, or one float32 without axes. */
  readonly type: "int64" | "float32";
  /** What the call is with its numbers in `at`; the arguments are those of the call, tensors as handles. */
  readonly run: (invoke: Invoke, args: readonly unknown[], at: number) => unknown;
}

/** The draw of a kernel: the generator's key and its count, which move with every step. */
const drawing = (name: string, first: number): [string, Twin] => [
  `fewlabels::${name}`,
  {
    places: [first, first + 1, first + 2],
    type: "int64",
    run: (invoke, args, at) => invoke(`fewlabels::${name}_at`, [...args.slice(0, first), at, ...args.slice(first + 3)]),
  },
];

const number = (place: number, run: Twin["run"]): Twin => ({ places: [place], type: "float32", run });

/** `x op number`: the same operator knows a tensor there. */
const scalar = (name: string): [string, Twin] => [
  `${name}.Scalar`,
  number(1, (invoke, [x, , ...rest], at) => invoke(`${name}.Tensor`, [x, at, ...rest])),
];

/** Of many tensors: the number comes last. */
const multi = (name: string): [string, Twin] => [
  `fewlabels::multi_${name}.Scalar`,
  number(lists(name), (invoke, args, at) => invoke(`fewlabels::multi_${name}`, [...args.slice(0, lists(name)), at])),
];
const lists = (name: string) => (name.startsWith("addc") ? 3 : name === "add_" ? 2 : 1);

const operators = ["add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_", "eq", "ne", "gt", "ge", "lt", "le"];

const twins: ReadonlyMap<string, Twin> = new Map([
  drawing("dropout", 2),
  drawing("add_gaussian_noise", 2),
  drawing("normal", 3),
  drawing("uniform", 3),
  ...operators.map((name) => scalar(`aten::${name}`)),
  ["aten::add.Tensor", number(2, (invoke, [a, b], at) => invoke("aten::addcmul", [a, b, at]))],
  ...["scale_", "shift_", "add_", "addcmul_", "addcdiv_"].map(multi),
]);

export function twinOf(key: string): Twin | undefined {
  return twins.get(key);
}

/** Beside them a number in float32 is the number itself; whole numbers would become floats, and float64 would lose digits. */
const besideFloat32 = /^(float32|bfloat16|float16)$/;

/** Places of the numbers of a call that may move from step to step without changing what it is. `dtypes`: of the tensors it is told. */
export function movable(key: string, dtypes: () => readonly string[]): readonly number[] {
  const twin = twins.get(key);
  if (!twin) return [];
  return twin.type === "int64" || dtypes().every((dtype) => besideFloat32.test(dtype)) ? twin.places : [];
}

/** The numbers of a call that its twin reads. */
export function numbersOf({ places }: Twin, args: readonly Argument[]): number[] {
  return places.map((place) => args[place] as number);
}
