/**
 * Numbers out of the lines of a log, ten times as fast as JSON.parse: a run writes the same fields in the same order again and again, so
 * the first line of a shape gives a regular expression for the others. A line of another shape is parsed as JSON and gives the next one.
 */

/** Numbers of one event. */
export interface Numbers {
  readonly step: number;
  /** The same array for every line of a shape. */
  readonly names: readonly string[];
  /** In the order of `names`; null where the log has null (not finite). */
  readonly values: readonly (number | null)[];
}

export interface PatternReader {
  /** The wanted numbers of the line that begins at `start` of `text` and ends at a line feed; undefined where it is no event about numbers of a step. */
  read(text: string, start?: number): Numbers | undefined;
  /** Names seen in lines that were parsed: all there are. */
  readonly names: ReadonlySet<string>;
}

/** `wanted`: names as `numbersOf` gives them; others are passed over, though `names` knows them. */
export function patternReader(wanted: ReadonlySet<string>): PatternReader {
  const names = new Set<string>();
  let pattern: { readonly expression: RegExp; readonly captured: readonly string[] } | undefined;
  return {
    names,
    read(text, start = 0) {
      if (pattern) {
        const { expression, captured } = pattern;
        expression.lastIndex = start;
        const match = expression.exec(text);
        if (match) {
          const values = captured.map((_, i) => (match[i + 2] === "null" ? null : Number(match[i + 2])));
          return { step: Number(match[1]), names: captured, values };
        }
      }
      const event = parsed(text.slice(start, text.indexOf("\n", start)));
      if (!event || typeof event.step !== "number") return undefined;
      const all = numbersOf(event);
      if (all.size === 0) return undefined;
      for (const name of all.keys()) names.add(name);
      if (event.type === "step") pattern = patternOf(event, wanted) ?? pattern;
      const found = [...all].filter(([name]) => wanted.has(name));
      return { step: event.step, names: found.map(([name]) => name), values: found.map(([, value]) => value) };
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

const number = "(-?[0-9.]+(?:[eE][-+]?[0-9]+)?|null)";
/** A value that is passed over: whatever is no text, list or record. */
const plain = '[^,{}[\\]"\\n]+';
const quoted = (text: string) => JSON.stringify(text).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** Undefined for a shape that holds more than numbers, texts and records of them. */
function patternOf(event: Fields, wanted: ReadonlySet<string>) {
  const captured: string[] = [];
  let simple = true;
  const write = (value: unknown, name: string, path: string): string => {
    if (path === "step") return number;
    if (typeof value === "number" || value === null) {
      if (!wanted.has(name) || !(path === name || path === `metrics.${name}`)) return plain;
      captured.push(name);
      return number;
    }
    if (path === "type") return quoted(String(value));
    if (typeof value === "string") return '"[^"\\\\\\n]*"';
    if (!isRecord(value)) simple = false;
    const inner = Object.entries(isRecord(value) ? value : {}).map(
      ([key, one]) => `${quoted(key)}:${write(one, key, path === "" ? key : `${path}.${key}`)}`,
    );
    return `\\{${inner.join(",")}\\}`;
  };
  const expression = new RegExp(`${write(event, "", "")}\\n`, "y");
  // The step must be the first group: it stands before the numbers in every log of ours.
  const keys = Object.keys(event);
  if (!simple || keys.indexOf("step") > keys.indexOf("metrics")) return undefined;
  return { expression, captured };
}
