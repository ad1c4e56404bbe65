/** The experiments that come with the package, by name, and the profiles that shrink them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { flatten } from "../config/given.js";
import { UsageError, unknownName } from "../errors.js";
import type { Definition } from "./definition/definition.js";
import { readYaml } from "./definition/fields.js";
import { readDefinition } from "./definition/read.js";

/** `papers/PAPER/NAME.yaml`, `scales/small/PROFILE.yaml`, `results/`. */
export const experimentsFolder = fileURLToPath(new URL("../../experiments/", import.meta.url));

/** Names of all experiments, by paper: "mean-teacher/table-2". */
export function definitionNames(folder = experimentsFolder): string[] {
  const papers = join(folder, "papers");
  return readdirSync(papers, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(papers, name))
        .filter((file) => file.endsWith(".yaml"))
        .map((file) => `${name}/${file.slice(0, -".yaml".length)}`),
    )
    .sort();
}

/** One experiment by name, or by the path of its YAML file. Throws UsageError that names the nearest. */
export function findDefinition(name: string, folder = experimentsFolder): Definition {
  if (/\.ya?ml$/.test(name) && existsSync(name)) return readDefinition(name.replace(/\.ya?ml$/, ""), name);
  const names = definitionNames(folder);
  if (!names.includes(name)) throw new UsageError(unknownName("fewlabels experiment", "experiment", name, names));
  return readDefinition(name, join(folder, "papers", `${name}.yaml`));
}

/** How a set of experiments is shrunk, the same for all their arms. */
export interface Profile {
  readonly name: string;
  /** What it changes, in words. */
  readonly summary: string;
  readonly base: Readonly<Record<string, unknown>>;
  /** Settings by method: those under `methods` in the file, then those that tuning chose. */
  readonly methods: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** What `fewlabels experiment tune` tries: option -> values, by method. */
  readonly grid: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>;
  readonly tune: { readonly val: number; readonly seeds: readonly number[]; readonly labels?: unknown };
}

/** Names of the profiles of `--scale small`. */
export function profileNames(folder = experimentsFolder): string[] {
  return readdirSync(join(folder, "scales/small"))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}

/** With `tuned` false: without what `fewlabels experiment tune` chose. Throws UsageError where there is no such profile. */
export function readProfile(name: string, folder = experimentsFolder, { tuned: useTuned = true } = {}): Profile {
  const file = join(folder, "scales/small", `${name}.yaml`);
  if (!existsSync(file)) throw new UsageError(`${file}: there is no such profile of --scale small`);
  const given = readYaml(file);
  const tuned = useTuned ? tunedChoices(name, folder) : {};
  const methods = recordOf(given.methods);
  const names = [...new Set([...Object.keys(methods), ...Object.keys(tuned)])];
  const tune = recordOf(given.tune);
  return {
    name,
    summary: String(given.summary ?? ""),
    base: recordOf(given.base),
    methods: Object.fromEntries(
      names.map((method) => {
        const own = flatten(recordOf(methods[method]));
        return [method, Object.fromEntries([...own, ...flatten(tuned[method] ?? {})])];
      }),
    ),
    grid: Object.fromEntries(
      Object.entries(recordOf(given.grid)).map(([method, options]) => [
        method,
        Object.fromEntries(
          Object.entries(recordOf(options)).map(([key, values]) => [key, Array.isArray(values) ? values : [values]]),
        ),
      ]),
    ),
    tune: {
      val: Number(tune.val ?? 1000),
      seeds: Array.isArray(tune.seeds) ? tune.seeds.map(Number) : [11],
      ...(tune.labels !== undefined && { labels: tune.labels }),
    },
  };
}

/** The profile's summary, and what the arms have in its place where the experiment says otherwise. `arms`: their options. */
export function shrunkText(
  { summary, base }: Pick<Profile, "summary" | "base">,
  arms: readonly Readonly<Record<string, unknown>>[],
): string {
  const usual = flatten(base);
  const own = (key: string) => [...new Set(arms.flatMap((options) => options[key] ?? []))];
  const [models, steps, rows] = [own("model"), own("steps"), own("batch")];
  const differs = (key: string, values: readonly unknown[]) =>
    usual.has(key) && values.length > 0 && !values.includes(usual.get(key));
  const words = [
    ...(differs("model", models) ? [models.join(" or ")] : []),
    ...(differs("steps", steps) ? [`${steps.join(" or ")} steps`] : []),
    ...(differs("batch", rows) ? [`batches of ${rows.join(" or ")} rows`] : []),
  ];
  return words.length === 0 ? summary : `${summary}; here instead: ${words.join(", ")}`;
}

/** Where the choices of `fewlabels experiment tune` are kept. */
export const tunedFile = (name: string, folder = experimentsFolder) =>
  join(folder, "scales/small", `${name}-tuned.json`);

function tunedChoices(name: string, folder: string): Record<string, Record<string, unknown>> {
  const file = tunedFile(name, folder);
  if (!existsSync(file)) return {};
  const { chosen } = recordOf(JSON.parse(readFileSync(file, "utf8")));
  return Object.fromEntries(Object.entries(recordOf(chosen)).map(([method, options]) => [method, recordOf(options)]));
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
