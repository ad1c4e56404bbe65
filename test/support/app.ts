/** The built front end. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { appFolder } from "../../src/web/page-server.js";

/** False where `npm run setup` has not been run; tests that need the pages are skipped then, and say so. */
export const appBuilt = existsSync(join(appFolder, "dashboard.html"));
if (!appBuilt) console.warn("skipping tests of the pages: dist/app is not there; run `npm run setup`");

/** Bytes of all files of a folder, each compressed by itself as a server would. */
export function gzippedSize(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .reduce((sum, { parentPath, name }) => sum + gzipSync(readFileSync(join(parentPath, name))).length, 0);
}
