/**
 * The same step again and again, carried out without asking the engine call by call: the calls of a step are noted, those of the next are
 * compared with them instead of being made, and once they agree the device is told the whole step at once (a CUDA graph). Methods,
 * networks and optimizers know nothing of it: this stands in for the addon. Where a step asks for something else it is carried
 * out call by call, as far as it had come and to its end.
 *
 * @see docs/decisions/0036-a-step-at-once.md
 */
import { type Addon, standIn } from "../addon.js";
import { scope } from "../scope.js";
import { Captured } from "./captured.js";
import { callEngine, execute, invokerOf } from "./execute.js";
import { obstacleTo } from "./obstacles.js";
import { type Argument, Given, Made, mapTensors, Plan, Ref, refsIn } from "./plan.js";
import { standInOf } from "./stand-in.js";
import { movable } from "./twins.js";

/** Steps that must have agreed before one is captured: libraries try their algorithms in the first. */
const REPEATS = 3;
/** So many plans of a shape in a row may be none that steps keep to; then steps are carried out call by call. */
const MOST_PLANS = 20;
/** Steps that have agreed with a plan that they keep to: a step that is another one now and then, as at the end of an epoch, lets it be. */
const KEPT_TO = 10;
/** So many steps that look at values make a method that always does; one at the start of a phase may. */
const MOST_STOPPED = 3;
/** Shapes that are remembered; steps of others are carried out call by call. */
const MOST_SHAPES = 24;

export interface ReplayReport {
  /** Steps carried out call by call and steps carried out at once. */
  readonly alone: number;
  readonly atOnce: number;
  /** Why steps are carried out call by call. */
  readonly obstacle: string | undefined;
}

/** Nothing but to be known: such steps must wait for the device. */
const READS = "it reads values from the device";

export interface StepReplay {
  /**
   * Carries `body` out, a step: tensors that it returns or keeps are left. Steps with the same `shape` are expected to ask for the same: the
   * numbers of rows, where they differ from batch to batch.
   */
  run<T>(body: () => T, shape?: string): T;
  report(): ReplayReport;
  /** Why steps are carried out call by call from here on; told once. */
  failure(): string | undefined;
  /** Forgets what it knows of the steps; tensors that are left stay. */
  close(): void;
}

/** Steps on `device`. `rehearsal`: captured steps are carried out call by call, without CUDA: for tests. */
export function replaySteps(device: string, { rehearsal = false } = {}): StepReplay {
  standing ??= new Standing();
  return standing.open(device, rehearsal);
}

/** One a thread: handles that it gave out may outlive the run. */
let standing: Standing | undefined;

type Mode = "through" | "noting" | "comparing";

/** What is known of the steps of one shape. */
interface Known {
  plan: Plan | undefined;
  captured: Captured | undefined;
  /** Plans in a row that steps did not keep to. */
  plans: number;
  /** Whether the latest step left the plan. */
  strayed: boolean;
  /** How often since then a step could not be planned. */
  stopped: number;
}

const nothingKnown = (): Known => ({ plan: undefined, captured: undefined, plans: 0, strayed: false, stopped: 0 });

class Standing {
  readonly #native: Addon;
  readonly #invoke;
  #device = "cpu";
  #rehearsal = false;
  #mode: Mode = "through";
  readonly #shapes = new Map<string, Known>();
  /** Of the step under way. */
  #known = nothingKnown();
  #alone = 0;
  #atOnce = 0;
  #obstacle: string | undefined;
  /** The same until it has been told. */
  #untold: string | undefined;
  /** While noting: places of the tensors made, by handle. */
  #noted = new Map<number, number>();
  /** While comparing: the next action; handles given out are -(base + place + 1). */
  #at = 0;
  #base = 0;
  /** What handles given out while comparing stand for, where they outlived their step. */
  readonly #aliases = new Map<number, number>();
  /** Handles that are released when the step has been carried out. */
  #late: number[] = [];
  /** In rehearsals: what the step under way has put together from data, and has not moved to the device. */
  readonly #onHost = new Set<number>();
  /** Whether the step under way has said which tensors want gradients. */
  #newFlags = false;

  constructor() {
    this.#native = standIn((native) =>
      standInOf(native, {
        indexOf: this.#indexOf,
        real: (handle) => this.#real(handle),
        realArg: this.#realArg,
        ask: (method, key, op, args) => this.#ask(method, key, op, args),
        release: (handles) => this.#release(handles),
        read: () => this.#read(),
        hasNewFlags: () => this.#newFlags,
        isIdle: () => this.#mode === "through" && this.#aliases.size === 0,
        isHost: (handle) => this.#isHost(handle),
        madeOnHost: (handle) => {
          if (this.#rehearsal && this.#mode !== "through") this.#onHost.add(handle);
        },
      }),
    );
    this.#invoke = invokerOf(this.#native);
  }

  open(device: string, rehearsal: boolean): StepReplay {
    this.#device = device;
    this.#rehearsal = rehearsal;
    [this.#alone, this.#atOnce] = [0, 0];
    [this.#obstacle, this.#untold] = [undefined, undefined];
    return {
      run: (body, shape = "") => this.#run(body, shape),
      failure: () => {
        const why = this.#untold;
        this.#untold = undefined;
        return why;
      },
      report: () => ({ alone: this.#alone, atOnce: this.#atOnce, obstacle: this.#obstacle }),
      close: () => this.#forget(),
    };
  }

  #run<T>(body: () => T, shape: string): T {
    const full = this.#shapes.size >= MOST_SHAPES && !this.#shapes.has(shape);
    if (this.#obstacle !== undefined || full) {
      this.#alone++;
      return scope(body);
    }
    this.#known = this.#shapes.get(shape) ?? nothingKnown();
    this.#shapes.set(shape, this.#known);
    this.#mode = this.#plan ? "comparing" : "noting";
    this.#known.plan ??= new Plan(this.#kindOf);
    [this.#at, this.#noted, this.#newFlags] = [0, new Map(), false];
    this.#known.plan.changed = false;
    this.#onHost.clear();
    try {
      const result = scope(body);
      this.#finish();
      return result;
    } catch (error) {
      if (this.#mode === "comparing") this.#leave();
      this.#forget();
      throw error;
    } finally {
      this.#mode = "through";
    }
  }

  #finish(): void {
    const plan = this.#plan;
    if (this.#mode === "comparing" && this.#at < plan!.actions.length) this.#leave();
    if (this.#mode === "through" || !plan) {
      if (this.#newFlags) this.#dropPlan(); // In the steps to come its calls may be others.
      return void this.#alone++;
    }
    if (this.#mode === "noting") {
      this.#alone++;
      if (++this.#known.plans > MOST_PLANS) this.#giveUp("its calls are others again and again");
      else if (plan.obstacle) {
        this.#known.plan = undefined;
        if (++this.#known.stopped >= MOST_STOPPED) this.#giveUp(plan.obstacle);
      }
      return;
    }
    if (++plan.repeats >= KEPT_TO) [this.#known.plans, this.#known.stopped] = [0, 0];
    this.#known.strayed = false;
    this.#mode = "through"; // Whatever comes of it, no call is made twice.
    try {
      this.#hand(this.#carryOut(plan), plan.left());
    } finally {
      this.#settled(plan.made);
    }
  }

  /** Carries the compared step out: at once where that is possible. */
  #carryOut(plan: Plan): number[] {
    const known = this.#known;
    if (plan.changed) this.#dropCaptured();
    else if (!plan.isEmpty) {
      try {
        if (known.captured && !known.captured.isCaptured && !this.#rehearsal) known.captured.capture();
        else if (plan.repeats >= REPEATS)
          known.captured ??= new Captured(this.#native, this.#invoke, plan, this.#device);
      } catch (error) {
        this.#giveUp((error as Error).message);
      }
    }
    if (this.#known.captured && !this.#known.captured.fill()) this.#dropCaptured();
    const { captured } = this.#known;
    if (captured?.isCaptured) {
      this.#atOnce++;
      return captured.replay();
    }
    this.#alone++;
    if (captured && this.#rehearsal) this.#atOnce++;
    return captured?.rehearse() ?? execute(this.#native, this.#invoke, plan, plan.actions.length);
  }

  /** The step goes another way than the plan: what it has asked for so far is done, and the rest as it comes. */
  #leave(): void {
    const [known, plan] = [this.#known, this.#plan!];
    this.#mode = "through"; // Whatever comes of it, no call is made twice.
    if (plan.repeats < KEPT_TO || known.strayed) this.#dropPlan();
    else if (plan.changed) this.#dropCaptured();
    known.strayed = known.plan !== undefined;
    try {
      this.#hand(execute(this.#native, this.#invoke, plan, this.#at), plan.upTo(this.#at).left());
    } finally {
      this.#settled(plan.made);
    }
  }

  /** Handles that were given out and not taken back stand for these. */
  #hand(made: readonly number[], left: readonly number[]): void {
    for (const index of left) this.#aliases.set(-(this.#base + index + 1), made[index]!);
  }

  #settled(made: number): void {
    this.#base += made;
    this.#native.release(this.#late);
    this.#late = [];
  }

  #giveUp(why: string): void {
    this.#obstacle = why;
    this.#untold = why;
    this.#forget();
  }

  #forget(): void {
    for (const { captured } of this.#shapes.values()) captured?.drop();
    this.#shapes.clear();
    this.#known = nothingKnown();
  }

  get #plan(): Plan | undefined {
    return this.#known.plan;
  }

  #dropPlan(): void {
    this.#known.plan = undefined;
    this.#dropCaptured();
  }

  #dropCaptured(): void {
    this.#known.captured?.drop();
    this.#known.captured = undefined;
  }

  /** Place of a tensor that this step made. */
  #indexOf = (handle: number): number | undefined => {
    if (this.#mode === "noting") return this.#noted.get(handle);
    const index = -handle - this.#base - 1;
    return this.#mode === "comparing" && handle < 0 && index >= 0 ? index : undefined;
  };

  /** The engine's own handle. */
  #real(handle: number): number {
    return handle < 0 ? (this.#aliases.get(handle) ?? 0) : handle;
  }

  #realArg = (arg: Argument): unknown =>
    mapTensors(arg, (tensor) => (tensor instanceof Ref ? this.#real(tensor.handle) : tensor));

  /** One call of the engine, in whatever mode. */
  #ask(method: string, key: string, op: number, args: Argument[]): unknown {
    if (method === "setRequiresGrad") this.#newFlags = true;
    if (this.#mode === "comparing") {
      // Handles from before this step as the engine knows them.
      const given = args.map((arg) => this.#map(arg, (handle) => new Ref(this.#real(handle))));
      if (this.#plan!.matches(this.#at, key, given, this.#indexOf))
        return this.#answer(this.#plan!.actions[this.#at++]!.result);
      this.#leave();
    }
    if (this.#mode === "noting")
      this.#plan!.obstacle ??= obstacleTo(key, this.#dtypes(args)) ?? this.#mixture(method, key, args);
    const answer = callEngine(this.#native, { method, op }, args.map(this.#realArg));
    if (this.#mode === "noting") {
      const planned = args.map((arg) =>
        this.#map(
          arg,
          (handle) => new Given(this.#real(handle), this.#kindOf(this.#real(handle))),
          (index) => new Made(index),
        ),
      );
      this.#plan!.actions.push({
        method,
        key,
        op,
        args: planned,
        result: this.#note(method, answer),
        movable: movable(key, this.#dtypes(args)),
        moving: new Set(),
      });
    }
    return answer;
  }

  #isHost(handle: number): boolean {
    return this.#rehearsal ? this.#onHost.has(handle) : this.#native.device(handle) === "cpu";
  }

  /** Of a tensor on the host beside those on the device a capture would keep the values of its own step. */
  #mixture(method: string, key: string, args: readonly Argument[]): string | undefined {
    const hosts = new Set(method === "call" ? refsIn(args).map(({ handle }) => this.#isHost(this.#real(handle))) : []);
    return hosts.size > 1 ? `a tensor on the CPU is used beside others (${key})` : undefined;
  }

  #dtypes = (args: readonly Argument[]) => () =>
    refsIn(args).map(({ handle }) => this.#native.dtype(this.#real(handle)));

  #kindOf = (handle: number): string => {
    const { dtype, shape, isChannelsLast } = this.#native;
    return `${dtype(handle)} ${shape(handle)} ${isChannelsLast(handle)}`;
  };

  /** `arg` with tensors from before the step as `given` has them, and those that it made as `made` does. */
  #map(arg: Argument, given: (handle: number) => Argument, made?: (index: number) => Argument): Argument {
    return mapTensors(arg, (tensor) => {
      if (!(tensor instanceof Ref)) return tensor;
      const index = this.#indexOf(tensor.handle);
      return index === undefined ? given(tensor.handle) : (made?.(index) ?? tensor);
    }) as Argument;
  }

  /** The engine's answer as a plan has it. */
  #note(method: string, answer: unknown): unknown {
    if (Array.isArray(answer) && method !== "shape") return answer.map((one) => this.#note(method, one));
    if (typeof answer === "number" && (method === "call" || method === "grad")) {
      if (!this.#rehearsal && this.#native.device(answer) === "cpu")
        this.#plan!.obstacle ??= "it moves data to the CPU";
      this.#noted.set(answer, this.#plan!.made);
      return new Made(this.#plan!.made++);
    }
    if (method === "call" && answer !== undefined) this.#plan!.obstacle ??= READS;
    return answer;
  }

  /** What a plan has, as an answer in this step. */
  #answer(planned: unknown): unknown {
    if (planned instanceof Made) return -(this.#base + planned.index + 1);
    return Array.isArray(planned) ? planned.map((one) => this.#answer(one)) : planned;
  }

  #release(handles: readonly number[]): void {
    const mine = handles.filter((handle) => this.#indexOf(handle) !== undefined);
    const others = handles.filter((handle) => this.#indexOf(handle) === undefined);
    const real = others.map((handle) => this.#real(handle));
    for (const handle of others) this.#aliases.delete(handle);
    if (this.#mode === "comparing") this.#late.push(...real);
    else this.#native.release(real);
    if (mine.length === 0) return;
    const before = this.#mode;
    this.#ask("release", "release", 0, [mine.map((handle) => new Ref(handle))]);
    for (const handle of mine) {
      if (before === "noting") this.#noted.delete(handle);
      else this.#aliases.delete(handle);
    }
  }

  /** Somebody reads values that this step may have changed, so the step cannot wait. */
  #read(): void {
    if (this.#mode === "comparing") this.#leave();
    else if (this.#plan) this.#plan.obstacle ??= READS;
  }
}
