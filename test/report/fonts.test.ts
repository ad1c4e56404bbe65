import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { missingFonts } from "../../src/report/fonts.js";

const root = mkdtempSync(join(tmpdir(), "fewlabels-fonts-"));
afterAll(() => rmSync(root, { recursive: true }));
const put = (path: string) => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), "");
};

test("fonts are there with a configuration and a file of letters; else it says what to install", () => {
  const missing = (env: NodeJS.ProcessEnv = {}) => missingFonts(root, env, "linux");
  expect(missing()).toMatch(/^apt-get install .*fonts/);
  put("etc/fonts/fonts.conf");
  put("usr/share/fonts/truetype/readme.txt");
  expect(missing()).toMatch(/^apt-get install/);
  put("usr/share/fonts/truetype/dejavu/Sans.ttf");
  expect(missing()).toBeUndefined();
  rmSync(join(root, "etc"), { recursive: true });
  expect(missing()).toMatch(/^apt-get install/);
  expect(missing({ FONTCONFIG_FILE: "/mine.conf" })).toBeUndefined();
  expect(missingFonts(root, {}, "darwin")).toBeUndefined();
});
