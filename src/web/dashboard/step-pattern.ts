/**
 * Numbers out of the lines of a log, ten times as fast as JSON.parse: a run writes the same fields in the same order again and again, so
 * the first line of a shape gives a regular expression for the others. A line of another shape is parsed as JSON and gives the next one.
 */

/** Numbers of one event by name; null where the log has null (not finite). */
export type Numbers = ReadonlyMap<string, number | null>;

export interface PatternReader {
  /** The event's step and the wanted numbers in it; undefined for what is no event about numbers of a step. */
  read(line: string): { readonly step: number; readonly numbers: Numbers } | undefined;
  /** Names seen in lines that were parsed: all there are. */
  readonly names: ReadonlySet<string>;
}

/** `wanted`: names as `namesOf` gives them; others are passed over, though `names` knows them. */
export function patternReader(wanted: ReadonlySet<string>): PatternReader {
  const names = new Set<string>();
  let pattern: { readonly expression: RegExp; readonly captured: readonly string[] } | undefined;
  return {
    names,
    read(line) {
      const match = pattern?.expression.exec(line);
      if (pattern && match) {
        const { captured } = pattern;
        const numbers = new Map<string, number | null>();
        for (let i = 0; i < captured.length; i++) {
          const text = match[i + 2]!;
          numbers.set(captured[i]!, text === "null" ? null : Number(text));
        }
        return { step: Number(match[1]), numbers };
      }
      const event = parsed(line);
      if (!event || typeof event.step !== "number") return undefined;
      const all = numbersOf(event);
      if (all.size === 0) return undefined;
      for (const name of all.keys()) names.add(name);
      if (event.type === "step") pattern = patternOf(event, wanted) ?? pattern;
      return { step: event.step, numbers: new Map([...all].filter(([name]) => wanted.has(name))) };
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;

function parsed(line: string): Fields | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === "object" && event !== null ? (event as Fields) : undefined;
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Fields of a step beside its metrics that are curves. */
const stepFields = ["learningRate", "emaDecay", "imagesPerSecond", "stepSeconds"];

/** Step: metrics by their names, and `stepFields`. Evaluation: "test.teacher.error" and the like. */
function numbersOf(event: Fields): Map<string, number | null> {
  const found = new Map<string, number | null>();
  const take = (name: string, value: unknown) => {
    if (typeof value === "number" || value === null) found.set(name, value);
  };
  if (event.type === "step") {
    for (const [name, value] of Object.entries(isRecord(event.metrics) ? event.metrics : {})) take(name, value);
    for (const name of stepFields) take(name, event[name]);
  }
  if (event.type === "evaluation") {
    for (const split of ["val", "test"]) {
      for (const [role, figures] of Object.entries(isRecord(event[split]) ? event[split] : {})) {
        if (!isRecord(figures)) continue;
        for (const [name, value] of Object.entries(figures)) if (name !== "n") take(`${split}.${role}.${name}`, value);
      }
    }
  }
  return found;
}

const anyNumber = "(?:-?[0-9.]+(?:[eE][-+]?[0-9]+)?|null)";
const quoted = (text: string) => JSON.stringify(text).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** Undefined for a shape that holds more than numbers, texts and records of them. */
function patternOf(event: Fields, wanted: ReadonlySet<string>) {
  const captured: string[] = [];
  let plain = true;
  const write = (value: unknown, name: string, path: string): string => {
    if (path === "step") return `(${anyNumber})`;
    if (typeof value === "number" || value === null) {
      if (!wanted.has(name) || !(path === name || path === `metrics.${name}`)) return anyNumber;
      captured.push(name);
      return `(${anyNumber})`;
    }
    if (path === "type") return quoted(String(value));
    if (typeof value === "string") return '"(?:[^"\\\\]|\\\\.)*"';
    if (!isRecord(value)) plain = false;
    const inner = Object.entries(isRecord(value) ? value : {}).map(
      ([key, one]) => `${quoted(key)}:${write(one, key, path === "" ? key : `${path}.${key}`)}`,
    );
    return `\\{${inner.join(",")}\\}`;
  };
  const expression = new RegExp(`^${write(event, "", "")}$`);
  // The step must be the first group: it stands before the numbers in every log of ours.
  const keys = Object.keys(event);
  if (!plain || keys.indexOf("step") > keys.indexOf("metrics")) return undefined;
  return { expression, captured };
}
