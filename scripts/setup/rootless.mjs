// Debian's packages without root: apt resolves and downloads them (signed lists, own state folder), dpkg-deb unpacks them
// below the user's cache. Nothing is configured, so what maintainer scripts would do is done here by hand.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { cacheDir, readJson, run, SetupError, since } from "./common.mjs";

/**
 * @param {string[]} packages
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function installUserPackages(packages, log, env = process.env) {
  const started = performance.now();
  const cache = cacheDir(env);
  const state = join(cache, "apt");
  for (const folder of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(state, folder), { recursive: true });
  const options = {
    "Dir::State": state,
    "Dir::State::lists": join(state, "lists"),
    "Dir::State::status": "/var/lib/dpkg/status",
    "Dir::State::extended_states": join(state, "extended_states"),
    "Dir::Cache": join(state, "cache"),
    "Dir::Log": state,
    "Debug::NoLocking": "true",
    "Acquire::Retries": "3",
    "APT::Sandbox::User": "",
  };
  const common = ["-q", "-y", ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
  const aptEnv = { ...env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  log(`not root: fetching ${packages.join(" ")} into ${cache} (nothing outside it is touched)`);
  const update = await run("apt-get", [...common, "update"], { env: aptEnv });
  if (update.status !== 0) throw failed("apt-get update", packages, update.output);
  const args = [...common, "install", "--download-only", "--no-install-recommends", ...packages];
  const fetched = await run("apt-get", args, { env: aptEnv });
  if (fetched.status !== 0)
    throw failed(`apt-get install --download-only ${packages.join(" ")}`, packages, fetched.output);

  const archives = join(state, "cache/archives");
  const debs = readdirSync(archives).filter((name) => name.endsWith(".deb"));
  if (debs.length === 0) throw failed("apt-get install --download-only", packages, "no package came");
  log(`unpacking ${debs.length} packages`);
  const prefix = join(cache, "debian");
  // Into a copy beside, so that an interrupted set-up never leaves half a compiler that looks whole. What an earlier
  // set-up unpacked stays: it asked for other packages.
  const temporary = `${prefix}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    if (existsSync(prefix)) await mustRun("cp", ["-a", `${prefix}/.`, temporary], packages);
    for (const deb of debs) await mustRun("dpkg-deb", ["-x", join(archives, deb), temporary], packages);
    writeVersions(temporary, debs);
    repairLinks(temporary);
    repairLinkerScripts(temporary, prefix);
    rmSync(prefix, { recursive: true, force: true });
    renameSync(temporary, prefix);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  rmSync(archives, { recursive: true, force: true });
  log(`unpacked ${packages.join(" ")} into ${prefix} in ${since(started)}`);
}

/** name_1%3a2.3-4_amd64.deb -> "2.3-4", for messages. @param {string} prefix @param {string[]} debs */
function writeVersions(prefix, debs) {
  const path = join(prefix, "versions.json");
  const versions = Object.assign({}, readJson(path));
  for (const deb of debs) {
    const [name = "", version = ""] = deb.split("_");
    versions[name] = decodeURIComponent(version).replace(/^\d+:/, "");
  }
  writeFileSync(path, `${JSON.stringify(versions, null, 1)}\n`);
}

/** @param {string} command @param {string[]} args @param {string[]} packages */
async function mustRun(command, args, packages) {
  const { status, output } = await run(command, args);
  if (status !== 0) throw failed(`${command} ${args.at(0)}`, packages, output);
}

/** @param {string} what @param {string[]} packages @param {string} output */
function failed(what, packages, output) {
  const lines = output.split("\n").filter((line) => /^(E:|W: Failed|dpkg)/.test(line));
  return new SetupError(
    `${what} failed without root:\n${(lines.length > 0 ? lines : output.trimEnd().split("\n")).slice(-8).join("\n")}`,
    [`ask somebody with root: apt-get update && apt-get install --no-install-recommends ${packages.join(" ")}`],
  );
}

/**
 * A development package's link (libgomp.so -> libgomp.so.1) points at a library that the system has already and that was
 * therefore not unpacked here. Absolute links point out of the prefix.
 * @param {string} prefix
 */
export function repairLinks(prefix) {
  for (const entry of readdirSync(prefix, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const target = readlinkSync(path);
    const wanted = target.startsWith("/") ? join(prefix, target) : resolve(dirname(path), target);
    if (existsSync(wanted) || isLink(wanted)) {
      if (!target.startsWith("/")) continue;
      relink(path, relative(dirname(path), wanted));
      continue;
    }
    const outside = `/${relative(prefix, wanted)}`;
    if (existsSync(outside)) relink(path, outside);
  }
}

/** @param {string} path */
function isLink(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** @param {string} path @param {string} target */
function relink(path, target) {
  unlinkSync(path);
  symlinkSync(target, path);
}

/**
 * libc.so and libm.so are texts with absolute paths ("GROUP ( /lib/.../libc.so.6 /usr/lib/.../libc_nonshared.a ... )"):
 * what was unpacked here is at the prefix, what was not is the system's.
 * @param {string} temporary where the files are now
 * @param {string} prefix where they will be
 */
export function repairLinkerScripts(temporary, prefix) {
  for (const entry of readdirSync(join(temporary, "usr/lib"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/^lib(c|m|pthread)\.(so|a)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    if (!bytes.subarray(0, 400).includes("GNU ld script")) continue;
    const text = bytes.toString("latin1").replace(/(?<=[\s(])\/[^\s)]+/g, (name) => {
      // A second set-up finds the paths of the first.
      const plain = name.startsWith(`${prefix}/`) ? name.slice(prefix.length) : name;
      const found = [plain, `/usr${plain}`].find((candidate) => existsSync(join(temporary, candidate)));
      return found ? join(prefix, found) : plain;
    });
    writeFileSync(path, text, "latin1");
  }
}
