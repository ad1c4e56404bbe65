/** What a step asks of the engine, call by call, and whether the next step asks for the same. */

/** A tensor among the arguments of a call, by its handle. */
export class Ref {
  readonly handle: number;

  constructor(handle: number) {
    this.handle = handle;
  }
}

/** A tensor that the step makes, by its place among those. */
export class Made {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** A tensor from before the step: a weight, or (`varies`) one of the batch. */
export class Given {
  /** The latest step's, a handle of the engine's own. */
  handle: number;
  varies = false;
  /** Type, shape and layout, in every step. */
  readonly kind: string;

  constructor(handle: number, kind: string) {
    this.handle = handle;
    this.kind = kind;
  }
}

/** `Ref` as it comes, `Made` or `Given` in a plan; everything else is a plain value. */
export type Argument =
  | Ref
  | Made
  | Given
  | readonly Argument[]
  | number
  | bigint
  | string
  | boolean
  | object
  | undefined;

/** `arg` with each of its tensors as `to` has it. */
export function mapTensors(arg: Argument, to: (tensor: Ref | Made | Given) => unknown): unknown {
  if (arg instanceof Ref || arg instanceof Made || arg instanceof Given) return to(arg);
  return Array.isArray(arg) ? arg.map((one) => mapTensors(one, to)) : arg;
}

/** The tensors among the arguments of a call, as they came. */
export function refsIn(args: readonly Argument[]): Ref[] {
  return (args.flat() as Argument[]).filter((arg) => arg instanceof Ref);
}

export interface Action {
  /** Of the engine (`Addon`). */
  readonly method: string;
  /** "aten::add.Tensor" where the method is `call`; else the method. */
  readonly key: string;
  /** Of `call`. */
  readonly op: number;
  /** Numbers that move are the latest step's. */
  readonly args: Argument[];
  /** What the engine answered; tensors as `Made`. */
  readonly result: unknown;
  /** Places of numbers that may be others in another step, without a change of what the call is. */
  readonly movable: readonly number[];
  /** Places of those that are. */
  readonly moving: Set<number>;
}

/** What can be asked of a tensor without a look at its values: a step that is compared hears it from the plan. */
export const FACTS = ["shape", "dtype", "device", "isChannelsLast", "bytes"] as const;

export class Plan {
  readonly actions: Action[] = [];
  /** How many tensors the step makes. */
  made = 0;
  /** Something varied that had not before. */
  changed = false;
  /** Steps that asked for this, after the recorded one. */
  repeats = 0;
  /** Why the step cannot be replayed. */
  obstacle: string | undefined;
  readonly #kindOf: (handle: number) => string;

  constructor(kindOf: (handle: number) => string) {
    this.#kindOf = kindOf;
  }

  /** Whether `args` are those of the action at `at`; takes over what varies. `indexOf`: the place of a tensor that this step made. */
  matches(
    at: number,
    key: string,
    args: readonly Argument[],
    indexOf: (handle: number) => number | undefined,
  ): boolean {
    const action = this.actions[at];
    if (action?.key !== key || action.args.length !== args.length) return false;
    return args.every((arg, place) => {
      const known = action.args[place];
      if (typeof arg === "number" && typeof known === "number" && !Object.is(arg, known)) {
        if (!action.movable.includes(place)) return false;
        if (!action.moving.has(place)) this.changed = true;
        action.moving.add(place);
        action.args[place] = arg;
        return true;
      }
      return this.#same(known, arg, indexOf);
    });
  }

  #same(known: Argument, arg: Argument, indexOf: (handle: number) => number | undefined): boolean {
    if (arg instanceof Ref) {
      const index = indexOf(arg.handle);
      if (known instanceof Made) return index === known.index;
      if (!(known instanceof Given) || index !== undefined) return false;
      if (known.handle !== arg.handle) {
        if (known.kind !== this.#kindOf(arg.handle)) return false;
        if (!known.varies) this.changed = true;
        known.varies = true;
        known.handle = arg.handle;
      }
      return true;
    }
    if (Array.isArray(arg)) {
      return (
        Array.isArray(known) && known.length === arg.length && arg.every((one, i) => this.#same(known[i], one, indexOf))
      );
    }
    return Object.is(known, arg);
  }

  /** Tensors from before the step that are others in every step. */
  varying(): Given[] {
    const found: Given[] = [];
    const look = (arg: Argument): void => {
      if (arg instanceof Given && arg.varies) found.push(arg);
      else if (Array.isArray(arg)) arg.forEach(look);
    };
    for (const { args } of this.actions) args.forEach(look);
    return found;
  }

  /** Whether there is nothing to carry out. */
  get isEmpty(): boolean {
    return !this.actions.some(({ method }) => method === "call");
  }

  /** The first calls of the step. */
  upTo(count: number): Plan {
    const part = new Plan(this.#kindOf);
    part.actions.push(...this.actions.slice(0, count));
    const last = (result: unknown): number =>
      result instanceof Made ? result.index : Array.isArray(result) ? Math.max(-1, ...result.map(last)) : -1;
    part.made = 1 + Math.max(-1, ...part.actions.map(({ result }) => last(result)));
    return part;
  }

  /** Places of the tensors that are left when the step is over. */
  left(): number[] {
    const gone = new Set<number>();
    for (const { method, args } of this.actions) {
      if (method === "release") for (const one of args[0] as readonly Made[]) gone.add(one.index);
    }
    return Array.from({ length: this.made }, (_, i) => i).filter((i) => !gone.has(i));
  }
}
