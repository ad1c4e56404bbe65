/** The flags of a command, from declared options: one declaration gives flag, check and help. */

import type { Catalog, Listed } from "../config/catalog.js";
import { camelCase, flagOf, kebabCase } from "../config/given.js";
import { runOptions } from "../config/run-options.js";
import { optimizerOptions } from "../optim/index.js";
import { type Option, type OptionSpec, rangeText } from "../options.js";
import type { Command } from "./command.js";

export interface Flag {
  readonly option: Option;
  /** The command's own, and not one of a run's. */
  readonly own: boolean;
  /** Heading in the help. */
  readonly heading: string;
  readonly text: string;
}

/** Canonical key ("labelSeed", "model.width") -> flag. */
export type Flags = ReadonlyMap<string, Flag>;

/** Every flag of a command: its own, then those of what it `takes`. */
export function flagsOf(
  command: Pick<Command, "options" | "takes" | "leaveOut" | "runOptions" | "runHeading">,
  catalog: Catalog,
): Flags {
  const flags = new Map<string, Flag>();
  const add = (key: string, flag: Flag) => {
    if (!flags.has(key)) flags.set(key, flag);
  };
  const addSpec = (spec: OptionSpec, prefix: string, heading: string, own = false) => {
    for (const [name, option] of Object.entries(spec)) {
      add(`${prefix}${name}`, { option, own, heading, text: describeOption(option) });
    }
  };
  const addFamily = (items: readonly Listed[], group: string, heading: string) => {
    for (const [name, option, text] of familyOptions(items))
      add(`${group}.${name}`, { option, own: false, heading, text });
  };
  const { options, takes, leaveOut = [], runOptions: changed = {}, runHeading = "Run:" } = command;
  addSpec(options, "", "Options:", true);
  if (takes === "run") {
    const own = Object.entries({ ...runOptions, ...changed }).filter(([name]) => !leaveOut.includes(name));
    addSpec(Object.fromEntries(own), "", runHeading);
    addFamily(catalog.methods, "method", "Method (--method.KEY):");
  }
  if (takes === "run" || takes === "model") addFamily(catalog.models, "model", "Model (--model.KEY):");
  if (takes === "run") {
    const heading = "Optimizer (--optimizer.KEY):";
    addSpec({ name: optimizerOptions.name }, "optimizer.", heading);
    addFamily(catalog.optimizers, "optimizer", heading);
  }
  if (takes === "run" || takes === "dataset") addFamily(catalog.dataSets, "dataset", "Data set (--dataset.KEY):");
  return flags;
}

/** Every option name in a family once, with a text that says which members have it. */
function familyOptions(items: readonly Listed[]): (readonly [name: string, option: Option, text: string])[] {
  const names = new Set(items.flatMap((item) => Object.keys(item.options)));
  return [...names].map((name) => {
    const owners = items.filter((item) => name in item.options);
    const option = owners[0]!.options[name]!;
    const same = owners.every((owner) => owner.options[name]!.default === option.default);
    const shown = same ? option : { ...option, default: undefined };
    const whose = owners.length === items.length ? "" : ` [${owners.map((owner) => owner.name).join(", ")}]`;
    return [name, option, `${describeOption(shown)}${whose}`];
  });
}

/** Doc, range and default of an option in one line. */
export function describeOption(option: Option): string {
  const range =
    option.type === "integer" || option.type === "number" ? rangeText(option).replace(/^ (of|in) /, "") : "";
  const fallback =
    option.default === undefined || option.default === "" || (option.type === "boolean" && option.default === false)
      ? ""
      : `default: ${String(option.default)}`;
  const facts = [option.required ? "required" : "", range, fallback].filter(Boolean);
  if (facts.length === 0) return option.doc;
  return option.doc.endsWith(")")
    ? `${option.doc.slice(0, -1)}; ${facts.join("; ")})`
    : `${option.doc} (${facts.join("; ")})`;
}

/** `--split <test|val>`, as the help shows it. */
export function flagTerm(key: string, option: Option): string {
  if (option.type === "boolean") return flagOf(key);
  const value =
    option.choices && option.choices.length <= 5
      ? option.choices.join("|")
      : option.choices
        ? "name"
        : option.type === "string" || option.type === "path"
          ? (option.value ?? "text")
          : option.type === "integer"
            ? "n"
            : "number";
  const flag = option.short === undefined ? flagOf(key) : `-${option.short}, ${flagOf(key)}`;
  return option.bare ? `${flag} [${value}]` : `${flag} <${value}>`;
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
  if (rest.length === 0) return head === "optimizer" ? "optimizer.name" : kebabCase(head!);
  const inner = camelCase(rest.join("."));
  return inner === "name" && head !== "optimizer" ? kebabCase(head!) : `${kebabCase(head!)}.${inner}`;
}
