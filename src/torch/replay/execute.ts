/** Carries the calls of a plan out, on the latest step's tensors or on those that a capture reads. */
import { EngineError } from "../../errors.js";
import type { Addon } from "../addon.js";
import { type Action, type Argument, FACTS, Given, Made, mapTensors, type Plan } from "./plan.js";
import { type Invoke, twinOf } from "./twins.js";

/** Where calls of a capture find what varies. */
export interface Places {
  /** The tensor that stands for a varying one in every step. */
  readonly tensors: ReadonlyMap<Given, number>;
  /** The numbers of a call, on the device. */
  readonly numbers: ReadonlyMap<Action, number>;
}

/** The engine's operators by key. */
export function invokerOf(native: Addon): Invoke {
  const ops = new Map<string, number>();
  return (key, args) => {
    let op = ops.get(key);
    if (op === undefined) {
      const dot = key.indexOf(".");
      op = dot < 0 ? native.find(key, "") : native.find(key.slice(0, dot), key.slice(dot + 1));
      ops.set(key, op);
    }
    return native.call(op, args);
  };
}

/**
 * The first `count` calls, in order. Gives the handles of the tensors made, by place; released ones are no handles any more. Throws
 * EngineError that names the operator, and leaves no tensor then. `places`: as a capture does it.
 */
export function execute(native: Addon, invoke: Invoke, { actions }: Plan, count: number, places?: Places): number[] {
  const made: number[] = [];
  const real = (arg: Argument) =>
    mapTensors(arg, (tensor) => {
      if (tensor instanceof Made) return made[tensor.index];
      return (tensor instanceof Given ? places?.tensors.get(tensor) : undefined) ?? tensor.handle;
    });
  const before = native.setGradMode(true);
  native.setGradMode(before);
  const autocasts: string[] = [];
  for (let at = 0; at < count; at++) {
    const action = actions[at]!;
    const args = action.args.map(real);
    try {
      const answer = perform(native, invoke, action, args, places?.numbers.get(action));
      if (facts.has(action.method) && String(answer) !== String(action.result)) throw new Error(untrue(action, answer));
      keep(action.result, answer, made);
      if (action.method === "enterAutocast") autocasts.push(args[0] as string);
      if (action.method === "leaveAutocast") autocasts.pop();
    } catch (error) {
      for (const device of autocasts) native.leaveAutocast(device);
      native.setGradMode(before);
      native.release(Object.values(made));
      throw new EngineError(`${action.key}: ${(error as Error).message}`, { cause: error });
    }
  }
  return made;
}

const facts: ReadonlySet<string> = new Set(FACTS);

function untrue({ method, result }: Action, answer: unknown): string {
  return (
    `the step went by a tensor's ${method} of [${result}], as in the steps before it, and it has [${answer}]: ` +
    "sizes that depend on data cannot be taken at once; --cuda-graphs false tells the GPU call by call"
  );
}

function perform(native: Addon, invoke: Invoke, action: Action, args: unknown[], numbers?: number): unknown {
  const twin = numbers === undefined ? undefined : twinOf(action.key);
  return twin ? twin.run(invoke, args, numbers!) : callEngine(native, action, args);
}

/** One call of the engine, on its own handles. */
export function callEngine(
  native: Addon,
  { method, op }: Pick<Action, "method" | "op">,
  args: readonly unknown[],
): unknown {
  if (method === "call") return native.call(op, args);
  return (native[method as keyof Addon] as (...args: unknown[]) => unknown)(...args);
}

/** Puts the tensors among what the engine answered where the plan says. */
function keep(planned: unknown, answer: unknown, made: number[]): void {
  if (planned instanceof Made) made[planned.index] = answer as number;
  else if (Array.isArray(planned)) for (const [i, one] of planned.entries()) keep(one, (answer as unknown[])[i], made);
}
