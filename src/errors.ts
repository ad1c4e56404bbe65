/**
 * How errors are worded and classed. Every error a user can cause says who complains, what was expected, what came,
 * and what to do; its class decides the exit code of the command line.
 */

/** Base class of all errors thrown on purpose. `code` is stable; `exitCode` is what the command line exits with. */
export class FewlabelsError extends Error {
  override name = "FewlabelsError";
  readonly code: string = "FAILED";
  readonly exitCode: number = 1;
}

/** Wrong usage or configuration: unknown option, value out of range, unknown method. Exit code 2. */
export class UsageError extends FewlabelsError {
  override name = "UsageError";
  override readonly code = "USAGE";
  override readonly exitCode = 2;
}

/** Bad data: missing, truncated or contradictory files. Exit code 3. */
export class DataError extends FewlabelsError {
  override name = "DataError";
  override readonly code = "DATA";
  override readonly exitCode = 3;
}

/** The disk is full, a folder may not be written to or has gone. Exit code 1. */
export class DiskError extends FewlabelsError {
  override name = "DiskError";
  override readonly code = "DISK";
}

/** A server does not answer, or refuses; what has come is kept. Exit code 1. */
export class DownloadError extends FewlabelsError {
  override name = "DownloadError";
  override readonly code = "DOWNLOAD";
}

/** The engine (addon or libtorch) is missing or refused a call. Exit code 1. */
export class EngineError extends FewlabelsError {
  override name = "EngineError";
  override readonly code: string = "ENGINE";
}

/** Training cannot go on, for instance because a loss is not finite. Exit code 1. */
export class TrainingError extends FewlabelsError {
  override name = "TrainingError";
  override readonly code = "TRAINING";
}

/** One wording for a bad value: `who: expected WHAT for ARGUMENT, got VALUE. ADVICE`. */
export function badValue(who: string, argument: string, expected: string, got: unknown, advice = ""): string {
  return `${who}: expected ${expected} for ${argument}, got ${show(got)}${advice ? `. ${advice}` : ""}`;
}

/** One wording for an unknown name, with its nearest neighbor or the list of valid ones. */
export function unknownName(who: string, kind: string, got: string, valid: readonly string[]): string {
  const near = nearest(got, valid);
  const hint = near === undefined ? `Valid: ${valid.join(", ")}` : `Did you mean "${near}"?`;
  return `${who}: unknown ${kind} "${got}". ${hint}`;
}

/** What can be asked for by name. */
export interface Named {
  readonly name: string;
  /** Other names for it with some options set ("wrn-28-2"). */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * The item of that name, or the one that has a preset of that name, with the options the preset sets. Throws UsageError with
 * `unknownName`'s wording.
 */
export function findByName<T extends Named>(
  items: readonly T[],
  kind: string,
  name: string,
  who = "fewlabels",
): { readonly item: T; readonly preset: Readonly<Record<string, unknown>> } {
  for (const item of items) {
    if (item.name === name) return { item, preset: {} };
    const { presets = {} } = item;
    if (Object.hasOwn(presets, name)) return { item, preset: presets[name]! };
  }
  const valid = namesOf(items);
  const list = nearest(name, valid) === undefined ? "" : ` Valid: ${valid.join(", ")}`;
  throw new UsageError(unknownName(who, kind, name, valid) + list);
}

/** All names that `findByName` knows. */
export function namesOf(items: readonly Named[]): string[] {
  return items.flatMap(({ name, presets = {} }) => [name, ...Object.keys(presets)]);
}

/** The candidate with the smallest edit distance to `word`, if that is close enough to be a slip of the hand. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Throws UsageError, in the words of `train`, where one of these options has a value, which could change nothing. */
export function refuseIdle(who: string, given: Readonly<Record<string, unknown>>, needs: string): void {
  for (const [flag, value] of Object.entries(given)) {
    if (value !== undefined) throw new UsageError(`${who}: --${flag} has no effect here: it ${needs}. Leave it out`);
  }
}

/** A path or a word as a shell takes it, for commands in messages. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.join(", ")}]`;
  return String(value);
}
