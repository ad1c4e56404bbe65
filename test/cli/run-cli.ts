/** Runs the real binary. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import { enginePresent } from "../support/engine.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const binary = `${root}bin/fewlabels.js`;
const built = existsSync(`${root}dist/cli/main.js`);
if (!built) console.warn("skipping tests of the command line: dist/ is not there; run `npm run setup`");

/** `describe`, skipped where nothing is compiled. */
export const describeBinary = describe.skipIf(!built);
/** `describe`, skipped where nothing is compiled or the engine is not there. */
export const describeTraining = describe.skipIf(!built || !enginePresent);

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when `pattern` has been seen on stdout or stderr. */
  seen(pattern: RegExp): Promise<void>;
}

interface StartOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts `fewlabels ARGS`. */
export function start(args: readonly string[], options: StartOptions = {}): Running {
  return startCommand([process.execPath, binary, ...args], options);
}

/** Starts any program. */
export function startCommand(command: readonly string[], { cwd = root, env = {} }: StartOptions = {}): Running {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd, env: { ...process.env, NO_COLOR: "1", ...env } });
  let [out, err] = ["", ""];
  const watchers = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    for (const watch of watchers) watch();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    for (const watch of watchers) watch();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code) => {
      resolve({ code, out, err });
      for (const watch of watchers) watch();
    });
  });
  const seen = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const watch = () => {
        if (pattern.test(out) || pattern.test(err)) resolve();
        else if (child.exitCode !== null) reject(new Error(`ended without ${pattern}:\n${out}\n${err}`));
      };
      watchers.add(watch);
      watch();
    });
  return { child, finished, seen };
}

/** Runs `fewlabels ARGS` to its end. */
export function fewlabels(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Finished> {
  return start(args, options).finished;
}

/** The last line of a text, as JSON. */
export function lastJson(text: string): Record<string, unknown> {
  return JSON.parse(text.trim().split("\n").at(-1)!);
}
