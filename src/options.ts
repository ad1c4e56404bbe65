/**
 * Declared options. One declaration gives the command-line flag, the YAML key, the typed field, the check and the
 * documentation: see `defineMethod`, `defineModel` and the run options of `train/`.
 */
import { badValue, nearest, UsageError, unknownName } from "./errors.js";

export type OptionType = "number" | "integer" | "boolean" | "string" | "path";

/** One option. `default` undefined means "derived when not given"; `doc` then says from what. */
export interface Option<T = unknown> {
  readonly type: OptionType;
  readonly default: T;
  readonly doc: string;
  readonly min?: number;
  readonly max?: number;
  /** What it must stay below, in place of `max`. */
  readonly below?: number;
  readonly choices?: readonly string[];
  /** Of a choice: words beside the choices that it takes. */
  readonly also?: RegExp;
  /** What a text is, for help and errors: "file", "folder". */
  readonly value?: string;
  /** Cannot be left out. */
  readonly required?: boolean;
  /** As a flag it may be given by this one letter as well: `-n`. */
  readonly short?: string;
  /** As a flag it may stand without a value, and is then true. */
  readonly bare?: boolean;
  /** Of a path: words that name no file ("all", a number). */
  readonly except?: RegExp;
  /** Of a path: shards may be several patterns with commas between them. */
  readonly several?: boolean;
  /** Without all of these it has no effect, and giving it is an error. */
  readonly needs?: readonly Need[];
}

/** Something of a run that an option needs to have an effect. */
export interface Need {
  /** Another option ("method.cost", "sampler") or a fact about the run ("views.strong"). */
  readonly key: string;
  /** The values under which it holds, in words. */
  readonly words: string;
  /** In place of key and words. */
  readonly fact?: string;
  holds(value: unknown): boolean;
  /** Settings under which it holds. */
  readonly example: Readonly<Record<string, unknown>>;
}

/** One of these values. */
export function need(key: string, ...values: readonly (string | number | boolean)[]): Need {
  const example = { [key]: values[0] };
  return { key, words: values.join(" or "), holds: (value) => values.some((one) => one === value), example };
}

/** A number above 0. */
export function needPositive(key: string, example = 1): Need {
  return { key, words: "above 0", holds: (value) => Number(value) > 0, example: { [key]: example } };
}

/** Before a key: whether there is such an option, whatever its value. */
export const DECLARED = "declared ";

/** A network that has such an option at all ("model.dropout"): it then has the layers that the option speaks of. */
export function needLayers(option: string, layers: string, example: Need["example"]): Need {
  return { key: `${DECLARED}${option}`, words: "", fact: `a network with ${layers}`, holds: Boolean, example };
}

/** Another option that is as `words` say. */
export function needThat(key: string, words: string, holds: Need["holds"], example: Need["example"]): Need {
  return { key, words, holds, example };
}

/** A number that is above 0 or, where it is not given, follows from the run. */
export function needNotZero(key: string, example = 1): Need {
  return needThat(key, "above 0", (value) => value !== 0, { [key]: example });
}

/** A truth about the run that no single option says. */
export function needFact(key: string, fact: string, example: Need["example"]): Need {
  return { key, words: "", fact, holds: (value) => Boolean(value), example };
}

export type OptionSpec = Readonly<Record<string, Option>>;

/** The typed fields of a spec. */
export type OptionsOf<S extends OptionSpec> = { readonly [K in keyof S]: S[K] extends Option<infer T> ? T : never };

type About = Pick<Option, "doc" | "needs">;
type Range = About & Pick<Option, "min" | "max" | "below">;

/** A real number. */
export function number(value: number, range: Range): Option<number>;
export function number(value: undefined, range: Range): Option<number | undefined>;
export function number(value: number | undefined, range: Range): Option<number | undefined> {
  return { type: "number", default: value, ...range };
}

/** A whole number. */
export function integer(value: number, range: Range): Option<number>;
export function integer(value: undefined, range: Range): Option<number | undefined>;
export function integer(value: number | undefined, range: Range): Option<number | undefined> {
  return { type: "integer", default: value, ...range };
}

/** true or false; as a flag `--x`, `--x true`, `--x false` or `--no-x`. */
export function boolean(value: boolean, about: About): Option<boolean>;
export function boolean(value: undefined, about: About): Option<boolean | undefined>;
export function boolean(value: boolean | undefined, about: About): Option<boolean | undefined> {
  return { type: "boolean", default: value, ...about };
}

type TextAbout = About & Pick<Option, "value" | "bare">;

/** Free text. */
export function text(value: string, about: TextAbout): Option<string>;
export function text(value: undefined, about: TextAbout): Option<string | undefined>;
export function text(value: string | undefined, about: TextAbout): Option<string | undefined> {
  return { type: "string", default: value, ...about };
}

/** A file or folder, kept absolute, so that a run can go on from another working directory. */
export function path(value: string, about: PathFacts): Option<string>;
export function path(value: undefined, about: PathFacts): Option<string | undefined>;
export function path(value: string | undefined, about: PathFacts): Option<string | undefined> {
  return { type: "path", default: value, value: "path", ...about };
}

type PathFacts = About & Pick<Option, "value" | "except" | "several">;

type ChoiceAbout = About & Pick<Option, "also">;

/** One of a few words. */
export function choice<const C extends readonly string[]>(
  choices: C,
  value: C[number],
  about: ChoiceAbout,
): Option<C[number]>;
export function choice<const C extends readonly string[]>(
  choices: C,
  value: undefined,
  about: ChoiceAbout,
): Option<C[number] | undefined>;
export function choice<const C extends readonly string[]>(
  choices: C,
  value: C[number] | undefined,
  about: ChoiceAbout,
): Option<C[number] | undefined> {
  return { type: "string", default: value, choices, ...about };
}

/** The option, which now cannot be left out. */
export function required<T>(option: Option<T | undefined>): Option<T> {
  return { ...option, default: undefined as T, required: true };
}

/** The kinds of options under one name, for definitions outside the package: `option.number(1, { doc })`. */
export const option = { number, integer, boolean, text, path, choice } as const;

/** Of `values`, those that `spec` declares. */
export function pick<S extends OptionSpec>(spec: S, values: OptionsOf<S>): OptionsOf<S> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => Object.hasOwn(spec, name))) as OptionsOf<S>;
}

/** Checks one value, given as text (flag) or as a typed value (YAML, library); throws UsageError. */
export function parseOption<T>(option: Option<T>, name: string, raw: unknown, who: string): T {
  const fail = (expected: string): never => {
    throw new UsageError(`${badValue(who, name, expected, raw)} (${option.doc})`);
  };
  if (option.type === "boolean") {
    if (raw === true || raw === "true") return true as T;
    if (raw === false || raw === "false") return false as T;
    return fail("true or false");
  }
  if (option.type === "string" || option.type === "path") {
    if (typeof raw !== "string" && typeof raw !== "number") return fail(kindOf(option));
    const word = String(raw);
    if (option.choices && !option.choices.includes(word) && !option.also?.test(word)) {
      const near = nearest(word, option.choices);
      throw new UsageError(badValue(who, name, kindOf(option), word, near ? `Did you mean "${near}"?` : ""));
    }
    return word as T;
  }
  const value = typeof raw === "number" ? raw : typeof raw === "string" && raw.trim() !== "" ? Number(raw) : Number.NaN;
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, below = Number.POSITIVE_INFINITY } = option;
  const whole = option.type === "integer";
  const inRange = Number.isFinite(value) && value >= min && value <= max && value < below;
  return inRange && (!whole || Number.isInteger(value)) ? (value as T) : fail(kindOf(option));
}

/** What an option takes, in words: "a whole number of at least 1", "one of test, val", "a file". */
export function kindOf(option: Option): string {
  if (option.type === "boolean") return "true or false";
  if (option.choices) return `one of ${option.choices.join(", ")}`;
  if (option.type === "string") return option.value ? `a ${option.value}` : "text";
  return `${option.type === "integer" ? "a whole number" : "a number"}${rangeText(option)}`;
}

/** Checks a record against a spec and fills the defaults in; throws UsageError that names the nearest option. */
export function parseOptions<S extends OptionSpec>(
  spec: S,
  given: Readonly<Record<string, unknown>>,
  who: string,
): OptionsOf<S> {
  for (const name of Object.keys(given)) {
    if (!(name in spec)) throw new UsageError(unknownName(who, "option", name, Object.keys(spec)));
  }
  const entries = Object.entries(spec).map(([name, option]) => {
    const raw = given[name];
    return [name, raw === undefined ? option.default : parseOption(option, name, raw, who)];
  });
  return Object.fromEntries(entries) as OptionsOf<S>;
}

/** `in 0..1`, `of at least 1`, `of at least 0 and below 1` or nothing, for help texts and errors. */
export function rangeText({ min, max, below }: Pick<Option, "min" | "max" | "below">): string {
  if (below !== undefined) return min === undefined ? ` below ${below}` : ` of at least ${min} and below ${below}`;
  if (min !== undefined && max !== undefined) return ` in ${min}..${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max !== undefined ? ` of at most ${max}` : "";
}
