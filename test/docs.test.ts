// The pages: no dead link, no dead anchor, nothing that only exists on one machine.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const skipped = new Set(["node_modules", "dist", "build", "runs", "coverage", ".git"]);

function pagesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return pagesUnder(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

const withoutCode = (text: string) => text.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").replace(/`[^`\n]*`/g, "");

/** Headings as the usual renderers turn them into anchors. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").matchAll(/^#{1,6}\s+(.*)$/gm)];
  return new Set(
    headings.map((match) =>
      (match[1] ?? "")
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-"),
    ),
  );
}

const pages = pagesUnder(root);

describe("docs", () => {
  it.each(pages.map((page) => relative(root, page)))("%s has no dead relative link", (name) => {
    const page = join(root, name);
    const dead: string[] = [];
    for (const match of withoutCode(readFileSync(page, "utf8")).matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)) {
      const target = match[1] ?? "";
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path ? join(dirname(page), decodeURIComponent(path)) : page;
      if (!existsSync(file)) dead.push(target);
      else if (anchor && file.endsWith(".md") && !anchorsOf(readFileSync(file, "utf8")).has(anchor)) dead.push(target);
    }
    expect(dead).toEqual([]);
  });

  it.each(pages.map((page) => relative(root, page)))("%s names no path of one machine", (name) => {
    const text = readFileSync(join(root, name), "utf8");
    expect(text.match(/(?<![\w.])(?:\/work\/|\/home\/\w|\/Users\/\w|\/root\/|\/tmp\/\w)[^\s`)]*/g) ?? []).toEqual([]);
  });

  it("every file of this repository that a page names is there", () => {
    const named = /`((?:src|test|native|scripts|bench|docs|examples)\/[\w./-]+\.\w+)`/g;
    const gone = pages.flatMap((page) =>
      [...readFileSync(page, "utf8").matchAll(named)]
        .map((match) => match[1] ?? "")
        .filter((path) => !existsSync(join(root, path)))
        .map((path) => `${relative(root, page)}: ${path}`),
    );
    expect(gone).toEqual([]);
  });

  it("every file that the architecture walks through is there", () => {
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8");
    const named = [...text.matchAll(/`((?:[a-z0-9-]+\/)+[a-z0-9-]+\.ts)`/g)].map((match) => match[1] ?? "");
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((path) => !path.startsWith("src/") && !existsSync(join(root, "src", path)))).toEqual([]);
  });

  it("every npm script that a page mentions exists", () => {
    const scripts: Record<string, string> = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;
    const mentioned = pages.flatMap((page) =>
      [...readFileSync(page, "utf8").matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map((match) => match[1] ?? ""),
    );
    expect(mentioned.filter((script) => !(script in scripts))).toEqual([]);
  });
});
