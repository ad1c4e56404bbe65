/** Several processes that know of each other, as a launcher starts them: for tests of training on more than one. */
import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import { freePort } from "../../src/cli/commands/launch/processes.js";
import { canJoin } from "../../src/torch/index.js";
import { type Running, startCommand } from "../cli/run-cli.js";
import { enginePresent } from "./engine.js";

const joins = enginePresent && canJoin();
if (!joins) console.warn("skipping tests of several processes: the engine was built without Gloo (libgloo-dev)");

/** `describe`, skipped where the engine cannot join processes. */
export const describeWorld = describe.skipIf(!joins);

/** `size` processes of `node args` on this machine, told of each other; in the order of their ranks. */
export async function startProcesses(
  size: number,
  args: readonly string[] | ((rank: number) => readonly string[]),
  env: NodeJS.ProcessEnv = {},
): Promise<Running[]> {
  const port = await freePort();
  return Array.from({ length: size }, (_, rank) => {
    const place = { RANK: `${rank}`, WORLD_SIZE: `${size}`, LOCAL_RANK: `${rank}`, LOCAL_WORLD_SIZE: `${size}` };
    const own = typeof args === "function" ? args(rank) : args;
    const meeting = { MASTER_ADDR: "127.0.0.1", MASTER_PORT: `${port}` };
    return startCommand([process.execPath, ...own], { env: { ...place, ...meeting, ...env } });
  });
}

/** Runs `script`, the text of a module that may import from `dist/`, in `size` processes; what each has printed, as JSON. */
export async function inProcesses<T>(size: number, script: string, env: NodeJS.ProcessEnv = {}): Promise<T[]> {
  const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
  const text = script.replaceAll('from "dist/', `from "${dist}`);
  const started = await startProcesses(size, ["--input-type=module", "-e", text], env);
  const ended = await Promise.all(started.map(({ finished }) => finished));
  return ended.map(({ code, out, err }) => {
    if (code !== 0) throw new Error(`a process ended with ${code}:\n${out}${err}`);
    return JSON.parse(out) as T;
  });
}
