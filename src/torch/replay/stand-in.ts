/** What stands in for the addon while steps are replayed: every call that concerns a tensor of the step goes to whoever keeps the plan. */
import type { Addon } from "../addon.js";
import { operatorKey } from "../tensor.js";
import { type Argument, FACTS, Ref, refsIn } from "./plan.js";

export interface Desk {
  /** Place of a tensor that the step under way made. */
  indexOf(handle: number): number | undefined;
  /** The engine's own handle. */
  real(handle: number): number;
  /** An argument on the engine's own handles. */
  realArg(arg: Argument): unknown;
  /** One call of the engine, in whatever way steps are carried out now. */
  ask(method: string, key: string, op: number, args: Argument[]): unknown;
  release(handles: readonly number[]): void;
  /** Somebody reads values that this step may have changed, so the step cannot wait. */
  read(): void;
  /** Whether the step under way has said of a tensor that it wants gradients, or that it does not. */
  hasNewFlags(): boolean;
  /** No step is under way, and every handle is the engine's own. */
  isIdle(): boolean;
  /** Whether a tensor lies where the device does not work with it. */
  isHost(handle: number): boolean;
  /** There is a new tensor of that kind. */
  madeOnHost(handle: number): void;
}

type Method = (...args: unknown[]) => unknown;

export function standInOf(native: Addon, desk: Desk): Addon {
  const all = (names: readonly string[], make: (name: string) => Method) =>
    Object.fromEntries(names.map((name) => [name, make(name)]));
  const ask = (name: string, handle: unknown, rest: unknown[]) =>
    desk.ask(name, name, 0, [new Ref(handle as number), ...(rest as Argument[])]);
  const now = (name: string, handle: unknown) => (native[name as keyof Addon] as Method)(desk.real(handle as number));
  /** Of a tensor that is there it costs nothing to ask. */
  const fact = (name: string) => (handle: unknown) =>
    desk.indexOf(handle as number) === undefined ? now(name, handle) : ask(name, handle, []);
  const real = (handles: readonly number[]) => handles.map((handle) => desk.real(handle));
  /** A call on the host's own tensors is made at once: batches are put together that way. */
  const isOfHost = (args: readonly Argument[]) => {
    const tensors = refsIn(args);
    return (
      tensors.length > 0 &&
      tensors.every(({ handle }) => desk.indexOf(handle) === undefined && desk.isHost(desk.real(handle)))
    );
  };
  return {
    ...native,
    ...all(FACTS, fact),
    requiresGrad(handle) {
      if (desk.hasNewFlags()) desk.read();
      return fact("requiresGrad")(handle) as boolean;
    },
    ...all(
      ["backward", "grad", "clearGrad", "setRequiresGrad"],
      (name) =>
        (handle, ...rest) =>
          ask(name, handle, rest),
    ),
    ...all(
      ["setGradMode", "enterAutocast", "leaveAutocast"],
      (name) =>
        (...args) =>
          desk.ask(name, name, 0, args as Argument[]),
    ),
    release: (handles) => desk.release(handles),
    toData(handle) {
      // What was there before the step may have been changed in place since.
      if (desk.indexOf(handle) !== undefined || !desk.isHost(desk.real(handle))) desk.read();
      return native.toData(desk.real(handle));
    },
    call(op, raw, given = raw) {
      if (desk.isIdle()) return native.call(op, raw);
      const args = raw.map((value, i) => refs(value, given[i]));
      if (!isOfHost(args)) return desk.ask("call", operatorKey(op), op, args);
      const answer = native.call(op, args.map(desk.realArg));
      if (typeof answer === "number" && operatorKey(op) !== "aten::to.dtype_layout") desk.madeOnHost(answer);
      return answer;
    },
    fromData(...args) {
      const made = native.fromData(...args);
      desk.madeOnHost(made);
      return made;
    },
    allReduce: (handles, ...rest) => native.allReduce(real(handles), ...rest),
    broadcast: (handles, from) => native.broadcast(real(handles), from),
    allGather: (handle) => native.allGather(desk.real(handle)),
  } as Addon;
}

/** Handles among the arguments, told from numbers by what was `given`. */
function refs(value: unknown, given: unknown): Argument {
  if (Array.isArray(given)) return given.map((one, i) => refs((value as unknown[])[i], one));
  const isTensor = typeof given === "object" && given !== null && "handle" in given;
  return isTensor ? new Ref(value as number) : (value as Argument);
}
