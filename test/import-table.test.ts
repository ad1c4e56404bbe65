// Who may import whom under src/ (style.md, section 2), and that no two files import each other in a circle.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const src = join(dirname(fileURLToPath(import.meta.url)), "../src");
const everything = "*";

/** Unit (folder, or file directly in src/) -> units it may import, besides itself; errors is open to all. "node" is Node's own modules. */
const table: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  options: [],
  rng: [],
  package: ["node"],
  statistics: [],
  batch: ["torch"],
  stateful: ["torch"],
  schedules: [],
  // undici only where a proxy is named.
  files: ["node", "package undici"],
  // The only folder that loads the addon, so the only one here that needs Node's module loader.
  torch: ["node", "package"],
  nn: ["stateful", "torch", "rng"],
  losses: ["torch", "rng"],
  optim: ["stateful", "torch", "rng", "schedules", "options", "nn"],
  // Tables of predictions are files.
  targets: ["stateful", "torch", "nn", "rng", "files", "node"],
  models: ["nn", "torch", "options", "rng"],
  // Whitening is linear algebra.
  images: ["files", "torch", "options", "node", "package sharp"],
  labels: ["files", "rng", "options", "node"],
  run: ["files", "node"],
  metrics: ["torch", "losses"],
  // Reads run folders, and nothing that trains.
  report: [
    "run",
    "files",
    "statistics",
    "package",
    "node",
    "package @observablehq/plot",
    "package linkedom",
    "package sharp",
  ],
  augment: ["batch", "torch", "rng", "options"],
  data: ["images", "labels", "augment", "files", "rng", "options", "node"],
  batches: ["data", "images", "labels", "augment", "batch", "stateful", "torch", "rng", "options"],
  // Classifiers on what a network gives its head.
  features: ["torch", "rng"],
  // Weights of others: their addresses, names and cache.
  pretrained: ["files", "data", "models", "nn", "options", "package", "node"],
  methods: [
    "batch",
    "stateful",
    "torch",
    "nn",
    "losses",
    "optim",
    "schedules",
    "targets",
    "options",
    "rng",
    "features",
  ],
  config: [everything],
  session: [everything],
  train: [everything],
  inference: [everything],
  experiments: [everything],
  export: [everything],
  studio: [everything],
  web: [everything],
  cli: [everything],
  index: [everything],
  internal: [everything],
};
/** Rooms above the table's families, ground first: each may import everything below itself, and none above. */
const storeys = [
  "config",
  "session",
  "train",
  "inference",
  "experiments",
  "export",
  "studio",
  "web",
  "cli",
  "index",
  "internal",
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Import and re-export statements, and import() calls with a literal, of one TypeScript text. */
function importsOf(from: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  for (const match of code.matchAll(
    /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\sfrom\s+)?["']([^"']+)["']/gm,
  )) {
    found.push({ from, to: match[2] ?? "", typeOnly: match[1] !== undefined });
  }
  for (const match of code.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g)) {
    found.push({ from, to: match[1] ?? "", typeOnly: false });
  }
  return found;
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".ts"))
  .sort();
const imports = files.flatMap((name) => importsOf(name, readFileSync(join(src, name), "utf8")));

const unitOf = (file: string) => (file.split("/")[0] ?? "").replace(/\.ts$/, "");
const resolve = (from: string, to: string) => posix.join(posix.dirname(from), to).replace(/\.js$/, ".ts");

describe("import table", () => {
  it("has a row for every folder and file directly in src/", () => {
    expect([...new Set(files.map(unitOf))].filter((unit) => !(unit in table))).toEqual([]);
  });

  it("every relative import names a file that exists, with .js at its end", () => {
    const bad = imports
      .filter(({ to }) => to.startsWith("."))
      .filter(({ from, to }) => !to.endsWith(".js") || !existsSync(join(src, resolve(from, to))));
    expect(bad.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it("no file imports what its row does not allow", () => {
    const bad: string[] = [];
    for (const { from, to } of imports) {
      const unit = unitOf(from);
      const target = to.startsWith(".") ? unitOf(resolve(from, to)) : to.startsWith("node:") ? "node" : `package ${to}`;
      const allowed = ["errors", ...(table[unit] ?? [])];
      const all = allowed.includes(everything) && storeys.indexOf(target) < storeys.indexOf(unit);
      if (target !== unit && !all && !allowed.includes(target)) bad.push(`${from} imports ${target} (${to})`);
    }
    expect(bad).toEqual([]);
  });

  it("only torch/ names the addon", () => {
    const naming = files.filter((name) => unitOf(name) !== "torch" && unitOf(name) !== "cli");
    const bad = naming.filter((name) => /fewlabels\.node\b/.test(readFileSync(join(src, name), "utf8")));
    expect(bad).toEqual([]);
  });

  it("no file imports itself through others, types included", () => {
    const graph = new Map<string, string[]>(files.map((name) => [name, []]));
    for (const { from, to } of imports) if (to.startsWith(".")) graph.get(from)?.push(resolve(from, to));
    expect(findCycle(graph)).toEqual([]);
  });

  it("no folder imports another in a circle, types included", () => {
    const graph = new Map<string, string[]>(Object.keys(table).map((unit) => [unit, []]));
    for (const { from, to } of imports) {
      if (!to.startsWith(".")) continue;
      const [unit, target] = [unitOf(from), unitOf(resolve(from, to))];
      if (unit !== target) graph.get(unit)?.push(target);
    }
    expect(findCycle(graph)).toEqual([]);
  });
});

describe("the size of things", () => {
  it("no folder has more files directly in it than one takes in at a glance", () => {
    const sizes = new Map<string, number>();
    for (const name of files) sizes.set(posix.dirname(name), (sizes.get(posix.dirname(name)) ?? 0) + 1);
    // Listing methods/ is listing the literature: it grows by a file a paper.
    const limit = (folder: string) => (folder === "methods" ? 30 : 16);
    expect([...sizes].filter(([folder, count]) => count > limit(folder))).toEqual([]);
  });

  it("half of all files have fewer than 100 lines", () => {
    const lengths = files.map((name) => readFileSync(join(src, name), "utf8").split("\n").length).sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThan(100);
  });
});

describe("the check itself", () => {
  it("sees every form of import and no comment", () => {
    const text = [
      'import { a } from "./a.js";',
      'import type { b } from "./b.js";',
      'export * from "./c.js";',
      'import "./d.js";',
      'import {\n  e,\n  type f,\n} from "./e.js";',
      'const g = await import("./g.js");',
      '// import { h } from "./h.js";',
      '/* import { i } from "./i.js"; */',
    ].join("\n");
    const found = importsOf("x.ts", text);
    expect(found.map(({ to }) => to)).toEqual(["./a.js", "./b.js", "./c.js", "./d.js", "./e.js", "./g.js"]);
    expect(found.filter(({ typeOnly }) => typeOnly).map(({ to }) => to)).toEqual(["./b.js"]);
  });

  it("finds a circle and names it", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
    ]);
    expect(findCycle(graph)).toEqual(["b", "c", "b"]);
  });
});

/** The first circle found, its first node repeated at the end; empty when there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] => {
    if (done.has(node)) return [];
    const at = path.indexOf(node);
    if (at >= 0) return [...path.slice(at), node];
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle.length > 0) return cycle;
    }
    path.pop();
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
