/** The package on disk: its folder and its version, whether run from sources or compiled. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** `src/` and `dist/` lie side by side, so the root is one folder up from either. Ends with a separator. */
const root = new URL("../", import.meta.url);

/** Absolute path of a file or folder of the package. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(relative, root));
}

/** Version in package.json. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(packagePath("package.json"), "utf8")) as { version: string }).version;
}
