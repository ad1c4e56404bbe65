/**
 * How a command is declared: its arguments and options in one record, from which parsing, checks, help, the tables of
 * docs/commands and its row in README follow. One file a command in `commands/`, one row in `commands/index.ts`.
 */
import type { Given } from "../config/given.js";
import type { Option, OptionSpec, OptionsOf } from "../options.js";
import type { Externals } from "./externals.js";

/** One value, one that may be left out, or one and more. */
type ArgumentKind = "one" | "optional" | "many";

/** What stands on the command line without a flag, in this order. */
export interface Argument<K extends ArgumentKind = ArgumentKind, V extends string = string> {
  readonly kind: K;
  readonly doc: string;
  readonly choices?: readonly V[];
  /** What follows the first word belongs to it, flags too. */
  readonly verbatim?: true;
}
export type ArgumentSpec = Readonly<Record<string, Argument>>;

export type ArgumentsOf<A extends ArgumentSpec> = {
  readonly [N in keyof A]: A[N] extends Argument<"many", infer V>
    ? readonly V[]
    : A[N] extends Argument<"optional", infer V>
      ? V | undefined
      : A[N] extends Argument<"one", infer V>
        ? V
        : never;
};

/** A value that must be there. */
export function argument<const V extends string = string>(doc: string, choices?: readonly V[]): Argument<"one", V> {
  return { kind: "one", doc, ...(choices ? { choices } : {}) };
}

/** A value that may be left out; the last one. */
export function optionalArgument(doc: string): Argument<"optional"> {
  return { kind: "optional", doc };
}

/** One value or more; the last one. */
export function restArguments(doc: string): Argument<"many"> {
  return { kind: "many", doc };
}

/** A command and whatever follows it, flags too, with `--` before it or without. */
export function commandArguments(doc: string): Argument<"many"> {
  return { ...restArguments(doc), verbatim: true };
}

/** What a command takes beside its own options: those of a whole run, or of its network or data set alone. */
export type Takes = "run" | "model" | "dataset";

export interface CommandContext {
  /** "fewlabels data inspect", the party that complains in errors. */
  readonly who: string;
  /** What was given of the options that `takes` names. */
  readonly given: Given;
  /** What its names mean: what comes with the package, and what was asked for from outside. */
  readonly externals: Externals;
}

export interface CommandDefinition<A extends ArgumentSpec, O extends OptionSpec> {
  /** As it is called; two words for one of a group: "data inspect". */
  readonly name: string;
  /** For the list of commands and README. */
  readonly summary: string;
  /** For its own help. */
  readonly description: string;
  readonly arguments?: A;
  readonly options: O;
  readonly takes?: Takes;
  /** Works where a launcher has started several processes; others are refused there. Default false. */
  readonly together?: boolean;
  /** Options of a run that mean nothing here. */
  readonly leaveOut?: readonly string[];
  /** Options of a run that the help tells otherwise here: they have other defaults, or none. */
  readonly runOptions?: OptionSpec;
  /** Above the options of a run in the help. Default "Run:". */
  readonly runHeading?: string;
  readonly examples: readonly [string, ...string[]];
  /** Below the examples. */
  readonly notes?: string;
  /** Arguments and options, checked, with defaults. */
  run(values: ArgumentsOf<A> & OptionsOf<O>, context: CommandContext): Promise<void> | void;
}

/** A command of any arguments and options. */
export interface Command extends Omit<CommandDefinition<ArgumentSpec, OptionSpec>, "run" | "arguments"> {
  readonly arguments: ArgumentSpec;
  run(values: Readonly<Record<string, unknown>>, context: CommandContext): Promise<void> | void;
}

export function defineCommand<const A extends ArgumentSpec, const O extends OptionSpec>(
  definition: CommandDefinition<A, O>,
): Command {
  const { arguments: args = {}, run, ...rest } = definition;
  // What parsing gives follows from these very declarations.
  return { ...rest, arguments: args, run: (values, context) => run(values as ArgumentsOf<A> & OptionsOf<O>, context) };
}

/** "RUN FILES..." */
export function usageOf({ arguments: args }: Pick<Command, "arguments">): string {
  return Object.entries(args)
    .map(([name, { kind }]) => {
      const shown = name.toUpperCase();
      return kind === "optional" ? `[${shown}]` : kind === "many" ? `${shown}...` : shown;
    })
    .join(" ");
}

/** An argument as an option, so that both are checked, and worded, by the same code. */
export function asOption({ doc, choices }: Argument): Option<string> {
  return { type: "string", default: "", doc, ...(choices ? { choices } : {}) };
}
