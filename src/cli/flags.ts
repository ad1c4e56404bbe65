/** Flags from declared options: one declaration gives flag, check and help. */
import { type Command, Option } from "commander";
import { asFlags, camelCase, flagOf, flatten, type Given, kebabCase } from "../config/given.js";
import type { Named, Registries } from "../config/resolve.js";
import { runOptions } from "../config/run-options.js";
import { type Option as Declared, type OptionSpec, rangeText } from "../options.js";

/** Adds `--KEY` for each option of `spec`; `prefix` is "" or "model." and so on. */
export function addFlags(command: Command, spec: OptionSpec, prefix = "", heading?: string): void {
  for (const [name, option] of Object.entries(spec))
    addFlag(command, `${prefix}${name}`, option, describeOption(option), heading);
}

/** Adds all flags of a run: the run's own, then `--dataset.KEY`, `--method.KEY`, `--model.KEY`, `--optimizer.KEY`. */
export function addRunFlags(command: Command, registries: Registries, leaveOut: readonly string[] = []): void {
  const own = Object.entries(runOptions).filter(([name]) => !leaveOut.includes(name));
  addFlags(command, Object.fromEntries(own), "", "Run:");
  addFamilyFlags(command, registries.methods, "method", "Method (--method.KEY):");
  addFamilyFlags(command, registries.models, "model", "Model (--model.KEY):");
  addFlags(command, registries.optimizer, "optimizer.", "Optimizer (--optimizer.KEY):");
  addFamilyFlags(command, registries.dataSets, "dataset", "Data set (--dataset.KEY):");
}

/** One flag for each option name in a family, saying which members have it. */
export function addFamilyFlags(command: Command, items: readonly Named[], prefix: string, heading: string): void {
  const names = new Set(items.flatMap((item) => Object.keys(item.options)));
  for (const name of names) {
    const owners = items.filter((item) => name in item.options);
    const option = owners[0]!.options[name]!;
    const same = owners.every((owner) => owner.options[name]!.default === option.default);
    const shown = same ? option : { ...option, default: undefined };
    const whose = owners.length === items.length ? "" : ` [${owners.map((owner) => owner.name).join(", ")}]`;
    addFlag(command, `${prefix}.${name}`, option, `${describeOption(shown)}${whose}`, heading);
  }
}

function addFlag(command: Command, key: string, option: Declared, text: string, heading: string | undefined): void {
  const flag = flagOf(key);
  const value =
    key === "resume" ? " [RUN]" : option.type === "boolean" ? " [true|false]" : ` <${argumentName(option)}>`;
  const made = new Option(`${flag}${value}`, text);
  if (heading) made.helpGroup(heading);
  command.addOption(made);
  if (option.type === "boolean") command.addOption(new Option(`--no-${flag.slice(2)}`).hideHelp());
}

/** Doc, range and default of an option in one line. */
export function describeOption(option: Declared): string {
  const range =
    option.type === "integer" || option.type === "number" ? rangeText(option).replace(/^ (of|in) /, "") : "";
  const facts = [range, option.default === undefined ? "" : `default: ${String(option.default)}`].filter(Boolean);
  return facts.length > 0 ? `${option.doc} (${facts.join("; ")})` : option.doc;
}

function argumentName(option: Declared): string {
  if (option.choices && option.choices.length <= 5) return option.choices.join("|");
  return option.choices ? "name" : option.type === "string" ? "text" : option.type === "integer" ? "n" : "number";
}

/** Brings every spelling of a flag to the declared one: `--labelSeed`, `--model.input-noise`, `--no-Flip` stay as they are. */
export function canonicalArguments(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.map((arg, i) => {
    const match = /^--([A-Za-z][\w.-]*)(=.*)?$/s.exec(arg);
    if (!match || (end >= 0 && i > end)) return arg;
    const [, name, value = ""] = match;
    return `--${canonicalFlag(name!)}${value}`;
  });
}

function canonicalFlag(name: string): string {
  if (name.startsWith("no-")) return `no-${canonicalFlag(name.slice(3))}`;
  const [head, ...rest] = name.split(".");
  if (rest.length === 0) return kebabCase(head!);
  const inner = camelCase(rest.join("."));
  return inner === "name" && head !== "optimizer" ? kebabCase(head!) : `${kebabCase(head!)}.${inner}`;
}

/** What commander parsed, as given options; `own` names flags of the command itself, which are left out. */
export function givenFlags(values: Readonly<Record<string, unknown>>, own: readonly string[], who: string): Given {
  const rest = Object.fromEntries(Object.entries(values).filter(([key]) => !own.includes(key)));
  return flatten(rest, asFlags(who));
}
