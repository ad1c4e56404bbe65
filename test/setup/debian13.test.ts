/** What scripts/debian13.sh refuses; what it does takes a system of its own and a quarter of an hour. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

const script = fileURLToPath(new URL("../../scripts/debian13.sh", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fewlabels-debian13-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = (...args: string[]) => spawnSync("bash", [script, ...args], { encoding: "utf8" });

it.each([[[]], [["--cuda"]], [["folder", "--gpu"]]])("tells how it is called: %j", (args) => {
  const { status, stderr } = run(...args);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^scripts\/debian13\.sh FOLDER \[--cuda\]/);
});

it.skipIf(process.getuid?.() !== 0)("leaves another Debian alone", () => {
  mkdirSync(join(folder, "etc"));
  writeFileSync(join(folder, "etc/debian_version"), "12.11\n");
  const { status, stderr } = run(folder);
  expect(status).toBe(1);
  expect(stderr).toBe(`debian13: ${folder} has Debian 12.11, not 13\n`);
});
