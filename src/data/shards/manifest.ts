/**
 * `PREFIX.json`, which `data pack` writes beside its shards: the names of the classes, whose numbers the shards hold.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DataError, UsageError } from "../../errors.js";
import type { ShardLabel } from "./samples.js";

export interface ShardManifest {
  readonly classes: readonly string[];
  /** By part: shards (file names beside the manifest) and pictures in all of them. */
  readonly parts: Readonly<Partial<Record<PackPart, { readonly shards: readonly string[]; readonly count: number }>>>;
  /** `copy`: the files as they were; else what they were encoded as. */
  readonly format: string;
  /** Side in pixels, where they were resized. */
  readonly size?: number;
}

export const packParts = ["labeled", "unlabeled", "test"] as const;
export type PackPart = (typeof packParts)[number];

export function manifestPath(prefix: string): string {
  return `${prefix}.json`;
}

/** `PREFIX-labeled-000012.tar`. */
export function shardPath(prefix: string, part: string, number: number): string {
  return `${prefix}-${part}-${String(number).padStart(6, "0")}.tar`;
}

/**
 * Throws UsageError where a manifest or a shard of the prefix is there: new ones would be mixed with it, or replace it. `flag` is where the
 * prefix was given.
 */
export function requireFreePrefix(prefix: string, flag: string): void {
  const manifest = manifestPath(prefix);
  if (existsSync(manifest))
    throw new UsageError(`${manifest} exists: choose another ${flag}, or remove it and its shards`);
  const [folder, start] = [dirname(`${prefix}-`), basename(`${prefix}-`)];
  const shard = new RegExp(`^(?:${packParts.join("|")})-\\d+\\.tar$`);
  const taken = (existsSync(folder) ? readdirSync(folder) : [])
    .sort()
    .find((name) => name.startsWith(start) && shard.test(name.slice(start.length)));
  if (taken !== undefined)
    throw new UsageError(`${join(folder, taken)} exists: choose another ${flag}, or remove the shards of ${prefix}`);
}

/**
 * From a shard's labels to names of classes: with a manifest numbers are places in its list, whatever the classes are called; else
 * they are names. Throws DataError on a number beyond the list.
 */
export function labelNames(shard: string): (label: ShardLabel, key: string) => string {
  const classes = findManifest(shard)?.classes;
  return ({ text, number }, key) => {
    if (!classes || !number) return text;
    const name = classes[Number(text)];
    if (name !== undefined) return name;
    throw new DataError(
      `${shard}: "${key}" has the label "${text}", which is none of the ${classes.length} classes: ${classes.slice(0, 10).join(", ")}`,
    );
  };
}

/** The manifest a shard belongs to by its name, if there is one. Throws DataError where it cannot be read. */
export function findManifest(shard: string): ShardManifest | undefined {
  const match = new RegExp(`^(.*)-(?:${packParts.join("|")})-\\d+\\.tar$`, "s").exec(shard);
  if (!match || !existsSync(manifestPath(match[1]!))) return undefined;
  const path = manifestPath(match[1]!);
  let content: ShardManifest;
  try {
    content = JSON.parse(readFileSync(path, "utf8")) as ShardManifest;
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
  }
  const classes: unknown = content?.classes;
  if (!Array.isArray(classes) || !classes.every((name) => typeof name === "string")) {
    throw new DataError(`${path}: expected "classes", a list of names`);
  }
  return content;
}
