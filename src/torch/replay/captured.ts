/** A plan made ready to be carried out without a look at it: what varies has a place of its own on the device. */
import { EngineError } from "../../errors.js";
import type { Addon } from "../addon.js";
import { execute, type Places } from "./execute.js";
import { type Action, Given, type Plan } from "./plan.js";
import { type Invoke, numbersOf, type Twin, twinOf } from "./twins.js";

/** Tensors that are the same one in every step share a place. */
interface Place {
  readonly members: readonly Given[];
  readonly tensor: number;
}

interface Numbers {
  readonly type: Twin["type"];
  readonly of: readonly (readonly [Action, Twin])[];
  /** All of them. */
  readonly tensor: number;
}

export class Captured {
  readonly #native: Addon;
  readonly #invoke: Invoke;
  readonly #plan: Plan;
  readonly #places: Place[] = [];
  readonly #numbers: Numbers[] = [];
  readonly #handles: number[] = [];
  readonly #where: Places;
  readonly #left: readonly number[];
  /** Of the device's graph, and the tensors in it that are left. */
  #graph: { readonly id: number; readonly made: readonly number[] } | undefined;

  /** For `plan` as the latest step has it. `device`: where. */
  constructor(native: Addon, invoke: Invoke, plan: Plan, device: string) {
    this.#native = native;
    this.#invoke = invoke;
    this.#plan = plan;
    this.#left = plan.left();
    for (const { key, args } of plan.actions) {
      const first = [args[0]].flat()[0];
      // It would change the place, and not what the place stands for.
      if (/_(\.|$)/.test(key) && first instanceof Given && first.varies)
        throw new EngineError(`${key} changes a tensor that is another one in each step`);
    }
    const tensors = new Map<Given, number>();
    for (const [handle, members] of groupsOf(plan.varying())) {
      const tensor = this.#hold(invoke("aten::clone", [handle]));
      this.#places.push({ members, tensor });
      for (const one of members) tensors.set(one, tensor);
    }
    const numbers = new Map<Action, number>();
    for (const type of ["int64", "float32"] as const) this.#layNumbers(type, device, numbers);
    this.#where = { tensors, numbers };
  }

  /** Takes over what the latest step is told; false where that does not fit. */
  fill(): boolean {
    for (const { members, tensor } of this.#places) {
      const { handle } = members[0]!;
      if (members.some((one) => one.handle !== handle)) return false;
      this.#invoke("aten::copy_", [tensor, handle, true]);
    }
    for (const { type, of, tensor } of this.#numbers) {
      const all = of.flatMap(([{ args }, twin]) => numbersOf(twin, args));
      const data = type === "int64" ? BigInt64Array.from(all, BigInt) : Float32Array.from(all);
      const fresh = this.#native.fromData(data, [all.length], type, false);
      this.#invoke("aten::copy_", [tensor, fresh, true]);
      this.#native.release([fresh]);
    }
    return true;
  }

  /** Carries the step out call by call, as the capture does it. Gives the tensors made, by place. */
  rehearse(): number[] {
    return execute(this.#native, this.#invoke, this.#plan, this.#plan.actions.length, this.#where);
  }

  /** Has the device remember the step, without carrying it out. Throws what the engine says where that is impossible. */
  capture(): void {
    let made: number[] = [];
    this.#native.graphBegin!();
    try {
      made = this.rehearse();
      this.#graph = { id: this.#native.graphEnd!(), made };
    } catch (error) {
      this.#native.graphAbort!();
      this.#native.release(Object.values(made));
      throw error;
    }
  }

  get isCaptured(): boolean {
    return this.#graph !== undefined;
  }

  /** Carries out what the device remembers. Gives copies of the tensors that are left, by place. */
  replay(): number[] {
    const { id, made } = this.#graph!;
    this.#native.graphReplay!(id);
    const copies: number[] = [];
    for (const index of this.#left) copies[index] = this.#invoke("aten::clone", [made[index]]) as number;
    return copies;
  }

  drop(): void {
    if (this.#graph) {
      this.#native.graphDrop!(this.#graph.id);
      this.#native.release(this.#left.map((index) => this.#graph!.made[index]!));
    }
    this.#native.release(this.#handles);
    this.#graph = undefined;
  }

  #hold(handle: unknown): number {
    this.#handles.push(handle as number);
    return handle as number;
  }

  #layNumbers(type: Twin["type"], device: string, at: Map<Action, number>): void {
    const of = this.#plan.actions.flatMap((action) => {
      const twin = action.moving.size > 0 ? twinOf(action.key) : undefined;
      return twin?.type === type ? [[action, twin] as const] : [];
    });
    if (of.length === 0) return;
    const length = of.reduce((sum, [, { places }]) => sum + places.length, 0);
    const tensor = this.#hold(this.#invoke("aten::zeros", [[length], type, undefined, device]));
    let start = 0;
    for (const [action, { places }] of of) {
      const whole = type === "int64" ? ["aten::narrow", places.length] : ["aten::select.int"];
      const [view, ...length] = whole as [string, ...number[]];
      at.set(action, this.#hold(this.#invoke(view, [tensor, 0, start, ...length])));
      start += places.length;
    }
    this.#numbers.push({ type, of, tensor });
  }
}

function groupsOf(all: readonly Given[]): Map<number, Given[]> {
  const groups = new Map<number, Given[]>();
  for (const one of all) groups.set(one.handle, [...(groups.get(one.handle) ?? []), one]);
  return groups;
}
