/** Whether the native addon is there. Tests that need it are skipped, and say so, where it is not. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";

const path = process.env.FEWLABELS_ADDON ?? fileURLToPath(new URL("../../build/fewlabels.node", import.meta.url));

export const enginePresent = existsSync(path);

if (!enginePresent) console.warn(`skipping tests that need the engine: ${path} is not there; run \`npm run setup\``);

/** `describe`, skipped without the engine. */
export const describeEngine = describe.skipIf(!enginePresent);
