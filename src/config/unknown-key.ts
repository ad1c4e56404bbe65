/** What to say about a key that no option has. */
import { nearest, UsageError } from "../errors.js";
import { families, type Listed, type Listing } from "./catalog.js";
import { type Describe, flagOf, type Given, splitKey } from "./given.js";
import { type Group, groups, runOptions } from "./run-options.js";

/** Throws UsageError if a given key is no run option and no option of the chosen parts. */
export function rejectUnknown(
  given: Given,
  chosen: Readonly<Record<Group, { readonly item: Listed }>>,
  known: Listing,
  describe: Describe,
): void {
  const inner = groups.flatMap((group) => Object.keys(chosen[group].item.options).map((name) => `${group}.${name}`));
  const keys = new Set([...Object.keys(runOptions), ...inner]);
  for (const key of given.keys()) {
    if (keys.has(key)) continue;
    const { who, name } = describe(key);
    const [group, option] = splitKey(key);
    const owner = isGroup(group) ? chosen[group].item : undefined;
    const others = option === undefined || !isGroup(group) ? [] : ownersOf(group, option, known);
    if (owner && others.length > 0) {
      const valid = Object.keys(owner.options).map((valid) => describe(`${group}.${valid}`).name);
      throw new UsageError(
        `${who}: ${group} ${owner.name} has no option ${name} (${others.join(", ")} ${others.length > 1 ? "have" : "has"} it). ` +
          `Valid: ${valid.join(", ") || "none"}`,
      );
    }
    throw new UsageError(unknownKey(who, name, key, [...keys]));
  }
}

/** Wording for an unknown key: the same word below another part comes first, then the nearest neighbor. */
export function unknownKey(who: string, name: string, key: string, known: readonly string[]): string {
  const [group, inner] = splitKey(key);
  const spell = (candidate: string) => (name.startsWith("--") ? flagOf(candidate) : candidate);
  const sameWord = known.find((candidate) => splitKey(candidate)[1] === (inner ?? key));
  const sameGroup = known
    .filter((candidate) => candidate.startsWith(`${group}.`))
    .map((candidate) => splitKey(candidate)[1]!);
  const nearInner = inner === undefined ? undefined : nearest(inner, sameGroup);
  const near = sameWord ?? (nearInner ? `${group}.${nearInner}` : nearest(key, known));
  if (near) return `${who}: unknown option ${name}. Did you mean ${spell(near)}?`;
  if (inner !== undefined && sameGroup.length > 0) {
    return `${who}: unknown option ${name}. Valid: ${sameGroup.map((word) => spell(`${group}.${word}`)).join(", ")}`;
  }
  return `${who}: unknown option ${name}. \`fewlabels train --help\` lists all options`;
}

function isGroup(key: string): key is Group {
  return groups.some((group) => group === key);
}

function ownersOf(group: Group, option: string, known: Listing): string[] {
  return known[families[group].list].filter((item) => option in item.options).map((item) => item.name);
}
