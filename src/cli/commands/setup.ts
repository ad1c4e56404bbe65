/** `fewlabels setup`: finds or installs libtorch and builds the engine, in a clone or an installed package. */
import { pathToFileURL } from "node:url";
import { EngineError } from "../../errors.js";
import { boolean, choice } from "../../options.js";
import { packagePath } from "../../package.js";
import { defineCommand } from "../command.js";
import { duration } from "../format.js";
import { print, printError } from "../output.js";

/** What scripts/setup/set-up.mjs gives; plain JavaScript, since it runs before anything is compiled. */
interface SetUp {
  setUpPackage(options: {
    only: string | undefined;
    install: boolean;
    log: (line: string) => void;
  }): Promise<readonly string[]>;
}

export const setup = defineCommand({
  name: "setup",
  summary: "finds or installs libtorch and builds the engine, in a clone or an installed package",
  description:
    "Find libtorch and a compiler, install what is missing, build the engine (in a clone the TypeScript, too). One line when " +
    "nothing is to do.",
  options: {
    only: choice(["engine", "typescript"], undefined, { doc: "do this half alone" }),
    install: boolean(true, {
      doc: "install or download what is missing; with --no-install say what is (also FEWLABELS_NO_INSTALL=1)",
    }),
    json: boolean(false, { doc: "print what is there now as one JSON line; progress goes to stderr" }),
  },
  examples: ["fewlabels setup", "fewlabels setup --no-install"],
  async run({ only, install, json }) {
    const started = performance.now();
    const script = pathToFileURL(packagePath("scripts/setup/set-up.mjs")).href;
    const { setUpPackage } = (await import(script)) as SetUp;
    const log = (line: string) => (json ? printError : print)(`fewlabels: ${line}`);
    const parts = await setUpPackage({ only, install, log }).catch(fail);
    const seconds = (performance.now() - started) / 1000;
    if (json) print(JSON.stringify({ parts, seconds }));
    else print(`fewlabels: ${parts.join(", ")} (${duration(seconds)})`);
  },
});

/** A failure of the set-up that the user can do something about, as ours: a message and hints. */
function fail(error: unknown): never {
  const { message, code, hints } = error as Error & { code?: string; hints?: readonly string[] };
  if (code !== "SETUP") throw error;
  throw new EngineError([`fewlabels setup: ${message}`, ...(hints ?? []).map((hint) => `  - ${hint}`)].join("\n"));
}
