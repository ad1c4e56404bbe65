/** What a run takes of the machine by default: threads, of what the machine has or what a container may use of it. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { posix } from "node:path";
import { launchedAs, type Place } from "../torch/index.js";
import type { RunConfig } from "./run-config.js";

/** Processes that train together on this machine. */
export function processesHere(place: Place | undefined = launchedAs()): number {
  return place?.localSize ?? 1;
}

/** Threads of a run that says nothing: of the processes that train together on this machine each takes its share of the cores. */
export function defaultThreads(place?: Place): number {
  return Math.max(1, Math.floor(usableCores() / processesHere(place)));
}

/**
 * What a run whose settings are `saved`, process 0's, takes of this machine where it goes on and nothing is given: a GPU for each process,
 * and the threads of before (another number has other last digits), unless nobody chose them and they were shared out among others.
 */
export function machineShare(
  { device, threads, coresSharedBy }: Pick<RunConfig, "device" | "threads" | "coresSharedBy">,
  place: Place | undefined = launchedAs(),
): Pick<RunConfig, "device" | "threads"> {
  const others = coresSharedBy !== undefined && coresSharedBy !== processesHere(place);
  return {
    device: device.startsWith("cuda:") && processesHere(place) > 1 ? "cuda" : device,
    threads: others ? defaultThreads(place) : threads,
  };
}

/**
 * Cores that this process may keep busy. A container with a CPU quota sees every core of the machine, and more threads than its quota
 * are stopped for most of each tenth of a second: several times slower than one thread.
 * @param root for tests: stands before /proc and /sys
 */
export function usableCores(cores = availableParallelism(), root = ""): number {
  return Math.max(1, Math.min(cores, Math.ceil(cpuQuota(root))));
}

/** The quota in cores, the least of this process's control group and those above it; Infinity where there is none. */
export function cpuQuota(root = ""): number {
  const groups = readText(`${root}/proc/self/cgroup`)
    .split("\n")
    .map((line) => line.split(":"));
  const quotas = groups.flatMap(([id, controllers = "", ...rest]) => {
    const path = rest.join(":");
    if (id === "0" && controllers === "") {
      // Version 2: "max 100000" or "150000 100000".
      return ancestors(path).map((at) => {
        const [quota, period] = readText(`${root}/sys/fs/cgroup${at}/cpu.max`).split(/\s+/);
        return Number(quota) / Number(period);
      });
    }
    if (!controllers.split(",").includes("cpu")) return [];
    // Version 1; inside a container the group is mounted as the root, whatever its path is outside.
    return [controllers, "cpu"].flatMap((folder) =>
      ancestors(path).map((at) => {
        const read = (name: string) =>
          Number(readText(`${root}/sys/fs/cgroup/${folder}${at}/cpu.cfs_${name}_us`) || NaN);
        return read("quota") / read("period");
      }),
    );
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas.filter((quota) => quota > 0));
}

/** "/a/b", "/a", "" for "/a/b". */
function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let at = posix.normalize(`/${path}`); at !== "/" && at !== "."; at = posix.dirname(at)) found.push(at);
  return [...found, ""];
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
