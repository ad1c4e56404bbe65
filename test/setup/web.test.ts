// The pages are built when they must be, and only then.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../scripts/setup/common.mjs";
import { webState } from "../../scripts/setup/web.mjs";
import { folderOfThisFile } from "../support/train-run.js";

test("a source, a version or a file that is missing makes them stale; nothing else does", () => {
  const root = folderOfThisFile();
  cpSync(join(packageRoot, "web/app"), join(root, "web/app"), { recursive: true });
  cpSync(join(packageRoot, "package.json"), join(root, "package.json"));
  expect(webState(root).state).toBe("stale");
  mkdirSync(join(root, "dist/app/assets"), { recursive: true });
  writeFileSync(join(root, "dist/app/assets/a.js"), "");
  const record = () =>
    writeFileSync(
      join(root, "dist/app/.built.json"),
      JSON.stringify({ hash: webState(root).hash, files: ["assets/a.js"] }),
    );
  record();
  expect(webState(root).state).toBe("current");
  writeFileSync(join(root, "web/app/shared/hash.ts"), "// another");
  expect(webState(root).state).toBe("stale");
  record();
  rmSync(join(root, "dist/app/assets/a.js"));
  expect(webState(root).state).toBe("stale");
  rmSync(join(root, "web/app"), { recursive: true });
  expect(webState(root).state).toBe("shipped");
});
