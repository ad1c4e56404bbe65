/** What a user gave, brought to one form: canonical dotted keys ("labelSeed", "model.width") to raw values. */
import { UsageError } from "../errors.js";
import { groups } from "./run-options.js";

export type Given = ReadonlyMap<string, unknown>;

/** How the user spelled a key, and who to name as the complaining party: `{ who: "run.yaml:3:3", name: "labelSeed" }`. */
export type Describe = (key: string) => { readonly who: string; readonly name: string };

/** Keys as flags: `fewlabels train: ... --model.width`. */
export const asFlags =
  (who: string): Describe =>
  (key) => ({ who, name: flagOf(key) });

/** Keys as fields, for the library. */
export const asFields =
  (who: string): Describe =>
  (key) => ({ who, name: key });

export const camelCase = (word: string): string =>
  word.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
export const kebabCase = (word: string): string => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** "labelSeed" -> "--label-seed"; "model.inputNoise" -> "--model.inputNoise", as product.md spells them. */
export function flagOf(key: string): string {
  return `--${key.includes(".") ? key : kebabCase(key)}`;
}

/** "label-seed" -> "labelSeed", "model.input-noise" -> "model.inputNoise", "method.name" -> "method". */
export function canonicalKey(key: string): string {
  const camel = key.split(".").map(camelCase).join(".");
  const head = camel.match(/^(dataset|method|model)\.name$/);
  return head ? head[1]! : camel === "optimizer" ? "optimizer.name" : camel;
}

/**
 * Flattens a (nested) record: `{ model: { name: "cnn-13", width: 0.25 } }` and `{ model: "cnn-13", "model.width": 0.25 }`
 * give the same. Undefined values count as not given. Throws UsageError on a key given twice.
 */
export function flatten(record: Readonly<Record<string, unknown>>, describe: Describe = asFields("fewlabels")): Given {
  const given = new Map<string, unknown>();
  const add = (key: string, value: unknown) => {
    if (value === undefined || value === null) return;
    const canonical = canonicalKey(key);
    if (given.has(canonical)) {
      const { who, name } = describe(canonical);
      throw new UsageError(`${who}: ${name} is given twice; keep one`);
    }
    given.set(canonical, value);
  };
  for (const [key, value] of Object.entries(record)) {
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    if (nested && (groups as readonly string[]).includes(key)) {
      for (const [inner, innerValue] of Object.entries(value)) add(`${key}.${inner}`, innerValue);
    } else {
      add(key, value);
    }
  }
  return given;
}

/** "model.width" -> ["model", "width"]; "steps" -> ["steps", undefined]. */
export function splitKey(key: string): [string, string | undefined] {
  const dot = key.indexOf(".");
  return dot < 0 ? [key, undefined] : [key.slice(0, dot), key.slice(dot + 1)];
}
