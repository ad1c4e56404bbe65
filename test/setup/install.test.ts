import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { installWithApt, packagesFor } from "../../scripts/setup/install.mjs";
import { installUserPackages, repairLinkerScripts, repairLinks } from "../../scripts/setup/rootless.mjs";
import { temporaryFolder } from "./helpers.js";

/** An environment in which apt-get is `script`; `calls()` are the words after its options. */
function fakeApt(script: string) {
  const folder = temporaryFolder();
  const log = join(folder, "calls");
  writeFileSync(join(folder, "apt-get"), `#!/bin/sh\necho "$@" >> ${log}\n${script}\n`);
  chmodSync(join(folder, "apt-get"), 0o755);
  const calls = () => {
    const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
    return lines.map((line) => (/ (update|install) ?(.*)$/.exec(line) ?? []).slice(1).join(" ").trim());
  };
  return { env: { PATH: `${folder}:/usr/bin:/bin`, XDG_CACHE_HOME: join(folder, "cache"), calls: log }, calls, folder };
}

describe("installWithApt", () => {
  it("asks for what is missing and nothing else", () => {
    expect(packagesFor({ libtorch: true, compiler: false })).toEqual([
      "libtorch-dev",
      "libopenblas0-openmp",
      "libgloo-dev",
    ]);
    expect(packagesFor({ libtorch: false, compiler: true })).toEqual(["g++"]);
  });

  it("installs without recommended packages and reports on the way", async () => {
    const { env, calls } = fakeApt("exit 0");
    const lines: string[] = [];
    await installWithApt(["libtorch-dev"], (line) => lines.push(line), env);
    expect(calls().at(-1)).toBe("install --no-install-recommends libtorch-dev");
    expect(lines.at(-1)).toMatch(/installed libtorch-dev in/);
  });

  it("refreshes old package lists once and tries again", async () => {
    const { env, calls, folder } = fakeApt(
      'case "$*" in *update*) touch "$0.updated";; *install*) [ -e "$0.updated" ] || { echo "E: 404"; exit 100; };; esac',
    );
    await installWithApt(["g++"], () => {}, env);
    expect(calls().filter((call) => call === "update")).toHaveLength(1);
    expect(existsSync(join(folder, "apt-get.updated"))).toBe(true);
  });

  it("shows apt's own errors and the command to run by hand", async () => {
    const { env } = fakeApt('case "$*" in *install*) echo "E: Unable to locate package libtorch-dev"; exit 100;; esac');
    const error = await installWithApt(["libtorch-dev"], () => {}, env).catch((reason) => reason);
    expect(error.message).toContain("E: Unable to locate package libtorch-dev");
    expect(error.hints.join("\n")).toContain("this release has no such package");
    expect(error.hints.join("\n")).toContain("apt-get install --no-install-recommends libtorch-dev");
  });
});

describe("installUserPackages", () => {
  it("keeps apt's state in the cache and says whom to ask when it fails", async () => {
    const { env } = fakeApt('case "$*" in *install*) echo "E: no network"; exit 100;; esac');
    const error = await installUserPackages(["g++"], () => {}, env).catch((reason) => reason);
    expect(error.message).toContain("E: no network");
    expect(error.hints.join("\n")).toContain("ask somebody with root");
    const options = readFileSync(String(env.calls), "utf8");
    expect(options).toContain(`Dir::State=${env.XDG_CACHE_HOME}/fewlabels/apt`);
    expect(existsSync(join(env.XDG_CACHE_HOME, "fewlabels/debian"))).toBe(false);
  });

  it("points a link to a library that only the system has at the system", () => {
    const prefix = temporaryFolder();
    mkdirSync(join(prefix, "etc"));
    symlinkSync("passwd", join(prefix, "etc/dangling"));
    symlinkSync("/etc/kept", join(prefix, "etc/absolute"));
    writeFileSync(join(prefix, "etc/kept"), "");
    symlinkSync("kept", join(prefix, "etc/fine"));
    repairLinks(prefix);
    expect(readlinkSync(join(prefix, "etc/dangling"))).toBe("/etc/passwd");
    expect(readlinkSync(join(prefix, "etc/absolute"))).toBe("kept");
    expect(readlinkSync(join(prefix, "etc/fine"))).toBe("kept");
  });

  it("rewrites libc's linker script for what was unpacked, also when it was rewritten before", () => {
    const prefix = temporaryFolder();
    const lib = join(prefix, "usr/lib/x86_64-linux-gnu");
    mkdirSync(lib, { recursive: true });
    writeFileSync(join(lib, "libc_nonshared.a"), "");
    const original =
      "/* GNU ld script */\nGROUP ( /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-gnu/libc_nonshared.a )\n";
    writeFileSync(join(lib, "libc.so"), original);
    for (let times = 0; times < 2; times++) {
      repairLinkerScripts(prefix, prefix);
      expect(readFileSync(join(lib, "libc.so"), "utf8")).toBe(
        `/* GNU ld script */\nGROUP ( /lib/x86_64-linux-gnu/libc.so.6 ${lib}/libc_nonshared.a )\n`,
      );
    }
  });
});
