import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { cpuQuota, defaultThreads, machineShare, usableCores } from "../../src/config/cores.js";

/** A file system of these files. */
function root(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "fewlabels-cores-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${text}\n`);
  }
  return folder;
}

describe("the CPU quota of a container", () => {
  it.each([
    ["none at all", {}, Number.POSITIVE_INFINITY],
    [
      "version 2, no limit",
      { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000" },
      Number.POSITIVE_INFINITY,
    ],
    ["version 2", { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000" }, 1.5],
    [
      "version 2, of a group above",
      {
        "proc/self/cgroup": "0::/jobs/one",
        "sys/fs/cgroup/jobs/cpu.max": "200000 100000",
        "sys/fs/cgroup/jobs/one/cpu.max": "max 100000",
      },
      2,
    ],
    [
      "version 1",
      {
        "proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
      },
      0.5,
    ],
    [
      "version 1, no limit",
      {
        "proc/self/cgroup": "4:cpu:/",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      },
      Number.POSITIVE_INFINITY,
    ],
  ])("%s", (_, files, expected) => {
    expect(cpuQuota(root(files))).toBe(expected);
  });

  it("bounds the default number of threads: rounded up, at least 1, never above the machine's", () => {
    const limited = (quota: string) => root({ "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": quota });
    expect(usableCores(64, limited("150000 100000"))).toBe(2);
    expect(usableCores(64, limited("10000 100000"))).toBe(1);
    expect(usableCores(4, limited("1600000 100000"))).toBe(4);
    expect(usableCores(4, limited("max 100000"))).toBe(4);
  });
});

describe("the threads of a run that goes on", () => {
  const among = (localSize: number) =>
    ({ rank: 0, size: localSize, localSize, localRank: 0, host: "a", port: 1, served: false, prefix: "" }) as const;
  const threads = (coresSharedBy: number | undefined, localSize: number) =>
    machineShare({ device: "cpu", threads: 77, ...(coresSharedBy ? { coresSharedBy } : {}) }, among(localSize)).threads;

  it("are those of before, or the share of as many processes as there are now where nobody chose them", () => {
    expect(threads(1, 1)).toBe(77);
    expect(threads(4, 4)).toBe(77);
    expect(threads(undefined, 4)).toBe(77);
    expect(threads(1, usableCores())).toBe(1);
    expect(threads(2, 1)).toBe(defaultThreads(among(1)));
  });
});
