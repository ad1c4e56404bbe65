/** Reading a YAML file key by key: what is not of its kind is a UsageError that names the file and the key. */
import { type Document, isMap, isScalar, parseDocument } from "yaml";
import { textOf } from "../../config/config-file.js";
import { UsageError, unknownName } from "../../errors.js";

export type Fields = Readonly<Record<string, unknown>>;

/** A YAML file as a record. Throws UsageError with its line. */
export function readYaml(file: string): Fields {
  return record(parseYaml(file).toJS(), "the file", file);
}

export function parseYaml(file: string): Document {
  const document = parseDocument(textOf(file));
  const problem = document.errors[0];
  if (problem) throw new UsageError(`${file}: not valid YAML: ${problem.message}`);
  return document;
}

/** Keys as they stand in the file: a JavaScript object would put "1" before "0.1". Undefined where there are none. */
export function keysOf(document: Document, part: string): readonly string[] | undefined {
  const map = document.get(part);
  return isMap(map) ? map.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : undefined;
}

export function record(value: unknown, where: string, file: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw new UsageError(`${file}: ${where}: expected keys and values, got ${JSON.stringify(value)}`);
}

export function list(value: unknown, where: string, file: string): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw new UsageError(`${file}: ${where}: expected a list, got ${JSON.stringify(value)}`);
}

export function words(value: unknown, where: string, file: string): string {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  throw new UsageError(`${file}: ${where}: expected text, got ${JSON.stringify(value)}`);
}

export function oneOf<const C extends readonly string[]>(
  choices: C,
  value: unknown,
  where: string,
  file: string,
): C[number] {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new UsageError(unknownName(file, where, String(value), choices));
}

export function onlyKeys(given: Fields, known: readonly string[], who: string): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw new UsageError(unknownName(who, "key", key, known));
  }
}

/** `least` and up, whole if so told. */
export function number(value: unknown, where: string, file: string, { whole = false, least = -Infinity } = {}): number {
  if (typeof value === "number" && Number.isFinite(value) && value >= least && (!whole || Number.isSafeInteger(value)))
    return value;
  const what = `a ${whole ? "whole " : ""}number${least > -Infinity ? ` of at least ${least}` : ""}`;
  throw new UsageError(`${file}: ${where}: expected ${what}, got ${JSON.stringify(value)}`);
}
