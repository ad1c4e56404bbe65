/** From words on the command line to the values that a command declared. */
import { canonicalKey, flagOf, type Given } from "../config/given.js";
import { unknownKey } from "../config/unknown-key.js";
import { UsageError } from "../errors.js";
import { kindOf, type Option, parseOption } from "../options.js";
import { asOption, type Command } from "./command.js";
import type { Flags } from "./flags.js";

export interface Parsed {
  /** Arguments and own options, checked, with defaults. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Raw values of the options of a run. */
  readonly given: Given;
}

/** Whether the words ask for help instead. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

/** Throws UsageError that says what was expected where, and what came. */
export function parseArguments(command: Command, flags: Flags, args: readonly string[]): Parsed {
  const who = `fewlabels ${command.name}`;
  const verbatim = Object.values(command.arguments).some((declared) => declared.verbatim);
  const { raw, positional } = readWords(args, flags, who, verbatim);
  const values: Record<string, unknown> = positionalValues(command, positional, who);
  const given = new Map<string, unknown>();
  for (const [key, { option, own }] of flags) {
    const value = raw.get(key);
    if (own) values[key] = ownValue(option, flagOf(key), value, who);
    else if (value !== undefined) given.set(key, value);
  }
  return { values, given };
}

function ownValue(option: Option, name: string, raw: string | boolean | undefined, who: string): unknown {
  if (raw !== undefined) return parseOption(option, name, raw, who);
  if (option.required) throw nothingFor(who, name, option);
  return option.default;
}

function nothingFor(who: string, name: string, option: Option): UsageError {
  const advice = `\`${who} --help\` shows how`;
  return new UsageError(`${who}: expected ${kindOf(option)} for ${name}, got nothing (${option.doc}). ${advice}`);
}

/** Flags by canonical key, the last value of each, and the other words; `verbatim`: from the first of them on they are taken as they are. */
function readWords(args: readonly string[], flags: Flags, who: string, verbatim: boolean) {
  const raw = new Map<string, string | boolean>();
  const positional: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    const isFlag = word.startsWith("-") && word !== "-";
    if (word === "--" || (verbatim && !isFlag)) {
      positional.push(...args.slice(word === "--" ? i + 1 : i));
      break;
    }
    if (!isFlag) {
      positional.push(word);
      continue;
    }
    const [, name = word, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const next = args[i + 1];
    const letter = [...flags].find(([, flag]) => flag.option.short !== undefined && word === `-${flag.option.short}`);
    const key = letter?.[0] ?? canonicalKey(name);
    const negated = canonicalKey(name.replace(/^no-/, ""));
    const option = flags.get(key)?.option;
    if (!option && name.startsWith("no-") && flags.get(negated)?.option.type === "boolean") {
      if (inline !== undefined) throw valueOfNo(who, name, flagOf(negated), inline);
      raw.set(negated, false);
    } else if (!option) throw unknownFlag(who, word.replace(/=.*$/s, ""), key, flags);
    else if (inline !== undefined) raw.set(key, inline);
    else if (option.type === "boolean") raw.set(key, next === "true" || next === "false" ? args[++i]! : true);
    else if (next !== undefined && !next.startsWith("--") && !/^-[A-Za-z]/.test(next)) raw.set(key, args[++i]!);
    else if (option.bare) raw.set(key, true);
    else throw nothingFor(who, flagOf(key), option);
  }
  return { raw, positional };
}

function valueOfNo(who: string, name: string, flag: string, value: string): UsageError {
  return new UsageError(
    `${who}: expected nothing after --${name}, got ${JSON.stringify(value)}. Give --${name}, or ${flag} with true or false`,
  );
}

function unknownFlag(who: string, word: string, key: string, flags: Flags): UsageError {
  const message = unknownKey(who, word, key, [...flags.keys()]);
  return new UsageError(message.replace("`fewlabels train --help`", `\`${who} --help\``));
}

function positionalValues(command: Command, words: readonly string[], who: string): Record<string, unknown> {
  const left = [...words];
  const values: Record<string, unknown> = {};
  for (const [name, declared] of Object.entries(command.arguments)) {
    const shown = name.toUpperCase();
    const option: Option = { ...asOption(declared), value: nounOf(name) };
    const taken = declared.kind === "many" ? left.splice(0) : left.splice(0, 1);
    if (taken.length === 0 && declared.kind !== "optional") throw nothingFor(who, shown, option);
    const checked = taken.map((word) => parseOption(option, shown, word, who));
    values[name] = declared.kind === "many" ? checked : checked[0];
  }
  if (left.length > 0) {
    const names = Object.keys(command.arguments).map((name) => name.toUpperCase());
    const where = names.length > 0 ? `nothing after ${names.join(" ")}` : "no argument";
    throw new UsageError(`${who}: expected ${where}, got ${JSON.stringify(left[0])}. \`${who} --help\` shows how`);
  }
  return values;
}

function nounOf(name: string): string {
  return { run: "run folder", dir: "folder", files: "file", what: "word" }[name] ?? name;
}
